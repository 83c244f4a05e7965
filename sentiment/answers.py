"""Figures and numbers of a whole run, put together for the driver."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from machinery.run_folder import RunFolder
from sentiment import inside, plots, questions, runs
from sentiment.experiment import Corpus
from sentiment.runs import Run
from sentiment.tokens import tokenize

TITLES = {"random": "random split", "films": "films kept apart"}


def look_inside(runs_: dict[str, Run], corpus: Corpus, folder: RunFolder) -> dict:
    """Return what the kept models look at, and where they err, on the random split."""
    data, reviews = corpus.datasets["random"], corpus.reviews
    models = {
        name: runs.load_model(folder.path / file)
        for name, file in (("assignment", "assignment.pt"), ("best", "model.pt"))
        if any(run.job.recipe == name for run in runs_.values())
    }
    rows, labels = data.rows["test"], reviews.labels
    row = inside.short_review(reviews.texts, rows)
    assignment, best = (models.get(name, (None,))[0] for name in ("assignment", "best"))
    found: dict[str, Any] = {
        "picture": inside.picture(
            assignment, best, data.words[row], data.ids[:, row],
            tokenize(reviews.texts[row]),
        ),
        "ngrams": inside.telling_ngrams(corpus.svms["random"], data.lexicon),
        "trust": {}, "lengths": {}, "mistakes": "",
    }  # fmt: skip
    for run in runs_.values():
        if run.job.split != "random" or run.job.seed or not run.job.attention:
            continue
        logits = run.logits.numpy()
        named = {questions.NAMES[run.job.recipe, True]: logits}
        if run.job.recipe == "best":
            both = questions.stack(logits, corpus.scores["random"], data)
            named[f"{questions.NAMES[run.job.recipe, True]} + NB-SVM"] = both
            found["mistakes"] = list_mistakes(logits, corpus)
        for name, values in named.items():
            hits = questions.correct(values, data)
            found["trust"][name] = questions.calibration(values[rows], labels[rows])
            found["lengths"][name] = questions.by_length(
                hits, corpus.tokens.lengths[rows]
            )
    if best is not None:
        counts = word_counts(corpus)
        found["words"] = inside.words_alone(best, data.lexicon, counts)
    return found


def word_counts(corpus: Corpus):
    """Return how often each word of the random split's vocabulary is met."""
    vocabulary = corpus.datasets["random"].lexicon.vocabulary
    encoded = vocabulary.encode(corpus.tokens)
    return np.bincount(encoded, minlength=len(vocabulary.words) + 2)[2:]


def list_mistakes(logits, corpus: Corpus) -> str:
    """Return the ten most confident mistakes with their text."""
    data, reviews = corpus.datasets["random"], corpus.reviews
    names = {0: "blame", 1: "praise"}
    lines = ["# The ten most confident mistakes", ""]
    for row in questions.mistakes(logits, reviews.labels, data.rows["test"]):
        label = int(reviews.labels[row])
        lines += [
            f"## {names[label]} as {names[1 - label]}, logit {logits[row]:+.1f}",
            "",
            reviews.texts[row].replace("<br />", " "),
            "",
        ]
    return "\n".join(lines)


def figures(
    runs_: dict[str, Run], tables: dict[str, dict], looked: dict
) -> Iterator[tuple[str, Figure]]:
    """Yield every figure and its file's name."""
    for recipe, name in (("assignment", "losses.png"), ("best", "losses_best.png")):
        curves = {
            TITLES[split]: [
                run.rows
                for run in runs_.values()
                if run.job.recipe == recipe
                and run.job.split == split
                and run.job.attention
            ]
            for split in tables
        }
        if any(curves.values()):
            yield name, plots.losses(curves)
    yield "accuracy.png", plots.accuracies(tables)
    yield "attention.png", plots.looked_at(looked["picture"])
    yield "trust.png", plots.trust(looked["trust"], looked["lengths"])
    if "words" in looked:
        yield "telling.png", plots.telling(looked["words"], looked["ngrams"])


def metrics(runs_: dict[str, Run]) -> list[dict]:
    return [{"training": name} | row for name, run in runs_.items() for row in run.rows]


def numbers(looked: dict) -> dict[str, Any]:
    """Return what summary.json keeps of what was looked at: no long texts."""
    kept = {name: looked[name] for name in ("ngrams", "trust", "lengths")}
    if "words" in looked:
        kept["words"] = looked["words"]
    if "on_pads" in looked["picture"]:
        kept["attention_on_pads"] = looked["picture"]["on_pads"]
    return kept
