"""Planted truths: what the classifiers must learn, and what they must not see."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sentiment import inside, nb_svm, recipes, runs
from sentiment.data import Lexicon, make_dataset
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
