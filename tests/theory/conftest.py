"""Shared by the theory's tests: generators, and what checks say."""

import pytest
import torch
from hypothesis import strategies as st

from theory.checks import Check, as_table

SEEDS = st.integers(0, 2**31)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stated(checks: list[Check]) -> list[tuple[str, str, str]]:
    """What is claimed, of checks that agree and make a table."""
    lines = as_table(checks).splitlines()[1:]
    assert [line.rsplit(maxsplit=1)[1] for line in lines] == ["yes"] * len(checks)
    return [(c.question, c.claim, c.derived) for c in checks]


def refused(checks: list[Check]) -> list[int]:
    """The numbers of the checks that do not agree."""
    return [i for i, check in enumerate(checks) if not check.agrees]


@pytest.fixture
def torchs_own_generator_rests():
    """What is drawn is drawn from the generators that are given."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)
