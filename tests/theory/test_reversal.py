"""003, 4: the forward model's marginal and reverse against scipy's densities."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from tests.theory.conftest import refused, stated
from theory import reversal


@pytest.mark.parametrize("std", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("x2", [-0.1, 0.0, 0.5, 1.1])
def test_the_marginal_is_scipys_integral(std, x2):
    def at(x1: float) -> float:
        return norm.pdf(x1) * norm.pdf(x2, float(x1 > 0), std)

    wanted = quad(at, -10, 0)[0] + quad(at, 0, 10)[0]
    point = torch.tensor([x2], dtype=torch.float64)
    assert reversal.marginal(point, std).item() == pytest.approx(wanted, abs=1e-9)
    found = reversal.marginal_by_quadrature(point, std)
    assert found.item() == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("std", [0.1, 0.5])
def test_no_normal_is_nearer_than_the_one_with_its_moments(std):
    start = [0.3, 0.8]
    found = minimize(lambda p: reversal.divergence(p[0], abs(p[1]), std), start)
    assert found.x == pytest.approx(reversal.best_normal(std), abs=1e-3)
    assert found.fun == pytest.approx(
        reversal.divergence(*reversal.best_normal(std), std), abs=1e-6
    )


def test_peaks_are_counted():
    x2 = torch.linspace(-2, 3, 1001, dtype=torch.float64)
    assert reversal.n_peaks(reversal.marginal(x2, 0.1)) == 2
    assert reversal.n_peaks(reversal.marginal(x2, 1.0)) == 1


@pytest.mark.parametrize(
    ("values", "n"), [([0, 1, 0], 1), ([0, 1, 1, 0], 0), ([2, 1, 2], 0), ([1, 2, 3], 0)]
)
def test_a_peak_is_above_both_its_neighbours(values, n):
    assert reversal.n_peaks(torch.tensor(values)) == n


def test_two_normals_mirrored_at_one_half_are_as_far():
    """The marginal is even around 1/2, and so is the grid, at any width."""
    left, right = (reversal.divergence(0.5 + move, 1.5, 3.0) for move in (-1, 1))
    assert left == pytest.approx(right, rel=1e-12)


def test_reversal_states_four_claims():
    checks, _ = reversal.experiment()
    assert stated(checks) == [
        ("003-4", "marginal of x2 by quadrature", "half N(0, ε²), half N(1, ε²)"),
        ("003-4", "its peaks, ε = 0.1; a reverse model has one", "2"),
        ("003-4", "KL from the nearest normal, in nats", "above 0"),
        ("003-4", "the same as ε falls from 1 to 0.02", "grows"),
    ]


def test_the_figures_arrays_are_scipys_densities():
    _, shown = reversal.experiment()
    x1, x2, std = shown["x1"], shown["x2"], reversal.STD
    assert x1.dtype == x2.dtype == np.float64
    assert np.abs(x1).min() < 1e-9  # the grid holds the jump
    given_x1 = norm.pdf(x2[:, None], x1 > 1e-9, std)
    assert shown["joint"] == pytest.approx(given_x1 * norm.pdf(x1), abs=1e-12)
    inside = np.trapezoid(np.trapezoid(shown["joint"], x1), x2)
    assert inside == pytest.approx(norm.cdf(3) - norm.cdf(-3), abs=1e-4)
    halves = (norm.pdf(x2, 0, std) + norm.pdf(x2, 1, std)) / 2
    assert shown["marginal"] == pytest.approx(halves)
    peaks = np.sort(x2[np.argsort(shown["marginal"])[-2:]])
    assert peaks == pytest.approx([0, 1], abs=1e-9)
    nearest = norm.pdf(x2, halves @ x2 / halves.sum(), (0.25 + std**2) ** 0.5)
    assert shown["normal"] == pytest.approx(nearest)


def test_x1_given_x2_has_the_sign_that_x2_tells():
    _, shown = reversal.experiment()
    x1, reverse = shown["x1"], shown["reverse"]
    assert list(reverse) == [0, 0.5, 1]
    left = []
    for density in reverse.values():
        assert np.trapezoid(density, x1) == pytest.approx(1)
        left.append(np.trapezoid(density[x1 < 1e-9], x1[x1 < 1e-9]))
    assert left == pytest.approx([1, 0.5, 0], abs=0.005)
    within = norm.cdf(3) - norm.cdf(-3)
    assert reverse[0.5] == pytest.approx(norm.pdf(x1) / within, rel=1e-4)


def test_peaks_far_apart_leave_a_divergence_in_closed_form():
    """Where they do not overlap, half of each has log 2 less entropy than its moments'
    normal and half the logarithm of the variances' ratio."""
    _, shown = reversal.experiment()
    assert shown["stds"] == reversal.STDS
    for std, found in zip(shown["stds"][:3], shown["divergences"], strict=False):
        wanted = 0.5 * math.log((0.25 + std**2) / std**2) - math.log(2)
        assert found == pytest.approx(wanted, abs=2e-6)
    assert len(shown["divergences"]) == len(reversal.STDS)


FALLING = [2.5, 2, 1.5, 1, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("error", "peaks", "left", "seen"),
    [
        (1e-5, 2, FALLING, []),
        (1.1e-5, 2, FALLING, [0]),
        (0.0, 1, FALLING, [1]),
        (0.0, 3, FALLING, [1]),
        (0.0, 2, [2.5, 2, 2.75, 1, 1.5, 0.25, 0.125], [3]),
        (0.0, 2, [2, *FALLING[1:]], []),
    ],
)
def test_what_differs_from_the_reversed_model_is_seen(error, peaks, left, seen):
    checks = reversal.checks(error, peaks, left)
    assert refused(checks) == seen
    assert [c.error for c in checks[:2]] == [error, abs(peaks - 2)]
    assert checks[1].measured == str(peaks)
    assert checks[3].error == (0.75 if seen == [3] else 0)
    assert checks[3].measured == f"0.12 to {left[0]}"


MEAN, WIDTH = reversal.best_normal(reversal.STD)


NEIGHBOURS = [
    (MEAN + move, WIDTH * scale)
    for move in (-0.1, 0, 0.1)
    for scale in (0.8, 1, 1.25)
    if (move, scale) != (0, 1)
]


@pytest.mark.parametrize("nearer", NEIGHBOURS)
def test_a_nearer_normal_is_seen(monkeypatch, nearer):
    def apart(mean, width, std):
        if (mean, width) == pytest.approx(nearer):
            return 0.4
        assert (mean, width) == pytest.approx((MEAN, WIDTH)) or any(
            (mean, width) == pytest.approx(other) for other in NEIGHBOURS
        )
        return 0.5 if (mean, width) == (MEAN, WIDTH) else 0.6

    monkeypatch.setattr(reversal, "divergence", apart)
    checks = reversal.checks(0.0, 2, FALLING)
    assert refused(checks) == [2]
    assert checks[2].measured == "0.500; others 0.400 or more"


@pytest.mark.parametrize(
    ("best", "other", "agrees"),
    [(0.125, 0.25, True), (0.25, 0.25, False), (0.1, 0.25, False), (0.0, 0.25, False)],
)
def test_the_nearest_normal_is_neither_near_nor_one_of_many(
    monkeypatch, best, other, agrees
):
    def apart(mean, width, std):
        return best if (mean, width) == (MEAN, WIDTH) else other

    monkeypatch.setattr(reversal, "divergence", apart)
    assert refused(reversal.checks(0.0, 2, FALLING)) == ([] if agrees else [2])
