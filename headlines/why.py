"""Why the fourth size fails: which step is too large, and what mends it.

Under the exercise's recipe the fourth size ends at the distribution of single
characters. The arms train it on the same lines in the same order, each with one thing
changed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from headlines.likelihood import counted, crop, lengths, training_loss
from headlines.model import PAD, DecoderTransformer
from headlines.recipes import RECIPES, SIZES, Size, build_model
from machinery.progress import Progress

STEPS, WARM_UP, BATCH = 80, 60, 16
LR = 1e-3
# what each arm changes of: post-norm, one rate for all, from the first step on
ARMS: dict[str, dict] = {
    "exercise": {},
    "small rate for one matrix": {"matrix_lr": 0.02},
    "warm-up": {"warm_up": WARM_UP},
    "pre-norm": {"pre_norm": True},
    "rate 1e-4": {"lr": 1e-4},
}


def unigram_entropy(tokens: Tensor) -> float:
    """Return the entropy in nats of the lines' targets, their end pads included."""
    n = lengths(tokens)
    counts = torch.bincount(tokens[:, 1:][tokens[:, 1:] != PAD], minlength=1).double()
    counts[PAD] = (n < tokens.shape[1] - 1).sum()
    p = counts[counts > 0] / counts.sum()
    return -(p * p.log()).sum().item()


def widest(model: DecoderTransformer) -> list[torch.nn.Parameter]:
    """Return the matrices with the most inputs: the second one of every MLP."""
    return [block.mlp[2].weight for block in model.transformer_blocks]


def train_arm(
    size: Size, tokens: Tensor, seed: int, steps: int = STEPS, *, lr: float = LR,
    matrix_lr: float = 1.0, warm_up: int = 0, pre_norm: bool = False,
) -> Iterator[float]:  # fmt: skip
    """Train for some steps and yield each one's loss in nats a target.

    matrix_lr is the widest matrices' share of the rate; warm_up the steps over which
    the rate grows.
    """
    # the fast recipe would change the dropout too
    recipe = replace(RECIPES["exercise"], pre_norm=pre_norm)
    torch.manual_seed(seed)
    model = build_model(size, recipe)
    wide = widest(model)
    others = [p for p in model.parameters() if all(p is not w for w in wide)]
    groups = [{"params": others}, {"params": wide, "lr": lr * matrix_lr}]
    optimizer = torch.optim.AdamW(groups, lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 1) if warm_up else 1.0
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(tokens), (BATCH,), generator=generator)
        lines = crop(tokens[rows])
        # the mean of all targets, which is what the characters' entropy is of
        loss = training_loss(model, lines, lines) * len(lines) / counted(lines).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield loss.item()


def short_lines(tokens: Tensor, share: float = 0.3) -> Tensor:
    """Return the shortest lines: a step on them takes less time."""
    order = lengths(tokens).argsort(stable=True)
    return tokens[order[: math.ceil(share * len(tokens))]]


def first_step(size: Size, tokens: Tensor, seed: int) -> dict[str, float]:
    """Take Adam's first step with the widest matrices alone and see what moves.

    moved is the change of the first block's MLP output over the size of what it is
    added to: of one step, root mean square over positions and channels.
    """
    torch.manual_seed(seed)
    model = build_model(size, RECIPES["exercise"]).eval()
    lines = crop(tokens[:BATCH])
    block = model.transformer_blocks[0]
    inside = capture(block.mlp, lambda: model.transformer_forward(lines))
    before = block.mlp(inside).detach()
    optimizer = torch.optim.AdamW(widest(model), LR)
    training_loss(model, lines, lines).backward()
    optimizer.step()
    moved = (block.mlp(inside).detach() - before).square().mean().sqrt()
    return {
        "inputs": block.mlp[2].in_features,
        "moved": (moved / inside.square().mean().sqrt()).item(),
    }


def capture(module: torch.nn.Module, run: Callable[[], object]) -> Tensor:
    """Return what a module was given while run() ran."""
    seen: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        run()
    handle.remove()
    return seen[0].detach()


def experiment(
    train: Tensor,
    seed: int,
    progress: Progress,
    size: int = 4,
    steps: int | None = None,
) -> dict:
    """Run all arms on the short lines of train (N, T); plain numbers to keep."""
    tokens, steps = short_lines(train), steps or STEPS
    progress.expect(len(ARMS) * steps)
    arms = {}
    for name, changes in ARMS.items():
        progress.label(name)
        arm = train_arm(SIZES[size], tokens, seed, steps, **changes)
        arms[name] = list(progress.watch(arm))
        progress.print(f"{name}: {mean_end(arms[name]):.3f} nats a target at the end")
    unigram = unigram_entropy(tokens)
    return {
        "size": size,
        "unigram": unigram,
        "arms": arms,
        "one_step_is_too_large": "small rate for one matrix" in mended(arms, unigram),
        "first_step": {
            str(number): first_step(one, tokens, seed) for number, one in SIZES.items()
        },
    }


def mean_end(losses: list[float]) -> float:
    """Return the mean over the last tenth of the steps."""
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def mended(arms: dict[str, list[float]], unigram: float) -> list[str]:
    """Return the changes that let the size learn more than single characters."""
    changed = [name for name in arms if name != "exercise"]
    return [name for name in changed if mean_end(arms[name]) < 0.95 * unigram]


def sentences(found: dict) -> list[str]:
    """Say, by the numbers, whether the exercise's arm collapses and what mends it."""
    unigram, arms = found["unigram"], found["arms"]
    ends = {name: mean_end(losses) for name, losses in arms.items()}
    fails = ends["exercise"] > 0.97 * unigram
    learns = mended(arms, unigram)
    not_mended = [n for n in ends if n != "exercise" and n not in learns]
    steps = found["first_step"]
    lines = [
        f"The exercise's recipe ends at {ends['exercise']:.2f} nats a target; the "
        f"characters' own frequencies give {unigram:.2f}: it "
        + ("has learnt nothing more." if fails else "learns more than these."),
        "Of the changes, "
        + (", ".join(f"{n} ({ends[n]:.2f})" for n in learns) or "none")
        + " let it learn"
        + (f"; not {', '.join(not_mended)}." if not_mended else "."),
        "Adam's first step moves the output of the first MLP by "
        + ", ".join(f"{s['moved']:.2f}" for s in steps.values())
        + " of what it is added to, for the matrices with "
        + ", ".join(f"{s['inputs']:,}" for s in steps.values())
        + " inputs of sizes 1 to 4.",
    ]
    return lines
