"""Training and evaluation: places and a kind of mixture to a Run, and its files.

N places, K components, D dimensions, E epochs.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataset import Standardization
from machinery import checkpoint
from machinery.errors import Diverged
from machinery.training import fit, in_chunks, shuffled
from mixture_models import GMM, OUTSIDE, UMM, MixtureModel
from mixtures.config import MixtureConfig
from mixtures.data import Places

MODELS = {"gmm": GMM, "umm": UMM}
SPLITS = ("train", "test")


def measure_mean(log_likelihood: Tensor) -> dict[str, float]:
    """Return the mean of a split's log-likelihoods (N,)."""
    return {"log_likelihood": log_likelihood.cpu().double().mean().item()}


def measure_coverage(log_likelihood: Tensor) -> dict[str, float]:
    """Split a mean that one uncovered place ruins into the numbers that explain it."""
    covered = log_likelihood > OUTSIDE
    return {
        **measure_mean(log_likelihood),
        "coverage": covered.cpu().double().mean().item(),
        # nothing covered has no mean; a gap in the curve and an empty cell say so
        "covered_log_likelihood": log_likelihood[covered].cpu().double().mean().item(),
    }


@dataclass(frozen=True)
class Kind:
    """What tells one kind of mixture from another."""

    model_class: type[MixtureModel]
    measure: Callable[[Tensor], dict[str, float]]  # of a split's log-likelihoods (N,)
    quantities: dict[str, str]  # what measure returns, with labels for figures


MEAN_LABEL = "mean log-likelihood\n(nats per place, standardised)"
GAUSSIANS = Kind(GMM, measure_mean, {"log_likelihood": MEAN_LABEL})
BOXES = Kind(
    UMM,
    measure_coverage,
    {
        "log_likelihood": MEAN_LABEL,
        "coverage": "share of places\nthat some box covers",
        "covered_log_likelihood": "mean log-likelihood\nof the covered places (nats)",
    },
)


@dataclass
class Run:
    """One training: what was fitted, how it went, and every epoch's parameters."""

    model: MixtureModel
    start: str  # where the components were before training
    seed: int
    rows: list[dict[str, Any]] = field(default_factory=list)  # from epoch 0
    states: list[dict[str, Tensor]] = field(default_factory=list)  # from epoch 0
    seconds: float = 0.0

    @property
    def last_epoch(self) -> int:
        return len(self.states) - 1

    def curve(self, column: str) -> np.ndarray:
        """Return one column of the rows, (E + 1,)."""
        return np.array([row[column] for row in self.rows])

    def at(self, epoch: int) -> MixtureModel:
        """Return a copy of the model as it was after an epoch, on the CPU."""
        with torch.device("meta"):
            model = type(self.model)(self.model.n_components, self.model.n_dims)
        model.load_state_dict(self.states[epoch], assign=True)
        return model

    def snapshot(self, epoch: int) -> dict[str, Any]:
        """Return what snapshots.pt holds of an epoch: which one it is, and weights."""
        names = ("n_components", "start", "seed", "epoch")
        which = {name: self.rows[epoch][name] for name in names}
        return {**which, "state_dict": self.states[epoch]}


Key = tuple[int, str, int]  # n_components, start, seed
Runs = dict[Key, Run]


def train(
    kind: Kind,
    config: MixtureConfig,
    places: Places,
    n_components: int,
    start: str,
    seed: int,
    *,
    watch: Callable[[Iterable], Iterable] = iter,
) -> Iterator[Run]:
    """Yield one Run, which grows, before the training and after each of its epochs.

    start is "random" or "country" (a component on each country's mean). A run depends
    on these arguments alone, not on what was trained before. watch wraps each epoch's
    batches. Raise Diverged when a likelihood, the loss or a weight is not finite.
    """
    torch.manual_seed(seed)
    model = kind.model_class(n_components, places.train.shape[1])
    if start == "country":
        with torch.no_grad():
            model.locations.copy_(places.country_means)
    run = Run(model.to(places.train.device), start, seed)
    began = time.perf_counter()
    record(run, 0, evaluate(kind, model, places))
    yield run
    adam = torch.optim.Adam(model.parameters(), config.learning_rate, fused=True)
    draw = shuffled(places.train, config.batch_size)
    epochs = range(1, config.epochs + 1)
    for epoch, _ in fit(
        model, batch_loss, lambda g: watch(draw(g)), adam, epochs, seed
    ):
        record(run, epoch, evaluate(kind, model, places))
        run.seconds = time.perf_counter() - began
        yield run


def batch_loss(model: MixtureModel, batch: Tensor) -> Tensor:
    """Return the loss of a batch (N, D), ()."""
    return model.loss_function(model(batch))


def evaluate(kind: Kind, model: MixtureModel, places: Places) -> dict[str, float]:
    """Measure both splits: train_log_likelihood, test_log_likelihood and so on."""
    return {
        f"{split}_{name}": value
        for split in SPLITS
        for name, value in kind.measure(
            in_chunks(model, getattr(places, split))
        ).items()
    }


def mean_log_likelihood(model: MixtureModel, x: Tensor) -> float:
    """Return the mean of log p(x) over x (N, D), in nats."""
    return measure_mean(in_chunks(model, x))["log_likelihood"]


def record(run: Run, epoch: int, measured: dict[str, float]) -> None:
    """Append an epoch's numbers and parameters; Diverged where a mean is not finite."""
    for split in SPLITS:
        mean = measured[f"{split}_log_likelihood"]
        if not math.isfinite(mean):
            raise Diverged(
                f"the {split} log-likelihood became {mean} after epoch {epoch}; "
                "a smaller learning rate may help"
            )
    which = {
        "n_components": run.model.n_components,
        "start": run.start,
        "seed": run.seed,
        "epoch": epoch,
    }
    run.rows.append(which | measured)
    parameters = run.model.state_dict().items()
    run.states.append({name: p.detach().cpu().clone() for name, p in parameters})


def model_file(
    model: MixtureModel, config: MixtureConfig, places: Places, **more: Any
) -> bytes:
    """Return the bytes of model.pt; more are further parts of the file."""
    kind = type(model).__name__.lower()
    saved = asdict(config) | {"n_components": model.n_components}
    scale = asdict(places.standardization)
    return checkpoint.dump(kind, model.state_dict(), saved, scale, **more)


def load_mixture(path: str | Path) -> tuple[MixtureModel, Standardization]:
    """Return a saved mixture and the map between its coordinates and degrees.

    Raise checkpoint.CheckpointError when the file is not a saved mixture.
    """

    def build(config: dict, preprocessing: dict) -> MixtureModel:
        if preprocessing.keys() != {"mean", "std"}:
            raise ValueError("its preprocessing is not that of a mixture")
        model_class = MODELS[content["kind"]]
        return model_class(config["n_components"], len(preprocessing["mean"]))

    content = checkpoint.read(path)
    checkpoint.check_kind(content, "mixture", MODELS, path)
    model = checkpoint.restore(content, build, path)
    standardization = Standardization(**content["preprocessing"])
    for name, value in content["preprocessing"].items():
        if value.shape != (model.n_dims,):
            raise checkpoint.CheckpointError(
                f"{path}: {name} should have shape ({model.n_dims},), "
                f"found {tuple(value.shape)}"
            )
    return model, standardization
