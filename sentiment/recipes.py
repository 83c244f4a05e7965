"""The two recipes: how each kind of training builds, steps and stops."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from machinery.training import steps_per_epoch
from sentiment import fused
from sentiment.data import HEAD, TAIL, Dataset
from sentiment.model import PAD, MyTransformer
from sentiment.network import NgramNetwork

JITTER = 32  # words by which the lengths within a batch may differ more
WARM_UP = 200  # steps


@dataclass(frozen=True)
class Job:
    """One training. Without attention all else is the same."""

    recipe: str  # assignment or best
    split: str
    seed: int  # 0, 1, ...
    attention: bool = True
    norm: str = "sample"  # or token: the assignment's block with nn.LayerNorm(d)
    hide: str = "mask"  # or zero: how the bonus hides words while it trains

    @property
    def name(self) -> str:
        parts = [self.recipe, self.split]
        parts += ["no_attention"] * (not self.attention)
        parts += [f"{self.norm}_norm"] * (self.norm != "sample")
        parts += [f"hide_by_{self.hide}"] * (self.hide != "mask")
        return "_".join([*parts, str(self.seed)])


@dataclass(frozen=True)
class Recipe:
    """The assignment's: Adam at one rate, the last epoch's weights."""

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-4


@dataclass(frozen=True)
class BestRecipe(Recipe):
    """The bonus': AdamW whose rate falls to zero, the best validation epoch."""

    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 1e-3
    table_rate: float = 1e-2  # of the n-grams' vectors
    weight_decay: float = 0.1
    hidden_words: float = 0.1  # share of the words that training hides
    smoothing: float = 0.05  # of the labels
    dropout: float = 0.3


RECIPES: dict[str, Recipe] = {"assignment": Recipe(), "best": BestRecipe()}


def steps(job: Job, dataset: Dataset) -> int:
    """The steps of an epoch."""
    return steps_per_epoch(len(dataset.rows["train"]), RECIPES[job.recipe].batch_size)


def build(job: Job, vectors: Tensor, max_len: int, n_ngrams: tuple[int, int]):
    """Return a job's untrained model."""
    if job.recipe == "best":
        dropout = RECIPES["best"].dropout
        return NgramNetwork(
            vectors, *n_ngrams, attention=job.attention, dropout=dropout
        )
    model = MyTransformer(vectors, max_len, attention=job.attention)
    if job.norm == "token":
        for block in model.blocks:
            block.norm1 = nn.LayerNorm(vectors.shape[1], eps=block.norm1.eps)
            block.norm2 = nn.LayerNorm(vectors.shape[1], eps=block.norm2.eps)
    return model


def make_optimizer(model: nn.Module, recipe: Recipe, n_steps: int):
    """Return the optimizer of a recipe, and the scheduler of its rates."""
    if not isinstance(recipe, BestRecipe):
        rate = recipe.learning_rate
        return torch.optim.Adam(model.parameters(), rate, fused=True), None
    tables = list(model.tables.parameters())
    taken = set(map(id, tables))
    others = [p for p in model.parameters() if id(p) not in taken]
    optimizer = torch.optim.AdamW(
        [
            {"params": others, "lr": recipe.learning_rate},
            {"params": tables, "lr": recipe.table_rate},
        ],
        weight_decay=recipe.weight_decay,
        fused=True,
    )

    def scale(step: int) -> float:
        """Up along a line during the warm-up, then down on one that reaches zero."""
        return min((step + 1) / min(WARM_UP, n_steps), 1 - step / n_steps)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, scale)


def batches(dataset: Dataset, rows: Tensor, size: int, generator=None) -> list[Tensor]:
    """Return rows in batches of similar length; in a random order with a generator."""
    lengths = dataset.lengths[rows].clamp(max=HEAD + TAIL).float()
    if generator is None:
        return list(rows[lengths.argsort(stable=True)].split(size))
    noise = torch.rand(len(rows), generator=generator) * JITTER
    found = rows[(lengths + noise).argsort()].split(size)
    order = torch.randperm(len(found), generator=generator)
    return [found[i] for i in order.tolist()]


def loss_function(job: Job, dataset: Dataset):
    """Return the loss of a model on a batch, which is its reviews' rows."""
    recipe = RECIPES[job.recipe]
    if not isinstance(recipe, BestRecipe):
        return lambda model, rows: F.binary_cross_entropy_with_logits(
            logits(model, dataset, rows), dataset.labels[rows]
        )

    def loss(model: NgramNetwork, rows: Tensor) -> Tensor:
        ids, there = read(dataset, rows)
        hidden = torch.rand(there.shape) < recipe.hidden_words
        if job.hide == "mask":
            there = there & ~hidden
        else:
            ids = ids.masked_fill(hidden, PAD)
        smooth = recipe.smoothing
        wanted = dataset.labels[rows] * (1 - smooth) + smooth / 2
        device = next(model.parameters()).device
        found = model(ids.to(device), there.to(device))
        return F.binary_cross_entropy_with_logits(found, wanted.to(device))

    return loss


def read(dataset: Dataset, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return ids (3, B, T) as far as the longest review, and what is there (B, T)."""
    width = int(dataset.lengths[rows].max().clamp(1, HEAD + TAIL))
    ids = dataset.ids[:, rows, :width].long()
    return ids, torch.arange(width) < dataset.lengths[rows][:, None]


def logits(model: nn.Module, dataset: Dataset, rows: Tensor) -> Tensor:
    """Return the logits of reviews (B,)."""
    device = next(model.parameters()).device
    if isinstance(model, NgramNetwork):
        ids, there = read(dataset, rows)
        return model(ids.to(device), there.to(device)).cpu()
    return fused.transformer(model, dataset.words[rows].long().to(device)).cpu()


def shuffled(job: Job, dataset: Dataset):
    """Return what draws an epoch's batches."""
    rows = torch.from_numpy(dataset.rows["train"])
    size = RECIPES[job.recipe].batch_size

    def draw(generator: torch.Generator) -> Iterator[Tensor]:
        return iter(batches(dataset, rows, size, generator))

    return draw
