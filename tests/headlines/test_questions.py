"""The sentences follow the numbers, whichever way they fall."""

import math

import numpy as np
import pytest

from headlines import answers, plots, questions

UP = [1.0, 2.0, 3.0, 4.0]


def test_pearson_by_hand():
    assert questions.pearson(UP, [2, 4, 6, 8]) == pytest.approx(1)
    assert questions.pearson(UP, [4, 3, 2, 1]) == pytest.approx(-1)
    assert questions.pearson([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)
    assert math.isnan(questions.pearson([1, 2], [1, 2]))
    assert math.isnan(questions.pearson([1, 1, 1], [1, 2, 3]))


class Rows:
    def __init__(self, nll, top1):
        self.rows = [
            {"validation_nll": a, "validation_top1": b}
            for a, b in zip(nll, top1, strict=True)
        ]


def test_a_common_trend_hides_that_the_steps_disagree():
    nll = np.array([100, 91, 80, 71, 60, 51, 40], float)
    noise = np.array([0, 1, 0, 1, 0, 1, 0])
    found = questions.correlation(Rows(nll, (100 - nll + 3 * noise) / 100))
    assert found["r"] < -0.99
    assert found["r_of_changes"] > found["r"] + 0.3
    assert found["n"] == 7


def result(size, nll, mixed):
    part = {"nll": nll, "bits": nll / 40, "top1": 0.5, "error": 1.0}
    return {
        "size": size, "n_train": 4332, "n_parameters": 10**size, "best_epoch": 3,
        "validation": part, "test": part, "mixture": {"nll": mixed},
    }  # fmt: skip


class Counted:
    order, scale = 4, 1.0


def stand(monkeypatch, nlls, mixed, ngram):
    monkeypatch.setattr(
        questions, "measure_lines", lambda *_: {"nll": ngram, "bits": 2.0, "error": 1.0}
    )
    Counted.log_probs = {"test": None, "validation": None}

    class Corpus:
        tokens = Counted.log_probs

    results = [result(i, nll, mixed) for i, nll in enumerate(nlls, 1)]
    return questions.standing(results, Counted, Corpus)


@pytest.mark.parametrize(
    ("nlls", "mixed", "ngram", "best", "expected"),
    [
        ([120, 110], 95, 100, 2, (False, True, True)),
        ([90, 95], 88, 100, 1, (True, True, False)),
        ([120, 110], 100, 100, 2, (False, False, True)),
    ],
)
def test_who_is_ahead(monkeypatch, nlls, mixed, ngram, best, expected):
    found = stand(monkeypatch, nlls, mixed, ngram)
    assert found["best_size"] == best
    names = ("best_beats_ngram", "mixture_beats_both", "larger_is_better")
    assert tuple(found[name] for name in names) == expected
    table = questions.describe_standing(found)
    assert table.count("\n") == len(nlls) + 1
    assert f"{nlls[0]:.2f}" in table


def test_verdicts_say_which_side(monkeypatch):
    few = {"n_few": 1000, "validation_nll": {"all": 90.0, "few": 120.0}}
    heat = {"curve": {"temperature": [0.5, 1.0], "entropy": [1.0, 2.0]}}
    below = answers.verdicts(stand(monkeypatch, [90, 95], 88, 100), few, heat)
    above = answers.verdicts(stand(monkeypatch, [120, 110], 95, 100), few, heat)
    assert "size 1 (90.0) < size 2 (95.0)" in below[0]
    assert "size 1, is below the n-gram by 10.0" in below[1]
    assert "size 2, is above the n-gram by 10.0" in above[1]
    assert "On 1,000 texts instead of 4,332" in below[2]
    assert "2.00 bits, 41% of a uniform" in below[3]


def texts_of(figure):
    return [
        text.get_text()
        for axes in figure.axes
        for text in (axes.xaxis.label, axes.yaxis.label)
    ]


def rows(n):
    return [
        {"epoch": i, "validation_nll": 100 - i, "validation_top1": i / 100}
        for i in range(1, n + 1)
    ]


ROWS = {"size 1": rows(4), "size 2 on 10 texts": rows(2)}
FIGURES = {
    "curves": lambda: plots.learning_curves(
        ROWS, {"size 1": plots.BLUE, "size 2 on 10 texts": plots.ORANGE}, 99
    ),
    "standing": lambda: plots.standing([result(1, 100, 90)], {"nll": 95}),
    "correlation": lambda: plots.correlation(
        {1: rows(4), 2: rows(1)},
        {"1": {"r": -1, "r_of_changes": 0.1},
         "2": {"r": math.nan, "r_of_changes": math.nan}},
    ),
    "temperature": lambda: plots.temperature(
        {"temperature": [0.1, 0.5, 1], "entropy": [0, 1, 2], "nll": [900, 110, 100]},
        [{"temperature": 1, "n_texts": 9, "real_words": 0.4, "distinct_texts": 8}],
    ),
    "letters": lambda: plots.letters(np.eye(2), "ab", frozenset("a")),
    "first": lambda: plots.first_characters(
        {name: np.full(29, 1 / 29) for name in ("model", "drawn", "data")}
    ),
    "reach": lambda: plots.reach(np.tril(np.ones((3, 4))), "a b"),
    "leak": lambda: plots.leak([3, 2], [1, 0]),
    "why": lambda: plots.why(
        {"exercise": [3.0] * 40, "warm-up": [2.0] * 40}, 2.9,
        [{"inputs": 10**n, "moved": n} for n in (1, 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FIGURES))
def test_every_panel_of_a_figure_says_what_its_axes_are(name):
    figure = FIGURES[name]()
    figure.canvas.draw()
    labels = texts_of(figure)
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    ticks = 1 if name == "standing" else 0  # its rows are named at the ticks
    assert sum(map(bool, labels)) >= 2 * len(panels) - ticks
