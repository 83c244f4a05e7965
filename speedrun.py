"""Tiny Shakespeare as fast as possible: one model and its loop, two minutes, two cores.

python speedrun.py                                # numbers, model: outputs/speedrun/
python speedrun.py --recipe large --device cuda   # the field's larger recipe
python generate.py --checkpoint outputs/speedrun/model.pt   # text from the model
torchrun --nproc-per-node 2 speedrun.py           # the same run in two processes
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import checkpoint
import cli
from cli import Progress, option
from dataset import Vocabulary
from process import keep_memory, seconds_since_start
from process_group import average, n_processes, process_group
from run_folder import RunFolder, versions
from tiny_shakespeare import TEST_START, tiny_shakespeare
from training import pick_device


@dataclass(frozen=True)
class Recipe:
    """A model and its schedule."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int  # windows of all processes together
    steps: int
    n_triples: int = 4096  # rows of the table of three characters
    matrix_rate: float = 0.03  # Muon's
    table_rate: float = 0.01  # AdamW's
    weight_decay: float = 0.1  # of the matrices
    rise: float = 0.04  # share of the steps until the full rates; then down to zero
    short: float = 0.7  # share of the steps whose windows are cut in two: cheaper
    dropout: float = 0.0
    dtype: str = "bfloat16"  # of the activations


RECIPES = {
    "cpu": Recipe(4, 2, 128, 256, 16, 600),
    "large": Recipe(6, 6, 384, 256, 64, 1500, dropout=0.2),
    "tiny": Recipe(2, 2, 16, 16, 8, 20, 64, dtype="float32"),
}
# B batch, T time, C channels, H heads, D channels of a head, V characters


def norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def angles(n_places: int, n: int) -> tuple[Tensor, Tensor]:
    """Return the cosines and signed sines (T, D) that rotate wants."""
    frequency = 1000.0 ** (-torch.arange(n // 2) / (n // 2))
    angle = torch.arange(n_places)[:, None] * frequency  # (T, D / 2)
    sin = angle.sin()
    return angle.cos().repeat(1, 2), torch.cat((-sin, sin), dim=1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # (..., T, D)
    """Turn each pair of channels by an angle that grows with the place."""
    return x * cos + x.roll(x.shape[-1] // 2, dims=-1) * sin


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:  # (B, H, T, D) each
    """Average the values of each place and the places before it by the scores."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    # on a processor plain products take a half to a fifth of the fused kernel's time
    B, H, T, D = q.shape
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))
    future = torch.full((T, T), -1e4, dtype=q.dtype, device=q.device).triu(1)
    score = torch.baddbmm(future, q, k.transpose(1, 2), alpha=D**-0.5)
    return (score.softmax(-1) @ v).view(B, H, T, D)


class Matrix(nn.Module):
    """A linear map; float32 weights, arithmetic in the type of its input."""

    def __init__(self, n_in: int, n_out: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * scale * n_in**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.type_as(x))


class Block(nn.Module):
    """Attention, then a perceptron with squared ReLU; both begin as the identity."""

    def __init__(self, n_head: int, n_embd: int, dropout: float) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = Matrix(n_embd, 3 * n_embd)
        self.out = Matrix(n_embd, n_embd, scale=0.0)
        self.up = Matrix(n_embd, 4 * n_embd)
        self.down = Matrix(4 * n_embd, n_embd, scale=0.0)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, C = x.shape
        qkv = self.qkv(norm(x)).view(B, T, 3, self.n_head, C // self.n_head)
        qk, v = qkv.permute(2, 0, 3, 1, 4).split((2, 1))  # (2 or 1, B, H, T, D)
        q, k = rotate(norm(qk), cos, sin)
        y = attend(q, k, v[0]).transpose(1, 2).reshape(B, T, C)
        x = x + self.dropout(self.out(y))
        return x + self.dropout(self.down(self.up(norm(x)).relu().square()))


class Model(nn.Module):
    """A GPT that also looks up the last two and the last three characters."""

    def __init__(self, recipe: Recipe, n_vocab: int) -> None:
        """Raise ValueError for sizes below 1 or heads that are no even share of C."""
        super().__init__()
        for name in ("n_layer", "n_head", "n_embd", "block_size", "n_triples"):
            size = getattr(recipe, name)
            if type(size) is not int or size < 1:
                raise ValueError(f"{name} must be an integer above 0, got {size!r}")
        C = recipe.n_embd
        if C % (2 * recipe.n_head):
            raise ValueError(
                f"n_embd must be a multiple of 2 n_head, got {C} and {recipe.n_head}"
            )
        self.n_vocab, self.block_size = n_vocab, recipe.block_size
        self.dtype = getattr(torch, recipe.dtype)
        self.one = nn.Embedding(n_vocab, C)
        self.two = nn.Embedding((n_vocab + 1) ** 2, C)
        self.three = nn.Embedding(recipe.n_triples, C)
        for table in (self.one, self.two, self.three):
            nn.init.normal_(table.weight, std=0.5)
        self.blocks = nn.ModuleList(
            Block(recipe.n_head, C, recipe.dropout) for _ in range(recipe.n_layer)
        )
        self.head = Matrix(C, n_vocab, scale=0.0)
        # saved with the weights, so that their shape vouches for the block size
        cos, sin = angles(recipe.block_size, C // recipe.n_head)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def forward(self, idx: Tensor) -> Tensor:  # (B, T) -> (B, T, V)
        # before the window there is a character that no text has
        padded = F.pad(idx, (2, 0), value=self.n_vocab)
        two = padded[:, 1:-1] * (self.n_vocab + 1) + idx
        three = padded[:, :-2] * (self.n_vocab + 1) ** 2 + two
        three = three * 40503 // 64 % self.three.num_embeddings  # a hash
        x = self.one(idx) + self.two(two) + self.three(three)
        x = norm(x.to(self.dtype))
        cos, sin = (t[: idx.shape[1]].type_as(x) for t in (self.cos, self.sin))
        for block in self.blocks:
            x = block(x, cos, sin)
        return 15 * (self.head(norm(x)).float() / 15).tanh()


def make_optimizers(model: Model, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the blocks' matrices, AdamW for the tables and the head."""
    matrices = list(model.blocks.parameters())
    others = [p for name, p in model.named_parameters() if "blocks." not in name]
    muon = torch.optim.Muon(
        matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay
    )
    adam = torch.optim.AdamW(
        others, recipe.table_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    return [muon, adam]


def batches(ids: Tensor, recipe: Recipe, seed: int) -> Iterator[Tensor]:
    """Draw windows (B, T + 1) for each step; each pass over the text cuts it anew."""
    generator = torch.Generator().manual_seed(seed)
    T, size = recipe.block_size, recipe.batch_size
    starts = torch.empty(0, dtype=torch.int64)
    for _ in range(recipe.steps):
        while len(starts) < size:
            first = int(torch.randint(T, (), generator=generator))
            cuts = torch.arange(first, len(ids) - T, T)
            order = torch.randperm(len(cuts), generator=generator)
            starts = torch.cat((starts, cuts[order]))
        yield ids[(starts[:size, None] + torch.arange(T + 1)).to(ids.device)]
        starts = starts[size:]


def loss_of(model: nn.Module, windows: Tensor, cut: int = 1, **how: str) -> Tensor:
    """Return the loss on windows (B, T + 1), each cut into so many shorter ones."""
    x, y = windows[:, :-1], windows[:, 1:]
    logits = model(x.reshape(len(x) * cut, -1))
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), **how)


@torch.no_grad()
def evaluate(model: nn.Module, ids: Tensor, T: int) -> float:
    """Return the mean loss of all characters of a text but its first.

    The model sees windows of T that do not overlap, the last of them shorter.
    """
    model.eval()
    whole = (len(ids) - 1) // T * T  # inputs in full windows
    windows = [*ids[: whole + 1].unfold(0, T + 1, T).split(8192 // T)]
    windows += [ids[None, whole:]] if whole < len(ids) - 1 else []
    losses = [loss_of(model, w, reduction="sum").double() for w in windows]
    model.train()
    return (torch.stack(losses).sum() / (len(ids) - 1)).item()


def train(
    model: Model, ids: Tensor, recipe: Recipe, seed: int, rank: int = 0, world: int = 1
) -> Iterator[Tensor]:
    """Train, yielding each step's loss over the batch of all processes."""
    optimizers = make_optimizers(model, recipe)
    for step, windows in enumerate(batches(ids, recipe, seed)):
        done = step / recipe.steps
        share = min((step + 1) / (recipe.rise * recipe.steps), 1 - done)
        cut = 2 if done < recipe.short else 1
        loss = loss_of(model, windows[rank::world], cut)
        loss.backward()
        loss = loss.detach()
        average([*(p.grad for p in model.parameters()), loss])
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * share
            optimizer.step()
            optimizer.zero_grad()
        yield loss


@dataclass(frozen=True)
class Config:
    """Options of speedrun.py; the defaults are the recipe for two cores."""

    recipe: str = option("cpu", "model and schedule", choices=tuple(RECIPES))
    steps: int | None = option(None, "steps; none: the recipe's", at_least=1)
    output_dir: str = option("outputs/speedrun", "folder for numbers and model")
    seed: int = option(42, "seed of everything random", at_least=0, at_most=2**32 - 1)
    device: str = option("cpu", "where to train", choices=("cpu", "cuda", "auto"))
    threads: int | None = option(None, "threads; none: one a core", at_least=1)

    def __post_init__(self) -> None:
        cli.check(self)


def build_model(config: dict, preprocessing: dict) -> Model:
    """Return the untrained model that a saved one's config asks for."""
    recipe = Recipe(**{f.name: config[f.name] for f in fields(Recipe)})
    return Model(recipe, len(preprocessing["vocabulary"]))


def load_fast_gpt(path: str | Path) -> tuple[Model, Vocabulary]:
    """Return a saved model, ready to generate, and its vocabulary.

    Raise checkpoint.CheckpointError when the file is not one of a speed run.
    """
    content = checkpoint.read(path)
    checkpoint.check_kind(content, "model of speedrun.py", ["fast_gpt"], path)
    checkpoint.check_layers(content, "blocks", path)
    model = checkpoint.restore(content, build_model, path).eval()
    # the recipe may say bfloat16, that only some processors multiply in; the others
    # imitate it, six times slower than float32
    model.dtype = torch.float32
    return model, Vocabulary(content["preprocessing"]["vocabulary"])


def lead(
    model: Model, validation: Tensor, steps: Iterator, recipe: Recipe, folder: RunFolder
) -> list[dict[str, float]]:
    """Train and return the measurements.

    They take time that counts: one after a tenth of the steps, one each time that the
    steps have doubled since, one at the end.
    """
    due = math.ceil(recipe.steps / 10)
    rows, losses = [], []
    with Progress(recipe.steps) as progress:
        for step, loss in enumerate(progress.watch(steps), 1):
            losses.append(loss)
            if step < min(due, recipe.steps):
                continue
            due *= 2
            row = {"step": step, "train_loss": torch.stack(losses).mean().item()}
            row["val_loss"] = evaluate(model, validation, recipe.block_size)
            if not math.isfinite(sum(row.values())):
                raise FloatingPointError(f"a loss is not finite any more: {row}")
            losses.clear()
            rows.append(row | {"seconds": seconds_since_start()})
            folder.write_csv("metrics.csv", [{k: r[k] for k in row} for r in rows])
            progress.print(*(f"{name} {x:.5g} " for name, x in rows[-1].items()))
    return rows


def write_summary(folder: RunFolder, config: dict, rows: list[dict]) -> None:
    """Write summary.json, whose seconds are those of the whole run; name all files."""
    summary = {
        "config": config,
        "units": "loss in nats per character; seconds since the process began",
        "val_loss": rows[-1]["val_loss"],
        "evaluations": rows,
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "seconds": seconds_since_start(),
    }
    folder.write_json("summary.json", summary)
    print(f"{summary['seconds']:.0f} s; wrote", *folder.written, sep="\n  ")


def run(config: Config, recipe: Recipe, rank: int, device: torch.device) -> None:
    """Do the share of one process; the first one also measures and writes."""
    text, world = tiny_shakespeare(), n_processes()
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([index[c] for c in text], device=device)
    torch.manual_seed(config.seed)
    model = Model(recipe, len(index)).to(device)
    steps = train(model, ids[:TEST_START], recipe, config.seed, rank, world)
    if rank > 0:
        for _ in cli.stoppable(steps):
            pass
        return
    with RunFolder(config.output_dir) as folder:
        rows = lead(model, ids[TEST_START:], steps, recipe, folder)
        saved = asdict(config) | asdict(recipe) | {"processes": world}
        vocabulary = {"vocabulary": "".join(index)}
        state = model.state_dict()
        data = checkpoint.dump("fast_gpt", state, saved, vocabulary)
        folder.write("model.pt", data)
        write_summary(folder, saved, rows)


def main(config: Config) -> None:
    keep_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    recipe, world = RECIPES[config.recipe], n_processes()
    recipe = replace(recipe, steps=config.steps or recipe.steps)
    if recipe.batch_size % world:
        size = recipe.batch_size
        raise ValueError(f"{world} processes cannot share {size} windows equally")
    with process_group(pick_device(config.device)) as (rank, device):
        # PyTorch has no public question for this
        if device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported():
            recipe = replace(recipe, dtype="float32")
        run(config, recipe, rank, device)


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
