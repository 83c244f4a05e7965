"""Drawn texts against a stated distribution, on distributions of two values."""

import numpy as np
import pytest
import torch

from headlines import sampling
from headlines.model import DecoderTransformer


def distributions(model, drawn, data):
    return {"model": np.array(model), "drawn": np.array(drawn), "data": np.array(data)}


def test_only_a_text_s_first_token_is_counted():
    found = sampling.shares(["", "b?", "a cat", "a-b"])
    assert found.tolist() == [0.25, 0.5, 0.25, *[0] * 26]
    assert sampling.shares([""]).tolist() == [1, *[0] * 28]


def test_total_variations_by_hand():
    """One draw is at its value with certainty: half off a fair coin's distribution."""
    first = distributions([0.5, 0.5], drawn=[1.0, 0.0], data=[0.75, 0.25])
    assert sampling.compare(first, 1) == {
        "drawn_to_model": 0.5, "data_to_model": 0.25, "expected": 0.5, "most": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(("rare", "most"), [(0.02, 0.98), (0.005, 0.005)])
def test_one_set_of_draws_in_a_hundred_is_farther_off_than_most(rare, most):
    """A single draw of the rare value is 1 - rare off, and any other rare."""
    first = distributions([rare, 1 - rare], [0, 1], [0, 1])
    found = sampling.compare(first, 1)
    assert found["most"] == pytest.approx(most)
    error = (rare / 2000) ** 0.5
    assert found["expected"] == pytest.approx(2 * rare * (1 - rare), abs=4 * error)


def test_a_comparison_repeats_with_two_thousand_sets():
    first = distributions([0.3, 0.7], [0.4, 0.6], [1, 0])
    found = sampling.compare(first, 20)
    assert found == sampling.compare(first, 20, n_simulated=2000)
    assert found != sampling.compare(first, 20, n_simulated=1000)


def test_probabilities_rounded_to_float32_are_a_distribution_again():
    thirds = np.array([1 / 3, 1 / 3, 1 / 3, 0], np.float32)
    assert thirds.astype(float).sum() > 1 + 1e-8
    first = {"model": thirds, "drawn": np.array([1 / 3] * 3 + [0]), "data": thirds}
    found = sampling.compare(first, 30)
    assert found["drawn_to_model"] == pytest.approx(0, abs=1e-15)


def test_the_stated_distribution_is_asked_for_where_the_model_is():
    class Elsewhere(DecoderTransformer):
        device = torch.device("meta")

        def transformer_forward(self, x):
            assert x.is_meta
            return super().transformer_forward(torch.tensor([[28]]))

    torch.manual_seed(0)
    model = Elsewhere(2, 29, 4, 2, 1, 0.0, 1)
    found = sampling.first_characters(model, ["a"], ["b"])["model"]
    assert found.sum() == pytest.approx(1)
