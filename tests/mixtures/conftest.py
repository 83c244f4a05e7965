"""Shared by the mixtures' tests: three countries of places, loaded."""

import pytest
import torch

from mixtures.data import Places, load_places


@pytest.fixture
def loaded(places) -> Places:
    """The places of three countries, 300 to fit and 60 to test, on the CPU."""
    return load_places(str(places), torch.device("cpu"))


@pytest.fixture
def adam_rates(monkeypatch) -> list[float]:
    """The learning rate of each step that Adam, a fused one, takes from here on."""
    rates = []
    step = torch.optim.Adam.step

    def noted(self, *arguments, **keywords):
        assert self.defaults["fused"]  # what is fast
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    return rates
