"""Every line of the table on the same folds by work, and trainings of their own."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from composers import baselines, graphs, runs, scores, scraps
from composers.baselines import BASELINES
from composers.config import Config
from composers.graphs import KINDS, Graphs
from composers.model import Committee, ComposerNetwork
from composers.runs import Job, Setting
from composers.scraps import Scraps
from machinery import workers
from machinery.errors import BadInput
from machinery.progress import Progress

FEWEST_WORKS = 5  # of a composer, to be split by work and not by movement
LOGISTIC = "all features, logistic regression"
RELATIONAL, PLAIN = "relational attention", "plain attention (GAT)"
BOTH = "relational attention and forest"
FOREST = "all features, random forest"
SEARCHED: dict[str, dict] = {
    "defaults": {},
    "one layer": {"layers": 1},
    "three layers": {"layers": 3},
    "dropout 0.15": {"dropout": 0.15},
    "dropout 0.5": {"dropout": 0.5},
    "batches of 64": {"batch_size": 64},
    "rate 0.001": {"learning_rate": 1e-3},
    "half the epochs": {"epochs": 0.5},
    "twice the epochs": {"epochs": 2},
    "no transposition": {"rotate": False},
}


@dataclass(frozen=True)
class Corpus:
    """All scraps with their graphs and features, and what to say of them."""

    scraps: Scraps
    graphs: Graphs
    features: dict[str, np.ndarray]
    notes: tuple[str, ...]
    by_movement: tuple[str, ...]  # composers with too few works

    @property
    def labels(self) -> Tensor:
        return torch.from_numpy(self.scraps.labels)


def prepare(config: Config, cache: Path) -> Corpus:
    """Read the scores and shred them; BadInput where there is too little."""
    baselines.require()
    places = (
        scores.from_folder(Path(config.scores))
        if config.scores
        else scores.from_music21()
    )
    read = scores.load(places, cache)
    kept, copies = scores.without_copies(read)
    kept, few = scores.group_by_movement(kept, FEWEST_WORKS)
    found = scraps.make_scraps(kept, config.scraps, config.seed)
    check(found)
    per_composer = np.bincount(found.labels[found.base])
    named = zip(found.composers, per_composer, strict=True)
    notes = (
        f"{len(read):,} scores read; left out: {len(copies)} with another's music",
        "scraps of 50 notes: " + ", ".join(f"{name} {n}" for name, n in named),
        "split by movement, of too few works: " + (", ".join(few) or "none"),
    )
    return Corpus(
        found, graphs.make_graphs(found.notes), baselines.features(found.notes), notes,
        tuple(few),
    )  # fmt: skip


def check(found: Scraps) -> None:
    """Raise BadInput for a composer whose scraps do not reach all folds."""
    for label, name in enumerate(found.composers):
        of_one = found.base & (found.labels == label)
        n_works = len(np.unique(found.works[of_one]))
        if n_works < scraps.N_FOLDS:
            raise BadInput(
                f"{name} needs at least {scraps.N_FOLDS} works or movements of "
                f"{scraps.SIZE} notes, found {n_works}"
            )


@dataclass(frozen=True)
class Judged:
    """What each line says of every base scrap, by a model that did not see it."""

    by_work: bool
    folds: list[tuple[np.ndarray, np.ndarray]]
    said: dict[str, np.ndarray]  # line: probabilities (n_base, classes)
    networks: list[Committee]  # the relational ones, by fold


def judge_all(
    corpus: Corpus, config: Config, device: torch.device, by_work: bool,
    progress: Progress,
) -> Judged:  # fmt: skip
    """Train every line on each fold's training rows, and ask it about the others.

    The networks of a kind differ in their seeds alone, and vote together. At random,
    which flatters whatever is asked, only the lines that count.
    """
    parts = scraps.folds(corpus.scraps, by_work, config.seed)
    kinds = {RELATIONAL: True, PLAIN: False} if by_work else {}
    jobs = [
        Job(train, config, Setting(relational=kind, seed=seed))
        for train, _ in parts
        for kind in kinds.values()
        for seed in range(config.n_seeds)
    ]
    n_base, n_classes = corpus.scraps.base.sum(), len(corpus.scraps.composers)
    said = {name: np.zeros((n_base, n_classes)) for name in (*BASELINES, *kinds)}
    networks = []
    with fit_each(corpus, jobs, device, progress) as trained:
        for train, test in parts:
            for name, (which, kind) in BASELINES.items():
                said[name][test] = baselines.classify(
                    kind, corpus.features[which], corpus.scraps.labels, train, test,
                    config.seed,
                )  # fmt: skip
            for name in kinds:
                committee = Committee(list(islice(trained, config.n_seeds)))
                said[name][test] = runs.probabilities(committee, corpus.graphs, test)
                if name == RELATIONAL:
                    networks.append(committee)
    if by_work:
        said[BOTH] = (said[RELATIONAL] + said[FOREST]) / 2
    return Judged(by_work, parts, said, networks)


def silence(corpus: Corpus, judged: Judged) -> dict[str, np.ndarray]:
    """Return what the relational networks say without a kind of relation, by kind."""
    said = {kind: np.zeros_like(judged.said[RELATIONAL]) for kind in KINDS}
    for model, (_, test) in zip(judged.networks, judged.folds, strict=True):
        for kind, relations in KINDS.items():
            said[kind][test] = runs.probabilities(model, corpus.graphs, test, relations)
    return said


@contextlib.contextmanager
def fit_each(
    corpus: Corpus, jobs: Sequence[Job], device: torch.device, progress: Progress
) -> Iterator[Iterator[ComposerNetwork]]:
    """Train the networks of jobs, one a thread on a processor; give them in order."""
    if jobs:
        progress.expect(len(jobs))
    shared = corpus.graphs, corpus.labels, len(corpus.scraps.composers), device
    n = workers.how_many(len(jobs), device)
    with workers.each(runs.train, shared, jobs, n) as trained:
        yield progress.watch(trained)


def search(
    corpus: Corpus, config: Config, device: torch.device, progress: Progress
) -> list[dict]:
    """Try settings on works held out of each training fold; no test work is seen."""
    outer = scraps.folds(corpus.scraps, True, config.seed)[:2]
    jobs, asked = [], []
    for change in SEARCHED.values():
        change = dict(change)
        if "epochs" in change:
            change["epochs"] = max(round(config.epochs * change["epochs"]), 1)
        for seed, (train, _) in enumerate(outer):
            works = np.unique(corpus.scraps.works[train])
            held = works[np.random.default_rng(seed).random(len(works)) < 0.2]
            out = np.isin(corpus.scraps.works[train], held)
            jobs.append(Job(train[~out], replace(config, **change)))
            asked.append(train[out & corpus.scraps.base[train]])
    rows = []
    with fit_each(corpus, jobs, device, progress) as trained:
        found = accuracies(corpus, jobs, trained, asked)
        for name in SEARCHED:
            accuracy = float(np.mean(list(islice(found, len(outer)))))
            rows.append({"setting": name, "accuracy": accuracy})
            progress.print(f"{name}: {accuracy:.1%} on validation works")
    return rows


def accuracies(
    corpus: Corpus, jobs: Iterable[Job], trained: Iterable[ComposerNetwork],
    asked: Iterable[np.ndarray],
) -> Iterator[float]:  # fmt: skip
    """Yield the accuracy of each job's network on the rows that it is asked about."""
    for job, model, rows in zip(jobs, trained, asked, strict=True):
        said = runs.probabilities(model, corpus.graphs, rows, job.setting.left_out)
        yield float((said.argmax(1) == corpus.scraps.labels[rows]).mean())


def ablate(
    corpus: Corpus, config: Config, device: torch.device, progress: Progress
) -> list[dict]:
    """Train without one kind of relation after the other, on a fold for each seed."""
    parts = scraps.folds(corpus.scraps, True, config.seed)
    named = {"all relations": (), **KINDS}
    jobs, asked = [], []
    for relations in named.values():
        for seed in range(config.n_seeds):
            train, test = parts[seed % len(parts)]
            jobs.append(Job(train, config, Setting(left_out=relations, seed=seed)))
            asked.append(test)
    rows = []
    with fit_each(corpus, jobs, device, progress) as trained:
        found = accuracies(corpus, jobs, trained, asked)
        for name, relations in named.items():
            of_seeds = list(islice(found, config.n_seeds))
            rows.append({"left_out": name, "accuracies": of_seeds})
            prefix = "without " if relations else ""
            progress.print(f"{prefix}{name}: {np.mean(of_seeds):.1%}")
    return rows
