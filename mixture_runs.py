"""Data, training and saving of the mixtures that the experiment asks about."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import checkpoint
import cli
from cli import Progress, option
from dataset import DATA_DIR, Standardization, class_means, load_europe
from mixture_models import GMM, UMM, MixtureModel
from training import fit, in_chunks, pick_device, shuffled

COMPONENT_COUNTS = (1, 5, 10)  # and the number of countries
MODELS = {"gmm": GMM, "umm": UMM}
MEAN_LABEL = "mean log-likelihood\n(nats per place, standardised)"


@dataclass(frozen=True)
class Config:
    """Options of both mixture drivers; the defaults are the exercise's."""

    data_dir: str | None = option(
        None, "folder with train.csv and test.csv; none: the built-in places"
    )
    output_dir: str = option("outputs/mixture", "folder for figures, numbers and model")
    epochs: int = option(50, "passes over the training set", at_least=1)
    batch_size: int = option(4096, "places per step", at_least=1, at_most=2**31)
    learning_rate: float = option(0.01, "Adam step size", above=0)
    seed: int = option(
        42, "seed of the runs that are shown", at_least=0, at_most=2**32 - 1
    )
    n_seeds: int = option(5, "seeds in the comparison of starts", at_least=1)
    device: str = option(
        "cpu", "where to train", choices=("cpu", "cuda", "mps", "auto")
    )
    threads: int = option(
        1,
        "processor threads; one is safe from slow neighbours",
        at_least=1,
        at_most=1024,
    )

    def __post_init__(self) -> None:
        cli.check(self)


@dataclass(frozen=True)
class Places:
    """Both splits (N, D), standardised by the training statistics, on the device."""

    train: Tensor
    test: Tensor
    country_means: Tensor  # (C, D), standardised, of the training set
    standardization: Standardization

    @property
    def component_counts(self) -> list[int]:
        return sorted({*COMPONENT_COUNTS, len(self.country_means)})

    def in_degrees(self, x: Tensor) -> np.ndarray:
        return self.standardization.undo(x.cpu()).numpy()


def load_places(config: Config) -> Places:
    """Read, check and standardise the data; ValueError where it cannot be fitted."""
    torch.set_num_threads(config.threads)
    train, test = load_europe(config.data_dir or DATA_DIR)
    standardization = Standardization.of(train.features)
    means = class_means(train.features, train.labels)
    device = pick_device(config.device)
    splits = (train.features, test.features, means)
    x = [standardization.apply(features).to(device) for features in splits]
    places = Places(*x, standardization)
    distinct = len(train.features.unique(dim=0))
    most = places.component_counts[-1]
    if distinct < most:
        raise ValueError(
            f"the training set has {distinct} distinct places; "
            f"{most} components need at least {most}"
        )
    return places


def mean_log_likelihood(log_likelihood: Tensor) -> dict[str, float]:
    """Summarise the log-likelihoods (N,) of a split."""
    return {"log_likelihood": log_likelihood.cpu().double().mean().item()}


@dataclass
class Run:
    """One training: what was fitted, how it went, and every epoch's parameters."""

    model: MixtureModel
    start: str  # "random" or "country"
    seed: int
    rows: list[dict[str, float]] = field(default_factory=list)  # from epoch 0
    states: list[dict[str, Tensor]] = field(default_factory=list)  # from epoch 0
    seconds: float = 0.0

    def curve(self, column: str) -> np.ndarray:
        """Return one column of the rows, (E + 1,)."""
        return np.array([row[column] for row in self.rows])

    def at(self, epoch: int) -> MixtureModel:
        """Return a copy of the model as it was after an epoch, on the CPU."""
        with torch.device("meta"):
            model = type(self.model)(self.model.n_components, self.model.n_dims)
        model.load_state_dict(self.states[epoch], assign=True)
        return model


@dataclass(frozen=True)
class Kind:
    """What tells one kind of mixture from another."""

    model_class: type[MixtureModel]
    location: str  # the parameter that the country start sets
    measure: Callable[[Tensor], dict[str, float]]  # of a split's log-likelihoods (N,)
    quantities: dict[str, str]  # what measure returns, with labels for figures


@dataclass(frozen=True)
class Trainer:
    """Trains mixtures of one kind and remembers every run."""

    kind: Kind
    config: Config
    places: Places
    progress: Progress
    runs: list[Run] = field(default_factory=list)

    def run(
        self, n_components: int, start: str = "random", seed: int | None = None
    ) -> Run:
        """Train a mixture; a run depends on its arguments, the config and the data."""
        seed = self.config.seed if seed is None else seed
        torch.manual_seed(seed)
        model = self.kind.model_class(n_components, self.places.train.shape[1])
        if start == "country":
            with torch.no_grad():
                getattr(model, self.kind.location).copy_(self.places.country_means)
        run = Run(model.to(self.places.train.device), start, seed)
        self.runs.append(run)
        self.progress.label(f"K = {n_components}, {start} start, seed {seed}")
        began = time.perf_counter()
        self.record(run, epoch=0)
        for epoch, _ in self.epochs(run):
            self.record(run, epoch)
            run.seconds = time.perf_counter() - began
        return run

    def epochs(self, run: Run) -> Iterator[tuple[int, Tensor]]:
        draw = shuffled(self.places.train, self.config.batch_size)
        parameters = run.model.parameters()
        return fit(
            run.model,
            lambda model, x: model.loss_function(model(x)),
            lambda generator: self.progress.watch(draw(generator)),
            torch.optim.Adam(parameters, self.config.learning_rate, fused=True),
            range(1, self.config.epochs + 1),
            run.seed,
        )

    def record(self, run: Run, epoch: int) -> None:
        """Append the epoch's metrics and parameters to the run."""
        row = {
            "n_components": run.model.n_components,
            "start": run.start,
            "seed": run.seed,
            "epoch": epoch,
        }
        for split in ("train", "test"):
            log_likelihood = in_chunks(run.model, getattr(self.places, split))
            for name, value in self.kind.measure(log_likelihood).items():
                row[f"{split}_{name}"] = value
            mean = row[f"{split}_log_likelihood"]
            if not math.isfinite(mean):
                raise FloatingPointError(
                    f"the {split} log-likelihood became {mean} after epoch {epoch}; "
                    "a smaller learning rate may help"
                )
        run.rows.append(row)
        parameters = run.model.state_dict().items()
        run.states.append({k: v.detach().cpu().clone() for k, v in parameters})


def model_file(
    model: MixtureModel, state: dict[str, Tensor], config: Config, places: Places
) -> bytes:
    """Return model.pt of a model with the parameters of state."""
    kind = type(model).__name__.lower()
    saved = asdict(config) | {"n_components": model.n_components}
    mean, std = places.standardization.mean, places.standardization.std
    return checkpoint.dump(kind, state, saved, {"mean": mean, "std": std})


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
