"""Trainings of the classifiers, what they say of held-out reviews, their files."""

import hashlib
import math
import operator
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from machinery import checkpoint, workers
from machinery.errors import Diverged
from machinery.process import pick_device
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from machinery.training import derive_seed, fit
from sentiment import recipes
from sentiment.config import MAY_CHANGE, Config
from sentiment.data import HEAD, TAIL, Dataset, Lexicon
from sentiment.recipes import RECIPES, BestRecipe, Job
from sentiment.tokens import Ngrams, Vocabulary

EVALUATED = 256  # reviews at a time
AT_A_TIME = 4  # trainings: each process holds the reviews
KIND = "sentiment"


@dataclass
class Run:
    """One training that has ended: what it measured, and the reviews' logits."""

    job: Job
    rows: list[dict[str, float]] = field(default_factory=list)  # from epoch 1
    logits: Tensor | None = None  # (N,) of the held-out reviews; nan for the others
    best_epoch: int = 0
    model: nn.Module | None = None  # only where it was trained now
    model_hash: str = ""  # of its file, where the run was read from one


def epochs_of(job: Job, config: Config) -> int:
    return config.epochs or RECIPES[job.recipe].epochs


def build(job: Job, dataset: Dataset, config: Config) -> nn.Module:
    """Return a job's untrained model: a function of its seed."""
    torch.manual_seed(training_seed(job, config))
    lexicon = dataset.lexicon
    n_ngrams = len(lexicon.bigrams.keys), len(lexicon.trigrams.keys)
    return recipes.build(job, lexicon.vectors, config.max_len, n_ngrams)


def training_seed(job: Job, config: Config) -> int:
    return derive_seed([config.seed, job.seed])


def train(job: Job, dataset: Dataset, config: Config, progress: Progress) -> Run:
    """Train one model; the run holds it with the weights that count."""
    device = pick_device(config.device)
    recipe, n_epochs = RECIPES[job.recipe], epochs_of(job, config)
    model = build(job, dataset, config).to(device)
    n_steps = n_epochs * recipes.steps(job, dataset)
    optimizer, scheduler = recipes.make_optimizer(model, recipe, n_steps)
    draw = recipes.shuffled(job, dataset)
    run, best = Run(job, model=model), {}
    for epoch, losses in fit(
        model,
        recipes.loss_function(job, dataset),
        lambda generator: progress.watch(draw(generator), cost(job)),
        optimizer,
        range(1, n_epochs + 1),
        training_seed(job, config),
        scheduler,
    ):
        found = evaluate(model, dataset, "validation")
        if not math.isfinite(found["loss"]):
            raise Diverged(f"the validation loss is not finite after epoch {epoch}")
        row = {"epoch": epoch, "train_loss": losses.mean().item()}
        run.rows.append(row | {f"validation_{k}": v for k, v in found.items()})
        if not isinstance(recipe, BestRecipe) or is_best(run.rows):
            run.best_epoch = epoch
            best = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(best)
    model.eval()
    held_out = np.concatenate([dataset.rows[name] for name in ("validation", "test")])
    run.logits = logits_of(model, dataset, held_out)
    return run


def cost(job: Job) -> int:
    """About the time of a step, in units of the quickest one's."""
    if job.recipe == "best":
        return 8 if job.attention else 4
    return 3 if job.attention else 1


def is_best(rows: list[dict[str, float]]) -> bool:
    last = rows[-1]["validation_accuracy"]
    return all(last > row["validation_accuracy"] for row in rows[:-1])


@torch.no_grad()
def logits_of(model: nn.Module, dataset: Dataset, rows: np.ndarray) -> Tensor:
    """Return logits (N,) of the reviews in rows, not a number for any other."""
    model.eval()
    found = torch.full((len(dataset.labels),), torch.nan)
    for batch in recipes.batches(dataset, torch.from_numpy(rows), EVALUATED):
        found[batch] = recipes.logits(model, dataset, batch)
    return found


def evaluate(model: nn.Module, dataset: Dataset, split: str) -> dict[str, float]:
    rows = dataset.rows[split]
    found, labels = logits_of(model, dataset, rows)[rows], dataset.labels[rows]
    loss = F.binary_cross_entropy_with_logits(found, labels).item()
    return {
        "loss": loss,
        "accuracy": ((found > 0) == (labels > 0.5)).float().mean().item(),
    }


def train_all(
    jobs: list[Job], datasets: dict[str, Dataset], config: Config, digest: str,
    folder: RunFolder, keep: dict[str, str],
) -> dict[str, Run]:  # fmt: skip
    """Train jobs, on a processor some at a time; return the runs by their names.

    Each ends with a file in trainings/, from which config.resume takes it; keep names
    the jobs whose models are wanted afterwards, and their files.
    """
    with Progress(0, unit="") as progress, RunFolder(folder.path / "trainings") as kept:
        if not config.resume:  # what an earlier run has left is none of this one
            for job in jobs:
                (kept.path / f"{job.name}.pt").unlink(missing_ok=True)
        done = load_ended(jobs, kept.path, folder.path, keep, config, digest)
        left = [job for job in jobs if job.name not in done]
        steps = (recipes.steps(job, datasets[job.split]) for job in left)
        costs = (cost(job) * epochs_of(job, config) for job in left)
        progress.expect(sum(map(operator.mul, costs, steps)))
        # A small training has little use for a second thread: another takes it. By all
        # jobs, done or not: a run that goes on has as many threads as it had.
        n = workers.how_many(len(jobs), pick_device(config.device), AT_A_TIME)
        progress.label(f"{n} training(s) at a time")
        shared = datasets, config, set(keep)
        threads = torch.get_num_threads() // n
        with workers.each(
            train_one, shared, left, n, progress, threads=threads, in_order=False
        ) as trained:
            for run in trained:
                name, data = run.job.name, datasets[run.job.split]
                model = b""
                if name in keep:
                    model = dump_model(run, data, config)
                    folder.write(keep[name], model)
                kept.write(f"{name}.pt", dump_run(run, config, digest, model))
                run.model = None
                done[name] = run
                progress.print(describe(run))
    return {job.name: done[job.name] for job in jobs}


def load_ended(
    jobs: list[Job], trainings: Path, models: Path, keep: dict[str, str],
    config: Config, digest: str,
) -> dict[str, Run]:  # fmt: skip
    """Return the runs of those jobs whose files, the kept models too, are there."""
    found = {}
    for job in jobs:
        path = trainings / f"{job.name}.pt"
        if path.exists():
            run = load(job, path, config, digest)
            if job.name not in keep or is_of(run, models / keep[job.name]):
                found[job.name] = run
    return found


def is_of(run: Run, model: Path) -> bool:
    """Whether a model's file is the one that was written with a run's."""
    return model.exists() and hashed(model.read_bytes()) == run.model_hash


def hashed(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


def train_one(
    datasets: dict[str, Dataset], config: Config, keep: set[str], job: Job,
    progress: Progress,
) -> Run:  # fmt: skip
    """Return a job's run; its model only if that is to be kept."""
    progress.label(job.name)
    run = train(job, datasets[job.split], config, progress)
    if job.name not in keep:
        run.model = None
    return run


def describe(run: Run) -> str:
    row = run.rows[run.best_epoch - 1]
    return (
        f"{run.job.name}: epoch {run.best_epoch}, "
        f"training loss {row['train_loss']:.3f}, "
        f"validation loss {row['validation_loss']:.3f}, "
        f"validation accuracy {row['validation_accuracy']:.2%}"
    )


def options(job: Job, config: Config) -> dict:
    return (
        asdict(config)
        | {"resume": False, "head": HEAD, "tail": TAIL}
        | {f"job_{k}": v for k, v in asdict(job).items()}
    )


def dump_run(run: Run, config: Config, digest: str, model: bytes) -> bytes:
    """Return a run's file: its numbers, and which model's file belongs to them."""
    return checkpoint.dump(
        f"{KIND}_run", {"logits": run.logits}, options(run.job, config), {},
        metrics=run.rows, best_epoch=run.best_epoch, data_hash=digest,
        model_hash=hashed(model),
    )  # fmt: skip


def load(job: Job, path: Path, config: Config, digest: str) -> Run:
    """Return the run of a file; CheckpointError for another config or other data."""
    parts = {"metrics": list, "best_epoch": int, "data_hash": str, "model_hash": str}
    content = checkpoint.read(path, also=parts)
    checkpoint.check_kind(content, "run of train_sentiment.py", [f"{KIND}_run"], path)
    checkpoint.compare(content["config"], options(job, config), MAY_CHANGE, path)
    if content["data_hash"] != digest:
        raise checkpoint.CheckpointError(f"{path} was trained on other reviews")
    logits = content["state_dict"]["logits"]
    return Run(
        job, content["metrics"], logits, content["best_epoch"],
        model_hash=content["model_hash"],
    )  # fmt: skip


def dump_model(run: Run, dataset: Dataset, config: Config) -> bytes:
    """Return a model's file, with the words and n-grams that it reads."""
    lexicon = dataset.lexicon
    about = {
        "words": "\n".join(lexicon.vocabulary.words),
        "bigrams": torch.from_numpy(lexicon.bigrams.keys),
        "trigrams": torch.from_numpy(lexicon.trigrams.keys),
    }
    weights = {name: p.cpu() for name, p in run.model.state_dict().items()}
    return checkpoint.dump(KIND, weights, options(run.job, config), about)


def rebuild(config: dict, preprocessing: dict) -> nn.Module:
    """Return the untrained model that a file's config asks for."""
    job = Job(
        **{k.removeprefix("job_"): v for k, v in config.items() if k.startswith("job_")}
    )
    n_words = 2 + preprocessing["words"].count("\n") + 1
    vectors = torch.zeros(n_words, 50)
    n_ngrams = len(preprocessing["bigrams"]), len(preprocessing["trigrams"])
    return recipes.build(job, vectors, config["max_len"], n_ngrams)


def load_model(path: Path) -> tuple[nn.Module, Lexicon]:
    """Return a saved model, ready to judge, and what it reads by."""
    content = checkpoint.read(path)
    checkpoint.check_kind(content, "model of train_sentiment.py", [KIND], path)
    model = checkpoint.restore(content, rebuild, path).eval()
    about = content["preprocessing"]
    ngrams = [Ngrams(about[name].numpy()) for name in ("bigrams", "trigrams")]
    vocabulary = Vocabulary(about["words"].split("\n"))
    return model, Lexicon(vocabulary, torch.zeros(0, 50), *ngrams)


def jobs_of(config: Config) -> Iterator[Job]:
    """Yield the trainings that a config asks for, all of a seed before the next."""
    wanted = ("assignment", "best") if config.recipe == "all" else (config.recipe,)
    for seed in config.seeds:
        for recipe in wanted:
            for split in config.split_names:
                for attention in (True, False):
                    yield Job(recipe, split, seed, attention)
