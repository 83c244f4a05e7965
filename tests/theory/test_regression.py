"""001, 1: the estimate against scipy and autograd, and its experiment."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, multivariate_normal

from tests.theory.conftest import SEEDS, generator, refused, stated
from theory import regression
from theory.checks import doubles

BETAS = st.floats(-0.99, 0.99)


def points(seed: int, beta: float):
    generator = torch.Generator().manual_seed(seed)
    x = doubles(regression.N_POINTS, generator=generator)
    y, z = regression.draw(x, beta, 1, generator)
    return x, y[0], z[0]


@given(SEEDS, BETAS, st.floats(-3, 3))
def test_the_joint_likelihood_is_scipys(seed, beta, a):
    x, y, z = points(seed, beta)
    noise_of = multivariate_normal(cov=[[1, beta], [beta, 1]])
    wanted = noise_of.logpdf(torch.stack([y - a * x, z - x], 1).numpy()).sum()
    found = regression.log_likelihood(torch.tensor(a), x, y, z, beta)
    assert found.item() == pytest.approx(wanted)


@given(SEEDS, BETAS)
def test_the_estimate_is_autograds_optimum(seed, beta):
    x, y, z = points(seed, beta)
    found = regression.estimate(x, y, z, beta)
    assert found.item() == pytest.approx(regression.optimum(x, y, z, beta).item())
    if abs(beta) > 0.1:  # the wrong sign of beta is another number
        wrong = regression.estimate(x, y, z, -beta)
        gap = 2 * beta * (x * (z - x)).sum() / (x**2).sum()
        assert (wrong - found).item() == pytest.approx(gap.item())
        assert abs(gap) > 1e-6


def test_each_of_many_sets_of_points_has_its_own_estimate():
    x, y, z = (
        torch.stack(both) for both in zip(points(0, 0.5), points(1, 0.5), strict=True)
    )
    found = regression.estimate(x, y, z, 0.5)
    alone = [regression.estimate(x[i], y[i], z[i], 0.5).item() for i in range(2)]
    assert found.tolist() == pytest.approx(alone)


def test_without_correlation_z_is_ignored():
    x, y, z = points(0, 0.5)
    alone = (x * y).sum() / (x**2).sum()
    assert regression.estimate(x, y, z, 0.0).item() == pytest.approx(alone.item())
    assert regression.estimate(x, y, x, 0.9).item() == pytest.approx(alone.item())


def test_torchs_density_is_scipys_too():
    x, y, z = points(0, 0.6)
    noise_of = multivariate_normal(cov=[[1, 0.6], [0.6, 1]])
    wanted = noise_of.logpdf(torch.stack([y - 2 * x, z - x], 1).numpy()).sum()
    found = regression.log_density(torch.tensor(2.0), x, y, z, 0.6)
    assert found.item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("beta", [-0.9, 0.0, 0.5, 0.999])
def test_draws_have_unit_variances_and_the_covariance_beta(beta):
    n, x = 100_000, torch.tensor([2.0], dtype=torch.float64)
    y, z = regression.draw(x, beta, n, generator())
    assert y.shape == z.shape == (n, 1)
    noise_of = torch.cat([y - regression.TRUE_A * x, z - x], 1)
    assert (noise_of.mean(0).abs() < 5 / n**0.5).all()
    wanted = torch.tensor([[1, beta], [beta, 1]], dtype=x.dtype)
    allowed = (
        5 * (2 / n) ** 0.5
    )  # a product of two standard normals varies by 2 or less
    torch.testing.assert_close(noise_of.T.cov(), wanted, rtol=0, atol=allowed)


@pytest.mark.usefixtures("torchs_own_generator_rests")
def test_regression_states_four_claims():
    checks, shown = regression.experiment(1000, generator())
    claims = stated(checks)
    assert claims[:2] == [
        ("001-1a", "joint log-likelihood", "closed form"),
        ("001-1b", "autograd's optimum of a", "Σx(y − β(z − x)) / Σx²"),
    ]
    assert claims[3] == ("001-1b", "the same as β → 1, at 0.999", "→ 0")
    rows = shown["rows"]
    assert [row["beta"] for row in rows] == list(regression.BETAS)
    for row in rows:  # n - 1 variances of normal draws are a chi-square
        error = row["ratio"] * chi2(999).std() / 999
        assert row["error"] == pytest.approx(error)
        assert abs(row["ratio"] - (1 - row["beta"] ** 2)) < 5 * error


@pytest.mark.parametrize(
    ("name", "change", "seen"),
    [
        ("estimate", lambda right: lambda x, y, z, b: right(x, y, z, -b), [1, 2, 3]),
        ("log_likelihood", lambda right: lambda *at: right(*at) * (1 + 1e-8), [0]),
        ("optimum", lambda right: lambda *at: right(*at) - 1e-8, [1]),
    ],
)
def test_a_wrong_estimate_or_likelihood_is_seen(monkeypatch, name, change, seen):
    monkeypatch.setattr(regression, name, change(getattr(regression, name)))
    checks, _ = regression.experiment(1000, generator())
    assert refused(checks) == seen


def test_the_likelihood_is_compared_where_the_points_lie(monkeypatch):
    """At correlations near one, both noises of a point are near equal or opposite."""
    right, apart = regression.log_likelihood, {}

    def log_likelihood(a, x, y, z, beta):
        apart[beta] = ((y - a * x) - beta * (z - x)).std().item()
        return right(a, x, y, z, beta)

    monkeypatch.setattr(regression, "log_likelihood", log_likelihood)
    regression.experiment(1000, generator())
    assert list(apart) == list(regression.BETAS)
    for beta in (-0.999, 0.999):
        assert apart[beta] == pytest.approx((1 - beta**2) ** 0.5, rel=0.5)


def test_the_farthest_variance_is_shown_in_its_errors():
    rows = [
        {"beta": -0.8, "ratio": 0.46, "error": 0.01},  # ten errors
        {"beta": 0.0, "ratio": 1.2, "error": 0.1},  # two
        {"beta": -0.6, "ratio": 0.64, "error": 1e-4},  # none
        {"beta": 0.9, "ratio": 0.01, "error": 0.1},  # less
    ]
    checks = regression.checks(0.25, 0.5, rows)
    assert [check.error for check in checks[:2]] == [0.5, 0.25]
    worst, last = checks[2:]
    assert worst.question == last.question == "001-1b"
    assert worst.claim == "variance against ignoring z, worst β = -0.8"
    assert (worst.derived, worst.measured) == ("1 − β² = 0.36", "0.46 ± 0.01")
    assert worst.error == pytest.approx(0.1)
    assert worst.allowed == pytest.approx(0.05)
    assert (last.claim, last.measured) == ("the same as β → 1, at 0.9", "0.01")
    assert (last.error, last.allowed) == (0.01, 0.01)
