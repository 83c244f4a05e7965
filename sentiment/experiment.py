"""All trainings of one experiment, on each split, and the yardstick beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from machinery.errors import BadInput
from machinery.run_folder import RunFolder
from sentiment import costs, nb_svm, prepared, questions, recipes, reviews, runs
from sentiment.config import Config
from sentiment.data import Dataset, make_dataset
from sentiment.nb_svm import NbSvm
from sentiment.recipes import Job
from sentiment.reviews import Reviews
from sentiment.runs import Run
from sentiment.tokens import Tokens, pack


@dataclass(frozen=True)
class Corpus:
    """The reviews, and for each split its tensors and its yardstick."""

    reviews: Reviews
    tokens: Tokens
    datasets: dict[str, Dataset]
    svms: dict[str, NbSvm]
    scores: dict[str, np.ndarray]  # the NB-SVM's of all reviews

    @property
    def notes(self) -> tuple[str, ...]:
        rows = [data.rows for data in self.datasets.values()]
        return (
            *self.reviews.notes,
            *(
                f"{name} split: {len(r['train']):,} / {len(r['validation']):,} / "
                f"{len(r['test']):,} reviews to train, validate and test"
                for name, r in zip(self.datasets, rows, strict=True)
            ),
        )


def prepare(config: Config, cache: Path) -> Corpus:
    """Read and tokenize the reviews, split them, and count the yardstick."""
    found = reviews.load(config.data_dir)
    tokens = prepared.tokens_of(found, cache)
    return split_up(found, tokens, config, config.split_names)


def split_up(
    found: Reviews, tokens: Tokens, config: Config, names: Sequence[str]
) -> Corpus:
    """Split reviews in the named ways, and count the yardstick of each."""
    datasets, svms, scores = {}, {}, {}
    for name in names:
        rows = reviews.split(name, found, config.seed, config.film_block)
        data = make_dataset(name, tokens, found.labels, rows, config.max_len)
        encoded = data.lexicon.vocabulary.encode(tokens)
        svm = nb_svm.fit(
            encoded, tokens, found.labels, rows["train"], rows["validation"]
        )
        datasets[name], svms[name] = data, svm
        scores[name] = svm.score(encoded, tokens)
    return Corpus(found, tokens, datasets, svms, scores)


def kept_models(jobs: list[Job]) -> dict[str, str]:
    """Return the jobs whose models are looked into, and their files."""
    wanted = {"assignment": "assignment.pt", "best": "model.pt"}
    return {
        job.name: wanted[job.recipe]
        for job in jobs
        if (job.split, job.seed, job.attention, job.norm, job.hide)
        == ("random", 0, True, "sample", "mask")
    }


def train(config: Config, corpus: Corpus, folder: RunFolder) -> dict[str, Run]:
    """Train what the config asks for; the runs by their names."""
    jobs = list(runs.jobs_of(config))
    return runs.train_all(
        jobs, corpus.datasets, config, corpus.reviews.digest, folder, kept_models(jobs)
    )


def compare_on_blocks(config: Config, cache: Path, folder: RunFolder) -> dict:
    """Train the bonus with and without attention on each block of films.

    Every block tests other reviews: together they tell more than one can.
    """
    found = reviews.load(config.data_dir)
    tokens = prepared.tokens_of(found, cache)
    if found.own_test.any():
        raise BadInput("--blocks needs reviews without a test half of their own")
    jobs = [Job("best", "films", 0, attention) for attention in (True, False)]
    hits = []
    for block in range(reviews.BLOCKS):
        here = replace(config, film_block=block)
        corpus = split_up(found, tokens, here, ["films"])
        with RunFolder(folder.path / "blocks" / str(block)) as part:
            trained = runs.train_all(
                jobs, corpus.datasets, here, found.digest, part, keep={}
            )
        data, scores = corpus.datasets["films"], corpus.scores["films"]
        hits.append(questions.hits_of(trained, data, scores))
    return questions.pool(hits)


def tables(found: dict[str, Run], corpus: Corpus) -> dict[str, dict]:
    """Return the table of each split."""
    return {
        name: questions.table(found, data, corpus.svms[name], corpus.scores[name])
        for name, data in corpus.datasets.items()
    }


def leaks(corpus: Corpus) -> dict[str, dict]:
    """Return how many test reviews of each split seem to have met their film."""
    found = {}
    everyone = np.arange(len(corpus.tokens.words)) + 2  # whatever the vocabulary
    packed = pack(everyone[corpus.tokens.ids], corpus.tokens, 2)
    for name, data in corpus.datasets.items():
        found[name] = questions.leak(
            packed, corpus.tokens.review, corpus.reviews.labels, data
        )
    return found


def measure_costs(config: Config, corpus: Corpus, folder: RunFolder) -> dict:
    """Train what costs.jobs asks for, and measure what it shows."""
    jobs = costs.jobs(config)
    models = {
        Job("assignment", "random", 0, norm=norm).name: f"norm_{norm}.pt"
        for norm in ("sample", "token")
    }
    found = runs.train_all(
        jobs, corpus.datasets, config, corpus.reviews.digest, folder, models
    )
    data = corpus.datasets["random"]
    measured = costs.assess(found, data)
    short = costs.short_reviews(data, config.max_len)
    measured |= {"moved": {}, "reach": {}}
    for job in jobs:
        if job.name not in models:
            continue
        model = recipes.build(job, data.lexicon.vectors, config.max_len, (0, 0))
        content = torch.load(folder.path / models[job.name], weights_only=True)
        model.load_state_dict(content["state_dict"])
        measured["moved"][job.norm] = costs.moved_padding(model, short).mean().item()
        measured["reach"][job.norm] = costs.reach_of_a_word(model, short)
    return measured
