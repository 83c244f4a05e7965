"""Training and measuring the speed run's model, in one process or several."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dataset import Vocabulary
from gpt.fast_gpt import FastGPT
from machinery import checkpoint
from machinery.errors import Diverged
from machinery.optimizers import split_for_muon
from machinery.process_group import average, n_processes


@dataclass(frozen=True)
class Recipe:
    """A model and its schedule."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int  # windows of all processes together
    steps: int
    n_trigrams: int = 4096  # rows that all strings of three characters are hashed into
    muon_lr: float = 0.03
    adamw_lr: float = 0.01
    weight_decay: float = 0.1  # of Muon
    warm_up: float = 0.04  # share of the steps until the full rates; then down to zero
    half_length: float = (
        0.7  # share of the steps on windows of half the length: cheaper
    )
    dropout: float = 0.0
    dtype: str = "bfloat16"  # of the activations


RECIPES = {
    "cpu": Recipe(4, 2, 128, 256, 16, 600),
    "large": Recipe(6, 6, 384, 256, 64, 1500, dropout=0.2),
    "tiny": Recipe(2, 2, 16, 16, 8, 20, 64, dtype="float32"),
}


def adapt(recipe: Recipe, steps: int | None, device: torch.device) -> Recipe:
    """Return the recipe with other steps, if any, and in a type that is fast here."""
    if device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        # PyTorch has no public question for this
        recipe = replace(recipe, dtype="float32")
    return replace(recipe, steps=steps or recipe.steps)


def from_recipe(recipe: Recipe, vocab_size: int) -> FastGPT:
    """Return the untrained model of a recipe."""
    return FastGPT(
        recipe.n_layer, recipe.n_head, recipe.n_embd, vocab_size, recipe.block_size,
        recipe.n_trigrams, dropout=recipe.dropout, dtype=getattr(torch, recipe.dtype),
    )  # fmt: skip


def build_model(config: dict, preprocessing: dict) -> FastGPT:
    """Return the untrained model that a saved one's config and vocabulary ask for."""
    recipe = Recipe(**{f.name: config[f.name] for f in fields(Recipe)})
    return from_recipe(recipe, len(preprocessing["vocabulary"]))


def load(path: str | Path) -> tuple[FastGPT, Vocabulary]:
    """Return a saved model, ready to generate, and its vocabulary.

    Raise checkpoint.CheckpointError when the file is not one of a speed run.
    """
    content = checkpoint.read(path)
    model = restore(content, path)
    return model, Vocabulary(content["preprocessing"]["vocabulary"])


def restore(content: dict, path: str | Path) -> FastGPT:
    """Return a checkpoint's model, ready to generate.

    Raise checkpoint.CheckpointError where it holds none.
    """
    checkpoint.check_kind(content, "model of speedrun.py", ["fast_gpt"], path)
    checkpoint.check_layers(content, "blocks", path)
    model = checkpoint.restore(content, build_model, path).eval()
    # the recipe may say bfloat16, that only some processors multiply in; the others
    # imitate it, six times slower than float32
    model.dtype = torch.float32
    return model


def make_optimizers(model: FastGPT, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the blocks' matrices, AdamW for the embeddings and the head."""
    matrices, others = split_for_muon(model, model.blocks)
    muon = torch.optim.Muon(
        matrices, lr=recipe.muon_lr, weight_decay=recipe.weight_decay
    )
    adamw = torch.optim.AdamW(
        others, recipe.adamw_lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    return [muon, adamw]


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


def window_loss(
    model: nn.Module, windows: Tensor, pieces: int = 1, **how: str
) -> Tensor:
    """Return the loss on windows (B, T + 1), each cut into so many shorter ones."""
    x, y = windows[:, :-1], windows[:, 1:]
    logits = model(x.reshape(len(x) * pieces, -1))
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), **how)


@torch.no_grad()
def mean_loss(model: nn.Module, ids: Tensor, T: int) -> float:
    """Return the mean loss over a text, of which all but the first is predicted.

    The model sees windows of T that do not overlap, the last of them shorter.
    """
    model.eval()
    whole = (len(ids) - 1) // T * T  # inputs in full windows
    windows = [*ids[: whole + 1].unfold(0, T + 1, T).split(8192 // T)]
    windows += [ids[None, whole:]] if whole < len(ids) - 1 else []
    losses = [window_loss(model, w, reduction="sum").double() for w in windows]
    model.train()
    return (torch.stack(losses).sum() / (len(ids) - 1)).item()


def lr_scale(step: int, recipe: Recipe) -> float:
    """Return what the rates of a step (0, 1, ...) are multiplied by.

    Up along a line during the warm-up, then on a line that reaches zero at the end.
    """
    return min((step + 1) / (recipe.warm_up * recipe.steps), 1 - step / recipe.steps)


def train(
    model: FastGPT, ids: Tensor, recipe: Recipe, seed: int, rank: int = 0
) -> Iterator[Tensor]:
    """Train, yielding each step's loss over the batch of all processes."""
    optimizers = make_optimizers(model, recipe)
    for step, windows in enumerate(batches(ids, recipe, seed)):
        pieces = 2 if step / recipe.steps < recipe.half_length else 1
        loss = window_loss(model, windows[rank :: n_processes()], pieces)
        loss.backward()
        loss = loss.detach()
        average([*(p.grad for p in model.parameters()), loss])
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * lr_scale(step, recipe)
            optimizer.step()
            optimizer.zero_grad()
        yield loss


def measured(
    model: FastGPT, steps: Iterable[Tensor], validation: Tensor, recipe: Recipe
) -> Iterator[dict[str, float]]:
    """Train, yielding the measurements, which take time that counts.

    One after a tenth of the steps, one each time that the steps have doubled since, one
    at the end. Raise Diverged where a loss is no longer finite.
    """
    due, losses = math.ceil(recipe.steps / 10), []
    for step, loss in enumerate(steps, 1):
        losses.append(loss)
        if step < min(due, recipe.steps):
            continue
        due *= 2
        row = {"step": step, "train_loss": torch.stack(losses).mean().item()}
        row["val_loss"] = mean_loss(model, validation, recipe.block_size)
        if not math.isfinite(sum(row.values())):
            raise Diverged(f"a loss is not finite any more: {row}")
        losses.clear()
        yield row
