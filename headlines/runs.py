"""One training of one size; files that it goes on from."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from headlines import training
from headlines.config import MAY_CHANGE, Config
from headlines.data import Corpus
from headlines.likelihood import evaluate, evaluate_padded
from headlines.model import DecoderTransformer
from headlines.recipes import RECIPES, SIZES, Recipe, build_model
from headlines.texts import draw
from machinery import checkpoint
from machinery.errors import Diverged
from machinery.progress import Progress
from machinery.training import derive_seed, fit, steps_per_epoch

N_SAMPLES = 8  # texts that show what an epoch has taught
RESUME_PARTS = {
    "optimizer": dict,
    "scheduler": dict,
    "epoch": int,
    "best_epoch": int,
    "best": dict,
    "data_hash": str,
    "metrics": list,
    "samples": list,
}  # what checkpoint.pt has besides model.pt's parts


@dataclass
class Run:
    """One training: all that it has produced, and all that it needs to go on."""

    name: str  # of its folder
    size: int
    config: Config
    corpus: Corpus
    train_tokens: Tensor  # (N, 150)
    model: DecoderTransformer
    optimizer: Any = None
    scheduler: Any = None
    epoch: int = 0
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)  # its weights
    rows: list[dict[str, float]] = field(default_factory=list)  # from epoch 1
    samples: list[list[str]] = field(default_factory=list)  # from epoch 1

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.recipe]

    @property
    def epochs(self) -> int:
        return max_epochs(self.config, self.size)

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return steps_per_epoch(len(self.train_tokens), self.recipe.batch_size)

    @property
    def step_cost(self) -> int:
        """About the time of a step, in thousands of weights: none is free."""
        return 100 + sum(p.numel() for p in self.model.parameters()) // 1000

    @property
    def done(self) -> bool:
        """Whether all epochs are over, or none was better for longer than patience."""
        patience = self.recipe.patience
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.epochs or (patience is not None and waited > patience)

    def files(self) -> dict[str, bytes]:
        """Return the files of this epoch: model.pt has the weights of the best one.

        checkpoint.pt, what going on needs, comes last: it says that the other is there.
        """
        options = asdict(self.config) | {"resume": False, "size": self.size}
        about = options, self.corpus.preprocessing
        return {
            "model.pt": checkpoint.dump("headlines", self.best, *about),
            "checkpoint.pt": checkpoint.dump(
                "headlines",
                self.model.state_dict(),
                *about,
                optimizer=self.optimizer.state_dict(),
                scheduler=self.scheduler.state_dict() if self.scheduler else {},
                epoch=self.epoch,
                best_epoch=self.best_epoch,
                best=self.best,
                data_hash=self.corpus.digest,
                metrics=self.rows,
                samples=self.samples,
            ),
        }


def max_epochs(config: Config, size: int) -> int:
    return config.epochs or RECIPES[config.recipe].max_epochs[size - 1]


def build(config: dict, preprocessing: dict) -> DecoderTransformer:
    """Return the untrained model that a checkpoint's config asks for."""
    return build_model(SIZES[config["size"]], RECIPES[config["recipe"]])


def restore(content: dict, path: str | Path) -> DecoderTransformer:
    """Return a checkpoint's model, ready to generate; CheckpointError for none."""
    checkpoint.check_kind(content, "model of train_headlines.py", ["headlines"], path)
    return checkpoint.restore(content, build, path).eval()


def start(
    name: str, size: int, config: Config, corpus: Corpus, device: torch.device,
    n_train: int | None = None,
) -> Run:  # fmt: skip
    """Return a run before its first epoch, on the first n_train texts or all."""
    recipe = RECIPES[config.recipe]
    tokens = corpus.tokens["train"][:n_train].to(device)
    torch.manual_seed(derive_seed([config.seed, size]))
    model = build_model(SIZES[size], recipe)
    training.initialize(model, recipe)
    model.to(device)
    run = Run(name, size, config, corpus, tokens, model)
    steps = run.steps * run.epochs
    run.optimizer, run.scheduler = training.make_optimizer(model, recipe, steps)
    return run


def resume(run: Run, path: Path) -> Run:
    """Bring a run that has not begun to where its checkpoint.pt is, if there is one.

    Raise CheckpointError for a file that is none, or of another config or corpus.
    """
    if not path.exists():
        return run
    content = checkpoint.read(path, also=RESUME_PARTS)
    wanted = asdict(run.config) | {"size": run.size}
    checkpoint.compare(content["config"], wanted, MAY_CHANGE, path)
    if content["data_hash"] != run.corpus.digest:
        raise checkpoint.CheckpointError(f"{path} was trained on other texts")
    run.model.load_state_dict(restore(content, path).state_dict())
    try:
        run.optimizer.load_state_dict(content["optimizer"])
        if run.scheduler:
            run.scheduler.load_state_dict(content["scheduler"])
    except (KeyError, ValueError, TypeError) as error:
        raise checkpoint.CheckpointError(
            f"{path} holds no state of this recipe's optimizer: {error}"
        ) from error
    run.epoch, run.best_epoch = content["epoch"], content["best_epoch"]
    run.best, run.rows = content["best"], content["metrics"]
    run.samples = content["samples"]
    return run


def train(run: Run, progress: Progress) -> Iterator[int]:
    """Train the epochs that are left, and yield each.

    The run has the epoch's measurements, and the best weights, when it is yielded.
    """
    recipe, config = run.recipe, run.config
    draw_batches = training.make_batches(run.train_tokens, recipe, run.size)
    seed = derive_seed([config.seed, run.size])
    epochs = fit(
        run.model,
        training.loss_function(recipe),
        lambda generator: progress.watch(draw_batches(generator), run.step_cost),
        run.optimizer,
        range(run.epoch + 1, run.epochs + 1),
        seed,
        run.scheduler,
    )
    while not run.done:
        run.epoch, losses = next(epochs)
        record(run, losses.mean().item())
        yield run.epoch


def record(run: Run, train_loss: float) -> None:
    """Keep the epoch's measurements and samples, and the weights if they are best."""
    tokens = run.corpus.tokens["validation"]
    row = {"epoch": run.epoch, "train_loss": train_loss}
    found = evaluate(run.model, tokens)
    if not run.recipe.skip_pads:
        found |= evaluate_padded(run.model, tokens)
    row |= {f"validation_{name}": value for name, value in found.items()}
    if not math.isfinite(found["nll"]):
        raise Diverged(f"the validation loss is not finite after epoch {run.epoch}")
    run.rows.append(row)
    # what the notebook stops by is its own number, with all the pads
    by = "validation_nll" if run.recipe.skip_pads else "validation_padded_nll"
    if all(row[by] < before[by] for before in run.rows[:-1]):
        run.best_epoch = run.epoch
        weights = run.model.state_dict()
        run.best = {name: p.detach().cpu().clone() for name, p in weights.items()}
    seed = derive_seed([run.config.seed, run.size, run.epoch])
    run.samples.append(draw(run.model, N_SAMPLES, 1.0, seed))


def best_model(run: Run) -> DecoderTransformer:
    """Return the model with the weights of its best epoch."""
    run.model.load_state_dict(run.best)
    return run.model.eval()
