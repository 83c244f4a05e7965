"""Shared by the mixtures' tests: three countries of places, loaded."""

import pytest
import torch

from mixtures.data import Places, load_places


@pytest.fixture(scope="session")
def loaded(places) -> Places:
    """The places of three countries, 300 to fit and 60 to test, on the CPU."""
    return load_places(str(places), torch.device("cpu"))
