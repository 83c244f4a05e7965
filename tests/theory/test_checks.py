"""A check says no where derivation and measurement differ."""

import math

import pytest
import torch

from theory import questions
from theory.checks import Check, as_table, drawn, rounding
from theory.config import Config


@pytest.mark.parametrize(
    ("error", "agrees"), [(0.0, True), (1.0, True), (1.1, False), (math.nan, False)]
)
def test_agreement(error, agrees):
    check = Check("0", "claim", "1", "2", error, 1.0)
    assert check.agrees == agrees
    assert as_table([check]).splitlines()[1].endswith("yes" if agrees else "NO")


def test_a_wrong_mean_is_seen():
    draws = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) + 3
    assert drawn("0", "mean", 3.0, draws).agrees
    assert not drawn("0", "mean", 3.1, draws).agrees


def test_rounding_is_small():
    assert rounding("0", "equal", "0", 1e-12).agrees
    assert not rounding("0", "equal", "0", 1e-6).agrees


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_claim_agrees(seed):
    checks, shown = questions.ask(Config(seed=seed, n_draws=2000))
    assert [c for c in checks if not c.agrees] == []
    assert len(checks) > 20
    asked = {c.question.split()[0].rstrip("ab") for c in checks}
    assert asked == {
        "001-1", "001-2", "003-1", "003-2", "003-3", "003-4", "003-5",
    }  # fmt: skip
    assert set(shown) == {"regression", "noise", "prior", "reversal", "monte_carlo"}
