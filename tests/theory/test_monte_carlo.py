"""003, 5: moments of an average of draws, and of its logarithm, against quadrature."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from tests.theory.conftest import generator, refused, stated
from theory import monte_carlo
from theory.checks import doubles


def test_the_probability_and_the_variance_are_scipys_integrals():
    def at(z: float, power: int) -> float:
        return norm.pdf(z) * norm.pdf(monte_carlo.X, z, monte_carlo.STD) ** power

    first, second = (quad(at, -10, 10, args=(power,))[0] for power in (1, 2))
    assert monte_carlo.p_x() == pytest.approx(first)
    assert monte_carlo.variance() == pytest.approx(second - first**2, rel=1e-5)


def test_the_second_order_is_neither_twice_nor_half_of_it():
    generator = torch.Generator().manual_seed(0)
    k, n = 64, 100_000
    logs = monte_carlo.averages(k, n, generator).log() - math.log(monte_carlo.p_x())
    bias, error = logs.mean().item(), logs.std().item() / n**0.5
    off = monte_carlo.next_order(k, generator) + 5 * error
    predicted = monte_carlo.second_order(k)
    assert abs(bias - predicted) < off
    assert abs(bias - 2 * predicted) > off
    assert abs(bias - predicted / 2) > off


def test_an_average_is_the_mean_of_scipys_density_over_its_draws():
    z = doubles(3, 5, generator=generator(1)).numpy()
    wanted = norm.pdf(monte_carlo.X, z, monte_carlo.STD).mean(1)
    found = monte_carlo.averages(5, 3, generator(1))
    assert found.numpy() == pytest.approx(wanted, rel=1e-12)


def test_the_orders_of_the_logarithm_are_moments_by_quadrature():
    """Of log(1 + d) the second order is -d^2 / 2; the next two d^3 / 3 and -d^4 / 4,
    whose mean for an average of k is near three times the square of the variance."""

    def moment(power: int) -> float:
        def at(z: float) -> float:
            share = norm.pdf(monte_carlo.X, z, monte_carlo.STD) / monte_carlo.p_x()
            return norm.pdf(z) * (share - 1) ** power

        return quad(at, -10, 10)[0]

    for k in (1, 2, 32):
        assert monte_carlo.second_order(k) == pytest.approx(-moment(2) / (2 * k))
        wanted = (abs(moment(3)) / 3 + 3 * moment(2) ** 2 / 4) / k**2
        found = monte_carlo.next_order(k, generator())
        assert found == pytest.approx(wanted, rel=0.01)


@pytest.mark.usefixtures("torchs_own_generator_rests")
def test_monte_carlo_states_four_claims_and_its_rows_are_of_known_size():
    n = 4000
    checks, shown = monte_carlo.experiment(n, generator())
    assert stated(checks) == [
        ("003-5a", "mean of A, k = 8: p(x)", f"{monte_carlo.p_x():.5g}"),
        ("003-5b", "variance of p(x | z)", f"{monte_carlo.variance():.5g}"),
        ("003-5b", "bias of log A, k = 1, 2, 4", "below 0 (Jensen)"),
        ("003-5b", "bias of log A, k = 32: −Var / (2 k p²)", "-0.02154"),
    ]
    rows = shown["rows"]
    assert [row["k"] for row in rows] == list(monte_carlo.KS)
    for row in rows:
        wanted = monte_carlo.second_order(1) / row["k"]
        assert row["predicted"] == pytest.approx(wanted)
    # log p(X | z) is a square of a normal, X - z, up to a constant
    first, s2 = rows[0], monte_carlo.STD**2
    mean = -((1 + 1) / s2 + math.log(2 * math.pi * s2)) / 2 - math.log(
        monte_carlo.p_x()
    )
    assert abs(first["bias"] - mean) < 5 * first["error"]
    assert first["error"] == pytest.approx(6**0.5 / (2 * s2) / n**0.5, rel=0.1)
    words = ", ".join(f"{row['bias']:.2g}" for row in rows[:3])
    assert checks[2].measured == words


@pytest.mark.parametrize(
    ("name", "factor", "seen"), [("p_x", 1.1, 0), ("variance", 1.5, 1)]
)
def test_a_wrong_mean_or_variance_is_seen(monkeypatch, name, factor, seen):
    right = getattr(monte_carlo, name)
    monkeypatch.setattr(monte_carlo, name, lambda: factor * right())
    assert seen in refused(monte_carlo.experiment(4000, generator())[0])


@pytest.mark.parametrize(
    ("bias", "above", "seen"), [(-0.25, 0, [3]), (-0.125, 0.125, [2, 3])]
)
def test_a_bias_within_five_errors_of_zero_is_not_below_it(
    monkeypatch, bias, above, seen
):
    monkeypatch.setattr(monte_carlo, "mean_and_error", lambda draws: (bias, 0.05))
    monkeypatch.setattr(monte_carlo, "next_order", lambda k, generator: -0.1 + k / 1e4)
    checks, _ = monte_carlo.experiment(4000, generator())
    assert checks[2].error == above
    off = abs(bias - monte_carlo.second_order(32))
    assert checks[3].error == pytest.approx(off)
    assert checks[3].allowed == pytest.approx(0.25 - 0.1 + 0.0032)
    monkeypatch.setattr(monte_carlo, "next_order", lambda k, generator: -0.249)
    assert refused(monte_carlo.experiment(4000, generator())[0]) == seen
