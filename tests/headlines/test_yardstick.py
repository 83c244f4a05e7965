"""Mixing with counts: the weight is found, and the mixture is no worse than either."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from headlines import yardstick
from headlines.data import Corpus, Tokenizer
from machinery.ngram import SCALES, LineNgram


def test_a_mixture_is_the_log_of_weighted_probabilities():
    one, two = np.log([[0.5, 0.1]]), np.log([[0.1, 0.9]])
    assert np.exp(yardstick.mix(one, two, 0.25)) == pytest.approx(
        np.array([[0.2, 0.7]])
    )
    assert yardstick.mix(one, two, 1.0) == pytest.approx(one)
    assert yardstick.mix(one, two, 0.0) == pytest.approx(two)


def test_a_planted_weight_is_found():
    """Tokens drawn from 0.7 p + 0.3 q are likeliest under that mixture."""
    rng = np.random.default_rng(0)
    p, q = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    drawn = rng.choice(2, 20_000, p=0.7 * p + 0.3 * q)
    weight = yardstick.best_weight(np.log(p[drawn]), np.log(q[drawn]))
    assert weight == pytest.approx(0.7, abs=0.03)


def test_the_test_lines_choose_nothing():
    rng = np.random.default_rng(0)
    texts = [
        "".join(rng.choice(list("abcd"), 12, p=[0.6, 0.2, 0.1, 0.1])) for _ in "_" * 90
    ]
    tokens = torch.from_numpy(Tokenizer(13).encode(texts))
    parts = {"train": tokens[:50], "validation": tokens[50:70], "test": tokens[70:]}
    others = parts | {"test": parts["test"].flip(0).where(tokens[:20] != 1, 26)}
    counted = [yardstick.count(Corpus({}, part)) for part in (parts, others)]
    assert counted[0].order == counted[1].order
    assert counted[0].scale == counted[1].scale
    held_out = [one.log_probs["validation"] for one in counted]
    assert (held_out[0] == held_out[1]).all()
    flat = {split: np.full_like(lp, -3.0) for split, lp in counted[0].log_probs.items()}
    weights = [
        yardstick.mixture(flat, one, part["test"])["weight"]
        for one, part in zip(counted, (parts, others), strict=True)
    ]
    assert weights[0] == weights[1]
    alone = yardstick.best_weight(flat["validation"], held_out[0])
    assert weights[0] == alone
    # the other test lines would have wanted another one
    assert yardstick.best_weight(flat["test"], counted[1].log_probs["test"]) != alone


def test_lines_are_measured_by_hand():
    tokens = torch.from_numpy(Tokenizer(4).encode(["ab", "abcd"]))
    log_probs = np.array([[-1.0, -2, -3, 0], [-1, -1, -1, -1]])
    found = yardstick.measure_lines(log_probs, tokens)
    assert found["nll"] == 5
    assert found["error"] == pytest.approx(1.0)
    assert found["bits"] == pytest.approx(10 / math.log(2) / 6)


def test_counts_and_a_mixture_on_lines_with_a_rule():
    texts = [a + b + a + b for a in "abcdefgh" for b in "stuvwxyz"]
    np.random.default_rng(0).shuffle(texts)
    tokens = torch.from_numpy(Tokenizer(6).encode(texts))
    parts = {"train": tokens[:44], "validation": tokens[44:54], "test": tokens[54:]}
    counted = yardstick.count(Corpus({}, parts))
    fitted = LineNgram.fit(parts["train"].numpy(), parts["validation"].numpy(), 29)
    tried = {
        (order, scale): replace(fitted, order=order, scale=scale)
        for order in range(4)
        for scale in SCALES
    }
    chosen = max(
        tried, key=lambda one: tried[one].log_probs(parts["validation"].numpy()).sum()
    )
    assert (counted.order, counted.scale) == chosen
    flat = {
        split: np.where(np.asarray(lp) < 0, math.log(1 / 28), 0.0)
        for split, lp in counted.log_probs.items()
    }
    alone = yardstick.measure_lines(counted.log_probs["test"], parts["test"])
    uniform = yardstick.measure_lines(flat["test"], parts["test"])
    found = yardstick.mixture(flat, counted, parts["test"])
    assert alone["nll"] < uniform["nll"]
    assert 0 <= found["weight"] < 1
    held_out = counted.log_probs["validation"]
    mixed = yardstick.mix(flat["validation"], held_out, found["weight"])
    assert mixed.sum() >= max(held_out.sum(), flat["validation"].sum())
    assert found["against_ngram"] == pytest.approx(found["nll"] - alone["nll"])


def test_a_gain_over_counting_has_the_error_of_the_lines_differences():
    """At weight 1 the mixture is the transformer: better by two nats and by six."""
    test = torch.from_numpy(Tokenizer(2).encode(["ab", "c"]))
    ngram = {
        "validation": np.full((3, 2), -5.0),
        "test": np.array([[-4.0, -6], [-9, -3]]),
    }
    transformer = {
        "validation": ngram["validation"] + 4,
        "test": ngram["test"] + [[1], [3]],
    }
    found = yardstick.mixture(transformer, yardstick.Counted(2, 1.0, ngram), test)
    assert found == {
        "nll": pytest.approx((8 + 6) / 2),
        "error": pytest.approx(1.0),
        "bits": pytest.approx(14 / math.log(2) / 3),
        "weight": 1.0,
        "against_ngram": pytest.approx(-4),
        "against_ngram_error": pytest.approx(2),
    }
