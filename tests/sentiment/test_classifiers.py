"""Planted truths: what the classifiers must learn, and what they must not see."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sentiment import inside, nb_svm, questions, recipes, runs
from sentiment.data import Dataset, Lexicon, make_dataset
from sentiment.network import NgramNetwork
from sentiment.recipes import Job
from sentiment.tokens import Vocabulary, choose_ngrams, number, pack


def network(attention=True, **options) -> NgramNetwork:
    torch.manual_seed(0)
    model = NgramNetwork(torch.randn(30, 10), 8, 8, attention=attention, **options)
    with torch.no_grad():
        for table in model.tables:
            table.weight.normal_()
    return model.eval()


@pytest.mark.parametrize("attention", [True, False])
def test_pads_change_nothing(attention):
    model = network(attention)
    ids = torch.randint(1, 8, (3, 2, 6))
    there = torch.ones(2, 6, dtype=torch.bool)
    padded = torch.nn.functional.pad(ids, (0, 4))
    with_pads = torch.nn.functional.pad(there, (0, 4))
    assert_close(model(ids, there), model(padded, with_pads))


@pytest.mark.parametrize("attention", [True, False])
def test_a_masked_word_is_not_seen(attention):
    model = network(attention)
    ids = torch.randint(1, 8, (3, 1, 6))
    there = torch.tensor([[True, True, False, True, True, True]])
    other = ids.clone()
    other[:, 0, 2] = 7
    assert_close(model(ids, there), model(other, there))
    assert (model(ids, ~there | there) != model(other, ~there | there)).all()


def test_pooling_weights_are_a_distribution_over_what_is_there():
    model = network(n_queries=3)
    x = torch.randn(2, 5, 10)
    there = torch.tensor([[True] * 5, [True, True, False, False, False]])
    weights = model.weights(x, there)
    assert_close(weights.sum(2), torch.ones(2, 3))
    assert not weights[1, :, 2:].any()


TEXTS = ["dull film"] * 12 + ["not dull film"] * 4
TEXTS += ["fine film"] * 12 + ["not fine film"] * 4
LABELS = np.repeat([0, 1, 1, 0], [12, 4, 12, 4])


def test_the_yardstick_learns_what_two_words_say_together():
    found = number(TEXTS)
    encoded = Vocabulary(found.words).encode(found)
    rows = np.arange(len(TEXTS))
    svm = nb_svm.fit(encoded, found, LABELS, rows, rows)
    assert ((svm.score(encoded, found) > 0) == LABELS).all()
    lexicon = Lexicon(Vocabulary(found.words), torch.zeros(0, 2), *svm.ngrams[1:])
    telling = inside.telling_ngrams(svm, lexicon, n=20)
    praise = [name for name, value in telling["praise"] if value > 0]
    assert "not dull" in praise
    assert "not fine" not in praise


def test_log_ratios_by_hand():
    found = number(["a a b", "b"])
    encoded = Vocabulary(found.words).encode(found)
    ngrams = [choose_ngrams(pack(encoded, found, order), 1) for order in (1, 2, 3)]
    present = nb_svm.presence(ngrams, encoded, found)
    # a, b | a a, a b | a a b
    assert present.toarray().tolist() == [[1, 1, 1, 1, 1], [0, 1, 0, 0, 0]]
    ratios = nb_svm.log_ratios(present, np.array([1, 0]))
    p, q = np.array([2, 2, 2, 2, 2]) / 10, np.array([1, 2, 1, 1, 1]) / 6
    assert ratios == pytest.approx(np.log(p / q))


def test_the_bootstrap_of_a_planted_difference():
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


def test_the_bootstrap_is_paired():
    """Where both models fail on the same reviews, a small gain is sure."""
    draw = np.random.default_rng(0)
    worse = draw.random(2000) < 0.8
    better = worse | (draw.random(2000) < 0.05)
    found = questions.bootstrap([better] * 2, [worse] * 2)
    gain = (better & ~worse).mean()
    assert found["difference"] == pytest.approx(gain)
    assert found["error"] == pytest.approx((gain * (1 - gain) / 2000) ** 0.5, rel=0.1)


def some_data(labels) -> Dataset:
    rows = {
        name: np.arange(i, len(labels), 3)
        for i, name in enumerate(("train", "validation", "test"))
    }
    return Dataset("random", rows, torch.tensor(labels).float(), *[None] * 4)


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


def test_the_yardstick_s_strength_is_the_best_on_validation(monkeypatch):
    found = number(TEXTS)
    encoded = Vocabulary(found.words).encode(found)
    train, validation = np.arange(0, len(TEXTS), 2), np.arange(1, len(TEXTS), 2)
    monkeypatch.setattr(nb_svm, "STRENGTHS", (1e-9, 1.0))
    right = nb_svm.fit(encoded, found, LABELS, train, validation)
    assert right.strength == 1.0
    turned = LABELS.copy()
    turned[validation] ^= 1  # who has learnt nothing alone is not all wrong
    assert nb_svm.fit(encoded, found, turned, train, validation).strength == 1e-9


def test_the_best_epoch_is_the_first_with_the_highest_validation_accuracy():
    accuracies, best = [0.7, 0.9, 0.9, 0.8, 0.95], []
    rows = [{"validation_accuracy": value} for value in accuracies]
    for n in range(1, 6):
        if runs.is_best(rows[:n]):
            best.append(n)
    assert best == [1, 2, 5]


def test_the_bonus_steps_its_tables_faster_and_its_rates_fall_to_zero():
    model, recipe = network(), recipes.RECIPES["best"]
    optimizer, scheduler = recipes.make_optimizer(model, recipe, 1000)
    rates = []
    for _ in range(1000):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    words, tables = map(np.array, zip(*rates, strict=True))
    assert tables == pytest.approx(words * recipe.table_rate / recipe.learning_rate)
    assert recipe.table_rate > recipe.learning_rate
    assert (np.diff(words[:150]) > 0).all()
    assert words[-1] == pytest.approx(recipe.learning_rate / 1000)
    held = {id(p) for p in optimizer.param_groups[1]["params"]}
    assert held == {id(table.weight) for table in model.tables}


def test_the_bonus_smooths_its_labels():
    """The loss is least at the logit of the smoothed label, not further out."""
    job, smooth = Job("best", "random", 0), recipes.RECIPES["best"].smoothing
    data = SimpleNamespace(
        lengths=torch.full((2,), 5), labels=torch.tensor([0.0, 1.0]),
        ids=torch.ones(3, 2, 8, dtype=torch.int32),
    )  # fmt: skip

    class Says(torch.nn.Module):
        def __init__(self, logit):
            super().__init__()
            self.logit = torch.nn.Parameter(torch.tensor([-logit, logit]))

        def forward(self, ids, there):
            return self.logit

    loss = recipes.loss_function(job, data)
    best = float(np.log((1 - smooth / 2) / (smooth / 2)))
    at_best, *others = (
        loss(Says(logit), torch.arange(2)).item()
        for logit in (best, best - 1, best + 1)
    )
    assert at_best < min(others)


def part(random_or_films: float, low: float, difference: float, error: float) -> dict:
    rows = [
        {
            "name": name,
            "mean": random_or_films + more,
            "error": 0.006,
            "accuracies": [1],
        }
        for name, more in (("n-gram network", 0.02), ("NB-SVM", 0.0))
    ]
    gain = {"difference": difference, "error": error, "low": low, "high": 0.03}
    return {"rows": rows, "n_test": 2500, "attention": {"best": gain}}


def test_the_sentences_follow_the_numbers():
    found = {
        "random": part(0.91, -0.001, 0.010, 0.005),
        "films": part(0.90, 0.001, 0.004, 0.005),
    }
    leaks = {"random": {"same": 0.2, "other": 0.1}}
    random, _, films, *rest = questions.verdicts(found, leaks)
    assert "+1.00 points" in random
    assert "more than its standard error of 0.50" in random
    assert "+0.40 points" in films
    assert "less than its standard error of 0.50" in films
    assert "n-gram network +1.00, NB-SVM +1.00" in rest[-1]
    assert "two test sets, 0.85" in rest[-1]
    alone = questions.verdicts({"random": found["random"]}, leaks)
    assert not any("meeting its film" in line for line in alone)


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


def test_mistakes_come_worst_first():
    logits, labels = np.array([3.0, -1.0, 5.0, -4.0]), np.array([0, 1, 1, 1])
    assert questions.mistakes(logits, labels, np.arange(4)) == [3, 0, 1]


def test_a_planted_leak_is_found():
    texts = ["x1 y1 x2 y2 film", "x1 y1 x2 y2 dull", "a b c d e", "f g h i j"]
    labels = np.array([1, 1, 0, 0])
    found = number(texts)
    encoded = Vocabulary(found.words).encode(found)
    packed = pack(encoded, found, 2)
    rows = {"train": np.array([0, 2]), "test": np.array([1, 3])}
    data = Dataset("random", rows, *[None] * 5)
    shares = questions.leak(packed, found.review, labels, data)
    assert shares == {"same": 0.5, "other": 0.0}


def test_the_lexicon_sees_the_training_reviews_alone(planted_vectors):
    texts = ["good film"] * 4 + ["rare words rare words rare words"]
    found = number(texts)
    rows = {"train": np.arange(4), "validation": np.arange(4), "test": np.array([4])}
    data = make_dataset("random", found, np.array([1, 0, 1, 0, 1]), rows, 6)
    assert data.lexicon.vocabulary.words == ["good", "film"]
    assert len(data.lexicon.bigrams.keys) == 1
    assert data.words[4].tolist() == [1] * 6
    assert data.ids[:, 0, :2].tolist() == [[2, 3], [1, 0], [0, 0]]
    assert data.ids[1:, 4].any().item() is False
