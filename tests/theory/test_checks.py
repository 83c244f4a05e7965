"""A check says no where derivation and measurement differ."""

import math

import pytest
import torch
from scipy.stats import norm, sem

from tests.theory.conftest import generator
from theory import checks
from theory.checks import Check, as_table, drawn, rounding


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


def test_the_mean_comes_with_scipys_standard_error():
    draws = checks.doubles(50, generator=generator())
    found = checks.mean_and_error(draws)
    assert found == pytest.approx((draws.numpy().mean(), sem(draws.numpy())))


@pytest.mark.parametrize(
    ("derived", "error", "agrees"), [(8, 5, True), (-2, 5, True), (8.5, 5.5, False)]
)
def test_a_mean_may_be_five_standard_errors_from_what_is_derived(
    derived, error, agrees
):
    check = drawn("001", "mean", derived, torch.tensor([2.0, 4.0]))
    assert check == Check("001", "mean", f"{derived}", "3 ± 1", error, 5.0)
    assert check.agrees == agrees


def test_rounding_is_small():
    assert rounding("0", "equal", "0", 1e-12).agrees
    assert not rounding("0", "equal", "0", 1e-6).agrees
    check = rounding("001", "equal", "closed form", 2e-9)
    wanted = Check("001", "equal", "closed form", "2.0e-09 apart", 2e-9, 1e-9)
    assert check == wanted


def test_a_table_has_its_columns_in_line():
    rows = [
        Check("001-1", "short", "1", "0.5 ± 0.1", 0.0, 1.0),
        Check("2", "a longer claim", "closed form", "1", 2.0, 1.0),
    ]
    assert as_table(rows).split("\n") == [
        "       claim           derived      measured   agree",
        "001-1  short           1            0.5 ± 0.1  yes",
        "2      a longer claim  closed form  1          NO",
    ]


def test_normal_numbers_are_doubles_of_the_given_generator():
    found = checks.doubles(100, 50, generator=generator(1))
    assert (found.shape, found.dtype) == ((100, 50), torch.float64)
    assert torch.equal(found, checks.doubles(100, 50, generator=generator(1)))
    mean, error = checks.mean_and_error(found.flatten())
    assert abs(mean) < 5 * error
    assert found.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("std", [0.02, 1.0, 3.0])
def test_the_log_normal_density_is_scipys(std):
    x, means = checks.doubles(2, 20, generator=generator())
    found = checks.log_normal(x, means, std)
    assert found.numpy() == pytest.approx(norm.logpdf(x, means, std), rel=1e-12)
    assert checks.log_normal(x, 1, std)[3].item() == pytest.approx(
        norm.logpdf(x[3], 1, std), rel=1e-12
    )
