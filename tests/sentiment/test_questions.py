"""What the trainings have shown, on planted hits whose answer is known by hand."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from machinery.errors import BadInput
from sentiment import questions
from sentiment.data import Dataset
from sentiment.recipes import Job


def some_data(labels, name="random") -> Dataset:
    """Reviews that are of train, validation and test in turn."""
    rows = {
        split: np.arange(i, len(labels), 3)
        for i, split in enumerate(("train", "validation", "test"))
    }
    return Dataset(name, rows, torch.tensor(labels).float(), *[None] * 4)


def test_hits_are_of_one_split_and_a_logit_of_zero_is_blame():
    data = some_data([0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0])
    logits = np.array([-1, 2, 0.5, 1, 1, -2, 0, 0, 0, 1, -1, 1])
    assert questions.correct(logits, data).tolist() == [True, False, True, False]
    validation = questions.correct(logits, data, "validation")
    assert validation.tolist() == [True, False, False, True]


def test_a_line_s_numbers_by_hand():
    hits = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 1, 0]], bool)
    assert questions.table_row("three", hits) == {
        "name": "three",
        "accuracies": [0.75, 0.5, 0.5],
        "mean": pytest.approx(7 / 12),
        "median": 0.5,
        "spread": pytest.approx((1 / 48) ** 0.5),  # deviations 2, 1 and 1 twelfths
        "error": pytest.approx((7 / 12 * 5 / 12 / 4) ** 0.5),
    }
    assert questions.table_row("two", hits[:2])["spread"] == pytest.approx(
        0.125**0.5 / 2
    )
    assert questions.table_row("one", hits[:1])["spread"] == 0


def test_both_together_are_as_likely_as_can_be_on_validation():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 600)
    logits, scores = (labels - 0.2 + draw.normal(0, 1, 600) for _ in range(2))
    logits[0] = np.nan  # of a training review that was not asked about
    data = some_data(labels)
    found = questions.stack(logits, scores, data)
    assert np.isnan(found).tolist() == [True] + [False] * 599
    rows = data.rows["validation"]
    surplus = 1 / (1 + np.exp(-found[rows])) - labels[rows]
    # the likelihood's slopes along the bias and the two weights, which hardly shrink
    assert surplus.sum() == pytest.approx(0, abs=0.02)
    for feature in (logits, scores):
        assert surplus @ feature[rows] == pytest.approx(0, abs=0.1)


def test_a_penalty_of_a_hundredth_holds_the_weight_where_no_review_is_told_wrong():
    """The likelihood alone would have it grow without end: the two slopes are equal."""
    logits = np.array([0, -0.1, 0, 0, 0.1, 0])
    found = questions.stack(logits, np.zeros(6), some_data([0, 0, 0, 0, 1, 0]))
    weight, slope = found[4] / 0.1, 2 * 0.1 / (1 + np.exp(found[4]))
    assert weight / 100 == pytest.approx(slope, rel=1e-3)


def test_what_joins_network_and_yardstick_is_chosen_on_validation_alone():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 600)
    logits, scores = (labels - 0.5 + draw.normal(0, 1, 600) for _ in range(2))
    first = questions.stack(logits, scores, some_data(labels))
    for split, changes in (("train", False), ("test", False), ("validation", True)):
        other = labels.copy()
        other[some_data(labels).rows[split]] ^= 1
        again = questions.stack(logits, scores, some_data(other))
        assert (not np.allclose(first, again)) == changes, split
    validation, test = (some_data(labels).rows[s] for s in ("validation", "test"))
    hits = [((x > 0) == labels)[test].mean() for x in (logits, scores, first)]
    assert hits[2] > max(hits[:2])
    assert ((first > 0) == labels)[validation].mean() > 0.7


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(questions, "RESAMPLED", 500)


def test_the_bootstrap_of_a_planted_difference(few_draws):
    draw = np.random.default_rng(0)
    a = [draw.random(2000) < 0.9 for _ in range(3)]
    b = [draw.random(2000) < 0.8 for _ in range(3)]
    found = questions.bootstrap(a, b)
    assert found["low"] < 0.1 < found["high"]
    assert found["low"] > 0.05
    # of independent hits: sqrt((.09 + .16) / (2000 * 3)) and what drawing seeds adds
    assert 0.006 < found["error"] < 0.014
    same = questions.bootstrap(a, a)
    assert same["low"] <= 0 <= same["high"]


def test_the_bootstrap_is_paired(few_draws):
    """Where both models fail on the same reviews, a small gain is sure."""
    draw = np.random.default_rng(0)
    worse = draw.random(2000) < 0.8
    better = worse | (draw.random(2000) < 0.05)
    found = questions.bootstrap([better] * 2, [worse] * 2)
    gain = (better & ~worse).mean()
    assert found["difference"] == pytest.approx(gain)
    assert found["error"] == pytest.approx((gain * (1 - gain) / 2000) ** 0.5, rel=0.1)


def test_the_bootstrap_draws_every_review(few_draws):
    """One review of two is gained: it is drawn never or twice in a quarter each."""
    one, none = [np.array([True, False])], [np.zeros(2, bool)]
    found = questions.bootstrap(one, none)
    assert (found["difference"], found["low"], found["high"]) == (0.5, 0, 1)
    assert found["error"] == pytest.approx(0.125**0.5, rel=0.1)
    lost = questions.bootstrap(none, one)
    assert (lost["difference"], lost["low"], lost["high"]) == (-0.5, -1, 0)


def test_the_bootstrap_draws_every_seed(few_draws):
    """A seed that is always right and one that never is: the mean of two draws."""
    mixed, none = [np.ones(4, bool), np.zeros(4, bool)], [np.zeros(4, bool)]
    for found in (questions.bootstrap(mixed, none), questions.bootstrap(none, mixed)):
        assert found["error"] == pytest.approx(0.125**0.5, rel=0.1)
        assert found["high"] - found["low"] == 1


def test_the_bootstrap_is_its_seed_s(few_draws):
    draw = np.random.default_rng(0)
    a, b = ([draw.random(300) < p for _ in range(3)] for p in (0.9, 0.8))
    first, again, other = (questions.bootstrap(a, b, seed) for seed in (0, 0, 1))
    assert first == again == questions.bootstrap(a, b)
    assert first != other


def a_run(recipe, hits, labels, attention=True, split="random", seed=0):
    """A run with logits of the right sign where it hits, on the test reviews."""
    job = Job(recipe, split, seed, attention)
    right = np.ones(len(labels), bool)
    right[2::3] = hits
    signs = np.where(right == (np.array(labels) == 1), 1.0, -1.0)
    return job.name + str(seed), SimpleNamespace(job=job, logits=torch.tensor(signs))


def test_the_table_has_a_line_for_each_model_and_what_attention_is_worth(few_draws):
    labels = [0, 1, 1, 1, 0, 0] * 2
    runs = dict(
        [
            a_run("assignment", [1, 1, 1, 0], labels),
            a_run("assignment", [0, 0, 0, 0], labels, split="films"),
            a_run("assignment", [1, 1, 1, 1], labels, seed=1),
            a_run("assignment", [1, 1, 0, 0], labels, attention=False),
            a_run("best", [1, 0, 1, 1], labels),
            a_run("best", [0, 0, 0, 0], labels, split="films"),
        ]
    )
    scores = np.where(np.array(labels) == 1, 3.0, -3.0)
    scores[2] = -0.2
    svm = SimpleNamespace(strength=0.25)
    found = questions.table(runs, some_data(labels), svm, scores)
    lines = {row["name"]: row["accuracies"] for row in found["rows"]}
    # each is wrong about one test review, and less sure there than the other
    assert list(lines.items()) == [
        ("the assignment", [0.75, 1]),
        ("the assignment without attention", [0.5]),
        ("n-gram network", [0.75]),
        ("n-gram network + NB-SVM", [1]),
        ("NB-SVM", [0.75]),
    ]
    assert (found["n_test"], found["strength"]) == (4, 0.25)
    assert found["attention"].keys() == {"assignment"}  # the best has none without
    assert found["attention"]["assignment"]["difference"] == pytest.approx(0.375)


def test_attention_is_judged_in_both_recipes(few_draws):
    labels = [0, 1, 1, 1, 0, 0] * 2
    runs = dict(
        a_run(recipe, hits, labels, attention)
        for recipe in ("assignment", "best")
        for attention, hits in ((True, [1, 1, 1, 0]), (False, [1, 1, 0, 0]))
    )
    scores = np.where(np.array(labels) == 1, 3.0, -3.0)
    found = questions.table(
        runs, some_data(labels), SimpleNamespace(strength=1), scores
    )
    assert list(found["attention"]) == ["assignment", "best"]
    assert {gain["difference"] for gain in found["attention"].values()} == {0.25}
    without = dict(list(runs.items())[1::2])
    found = questions.table(
        without, some_data(labels), SimpleNamespace(strength=1), scores
    )
    assert found["attention"] == {}


def line(name, mean, spread=0.0, n_seeds=1, error=0.006) -> dict:
    return {
        "name": name, "mean": mean, "spread": spread, "accuracies": [mean] * n_seeds,
        "error": error,
    }  # fmt: skip


def test_the_table_as_text():
    found = {
        "random": {"rows": [line("network", 0.91, 0.0025, 2), line("NB-SVM", 0.9)]},
        "films": {"rows": [line("NB-SVM", 0.875), line("other", 1)]},
    }
    assert questions.describe(found) == "\n".join(
        [
            "           random split  films split",
            "network  91.00% ± 0.25%             ",
            " NB-SVM          90.00%       87.50%",
            "  other                      100.00%",
        ]
    )


def gain(difference, error) -> dict:
    return {"difference": difference, "error": error, "low": -0.123, "high": 0.345}


def test_every_sentence_by_hand():
    found = {
        "random": {
            "rows": [
                line("network", 0.91, n_seeds=2),
                line("other", 0.9),
                line("NB-SVM", 0.9, error=0.16),
            ],
            "n_test": 2500,
            "attention": {"assignment": gain(-0.25, 0.205), "best": gain(0.205, 0.205)},
        },
        "mine": {
            "rows": [line("network", 0.91), line("NB-SVM", 0.9)],
            "n_test": 100,
            "attention": {"best": gain(0.25, 0.205)},
        },
    }
    leaks = {"random": {"same": 0.25, "other": 0.125}}
    between = "points (95 % interval -12.30 to +34.50, over reviews"
    seeds, alone = f"{between} and seeds)", f"{between} alone, one seed each)"
    assert questions.verdicts(found, leaks) == [
        f"random split, the assignment: attention is worth -25.00 {seeds}, "
        "more than its standard error of 20.50",
        f"random split, n-gram network: attention is worth +20.50 {seeds}, "
        "less than its standard error of 20.50",
        "random split: a line's standard error over 2,500 reviews is about "
        "16.00 points",
        f"mine split, n-gram network: attention is worth +25.00 {alone}, "
        "more than its standard error of 20.50",
        "mine split: a line's standard error over 100 reviews is about 0.60 points",
        "random split: 25.0% of the test reviews share three rare bigrams with a "
        "training review of their label, 12.5% with one of the other label",
    ]


def test_what_meeting_a_film_is_worth_is_said_of_lines_on_both_splits():
    random = [
        line("network", 0.93, error=0.1), line("other", 1, error=0.1),
        line("NB-SVM", 0.91),
    ]  # fmt: skip
    films = [
        line("network", 0.905), line("more", 1, error=0.1),
        line("NB-SVM", 0.915, error=0.008),
    ]  # fmt: skip
    found = {"random": {"rows": random}, "films": {"rows": films}}
    assert questions.met_films(found) == [
        "accuracy on the random split less that with films kept apart, in points: "
        "network +2.50, NB-SVM -0.50: what meeting its film is worth, give or take the "
        "standard error of two test sets, 1.00"
    ]
    assert questions.met_films({"random": found["random"]}) == []
    whole = {
        split: part | {"n_test": 9, "attention": {}} for split, part in found.items()
    }
    assert questions.verdicts(whole, {})[-1:] == questions.met_films(found)


def test_a_leak_is_three_rare_bigrams_of_one_training_review():
    reviews = [  # split, label, bigrams by number, 0 where there is none
        ("train", 1, [0, 1, 2, 3]),
        ("test", 1, [1, 2, 3]),  # same
        ("train", 1, [4, 5, 0]),
        ("test", 1, [4, 5, 0]),  # two and no bigram
        ("train", 1, [6, 7, 8]),
        ("test", 0, [6, 7, 8]),  # other
        ("train", 0, [9, 10, 11]),
        ("test", 0, [9, 10, 11]),  # same
        *[("train", 1, [12, 13, 14])] * 4,
        ("test", 1, [12, 13, 14]),  # same: in five reviews
        *[("train", 0, [15, 16, 17])] * 5,
        ("test", 0, [15, 16, 17]),  # in six: too common
        ("train", 1, [18, 18, 19]),
        ("test", 1, [18, 18, 19]),  # two, one of them twice
        ("test", 1, []),
    ]
    splits, labels, bigrams = zip(*reviews, strict=True)
    packed = np.array([number for found in bigrams for number in found])
    review = np.repeat(np.arange(len(reviews)), [len(found) for found in bigrams])
    rows = {s: np.flatnonzero(np.array(splits) == s) for s in ("train", "test")}
    data = Dataset("random", rows, *[None] * 5)
    shares = questions.leak(packed, review, np.array(labels), data)
    assert shares == {"same": 3 / 8, "other": 1 / 8}


def test_a_reliability_curve_by_hand():
    logits = np.array([*[-np.log(3)] * 4, np.log(3), 1000, -1000])
    found = questions.calibration(logits, np.array([1, 0, 0, 0, 0, 1, 1]))
    assert found["counts"] == [1, 0, 4, 0, 0, 0, 0, 1, 0, 1]
    assert found["stated"] == pytest.approx([0, 0, 0.25, 0, 0, 0, 0, 0.75, 0, 1])
    assert found["true"] == pytest.approx([1, 0, 0.25, 0, 0, 0, 0, 0, 0, 1])
    assert found["error"] == pytest.approx(1.75 / 7)
    alone = questions.calibration(np.array([-np.log(3)]), np.array([1]))
    assert alone["counts"] == alone["true"] == [0, 0, 1] + [0] * 7
    assert alone["stated"] == pytest.approx([0, 0, 0.25] + [0] * 7)
    assert alone["error"] == pytest.approx(0.75)


def test_a_calibrated_classifier_is_found_calibrated():
    draw = np.random.default_rng(1)
    logits = draw.normal(0, 2, 40_000)
    labels = draw.random(40_000) < 1 / (1 + np.exp(-logits))
    assert questions.calibration(logits, labels)["error"] < 0.01
    assert questions.calibration(3 * logits, labels)["error"] > 0.05


def test_bins_of_length_hold_every_review_once():
    lengths = np.array([5, 1, 9, 7, 3, 2])
    hits = np.array([1, 0, 1, 1, 0, 1], bool)
    found = questions.by_length(hits, lengths, 2)
    assert [(b["from"], b["to"]) for b in found] == [(1, 3), (5, 9)]
    assert [b["accuracy"] for b in found] == pytest.approx([1 / 3, 1.0])


def test_reviews_of_one_length_are_binned_in_their_order():
    lengths = np.random.default_rng(0).integers(0, 3, 2000)
    order = sorted(range(2000), key=lengths.__getitem__)
    for i, part in enumerate(np.array_split(order, 5)):
        found = questions.by_length(np.isin(np.arange(2000), part), lengths)
        assert [bin_["accuracy"] for bin_ in found] == [float(i == j) for j in range(5)]


def test_five_bins_of_length_and_their_errors():
    hits = np.arange(100) < 25  # all of one length: they stay in their order
    found = questions.by_length(hits, np.full(100, 7))
    assert [(b["from"], b["to"]) for b in found] == [(7, 7)] * 5
    assert [b["accuracy"] for b in found] == [1, 0.25, 0, 0, 0]
    assert found[1]["error"] == pytest.approx((0.25 * 0.75 / 20) ** 0.5)
    assert len(questions.by_length(hits[:3], np.arange(3))) == 3


def test_of_equal_mistakes_the_first_ten_are_shown():
    logits, labels = np.full(40, -2.0), np.ones(40, int)
    labels[5], logits[6], logits[30] = 0, 0.5, -3  # two are none, one is worse
    found = questions.mistakes(logits, labels, np.arange(40))
    assert found == [30, 0, 1, 2, 3, 4, 7, 8, 9, 10]
    every = questions.mistakes(logits, labels, np.arange(40), n=40)
    assert sorted(every) == [i for i in range(40) if i not in (5, 6)]
    assert questions.mistakes(np.zeros(2), np.array([0, 1]), np.arange(2)) == [1]


def test_scikit_learn_is_asked_for_before_hours_of_training(monkeypatch):
    questions.require_scikit_learn()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(BadInput, match=r"^scikit-learn is not .*'\.\[sentiment\]'$"):
        questions.require_scikit_learn()


def test_blocks_are_one_table_and_attention_is_judged_on_all_their_reviews(few_draws):
    draw = np.random.default_rng(0)
    with_, without = questions.NAMES["best", True], questions.NAMES["best", False]
    blocks = []
    for n in (200, 300):
        worse = draw.random(n) < 0.8
        better = worse | (draw.random(n) < 0.2)
        blocks.append({with_: [better], without: [worse], "NB-SVM": [worse]})
    blocks[1] = dict(reversed(blocks[1].items()))  # the first's order counts
    found = questions.pool(blocks)
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == [with_, without, "NB-SVM"]
    for name, row in rows.items():
        assert row["accuracies"] == [block[name][0].mean() for block in blocks]
    better, worse = (
        np.concatenate([block[name][0] for block in blocks])
        for name in (with_, without)
    )
    gain = found["attention"]["best"]
    assert gain == questions.bootstrap([better], [worse])
    assert gain["difference"] == pytest.approx(better.mean() - worse.mean())
    assert 0 < gain["low"] < gain["difference"] < gain["high"]
    points = [f"{100 * gain[name]:+.2f}" for name in ("difference", "low", "high")]
    assert found["sentences"] == [
        f"2 blocks of films, n-gram network: attention is worth {points[0]} points "
        f"(95 % interval {points[1]} to {points[2]}, over 500 reviews, one training a "
        "block)"
    ]
