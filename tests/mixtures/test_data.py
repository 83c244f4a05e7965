"""Places as tensors: one standardisation for both splits, and the way back."""

import numpy as np
import pytest
import torch

from dataset import load_europe
from mixtures.data import load_outlines, load_places
from tests.helpers import CENTRES


def test_the_training_set_is_standardised_and_the_test_set_by_the_same_map(loaded):
    assert loaded.train.mean(0).abs().max() < 1e-5
    assert loaded.train.std(0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-4)
    assert loaded.test.mean(0).abs().max() > 1e-3
    means = loaded.in_degrees(loaded.country_means)
    np.testing.assert_allclose(means, CENTRES, atol=0.4)
    assert loaded.n_countries == 3


def test_degrees_are_those_of_the_file(loaded, places):
    for split, data in zip(("train", "test"), load_europe(places), strict=True):
        found = loaded.in_degrees(getattr(loaded, split))
        np.testing.assert_allclose(found, data.features, atol=1e-4)


def test_places_that_move_keep_their_map(loaded):
    moved = loaded.to("meta")
    for name in ("train", "test", "country_means"):
        assert getattr(moved, name).device.type == "meta"
    assert moved.standardization is loaded.standardization


def test_places_are_loaded_to_the_device_that_is_asked_for(places):
    assert load_places(str(places), torch.device("meta")).train.device.type == "meta"


def test_loading_leaves_the_threads_alone(places):
    before = torch.get_num_threads()
    load_places(str(places), torch.device("cpu"))
    assert torch.get_num_threads() == before


def test_the_built_in_places_are_33_countries_within_their_outlines():
    places = load_places(None, torch.device("cpu"))
    assert places.n_countries == 33
    assert (len(places.train), len(places.test)) == (82_044, 10_239)
    points, outlines = places.in_degrees(places.train), load_outlines()
    assert outlines.shape[1] == 2
    assert (np.nanmin(outlines, 0) <= points.min(0) + 1).all()
    assert (np.nanmax(outlines, 0) >= points.max(0) - 1).all()
