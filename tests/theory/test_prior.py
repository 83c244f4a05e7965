"""001, 2b: a Laplace prior against scikit-learn's lasso and scipy's densities."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import laplace, norm
from sklearn.linear_model import Lasso

from tests.theory.conftest import SEEDS, generator, refused, stated
from theory import prior
from theory.checks import doubles


@given(SEEDS, st.sampled_from(prior.WIDTHS), st.sampled_from([0.5, 1.0, 3.0]))
def test_a_laplace_prior_is_scikit_learns_lasso(seed, b, sigma):
    x, y = prior.given(torch.Generator().manual_seed(seed))
    strength = prior.strength(sigma, b)
    theta = prior.lasso(x, y, strength)
    n = len(x)
    oracle = Lasso(
        alpha=sigma**2 / (n * b), fit_intercept=False, tol=1e-12, max_iter=100_000
    ).fit(x.numpy(), y.numpy())
    assert theta.numpy() == pytest.approx(oracle.coef_, abs=1e-6)


@pytest.mark.parametrize("factor", [0.5, 2, 1 / prior.N_POINTS])
def test_another_strength_is_not_the_maximum(factor):
    """A missing 2, a doubled one, a missing n."""
    x, y = prior.given(torch.Generator().manual_seed(1))
    right, b = prior.strength(prior.SIGMA, prior.WIDTH), prior.WIDTH
    generator = torch.Generator().manual_seed(2)
    assert prior.best_gain(prior.lasso(x, y, right), x, y, b, generator) <= 1e-9
    wrong = prior.lasso(x, y, factor * right)
    assert prior.best_gain(wrong, x, y, b, generator) > 1e-3


def test_a_small_width_believes_in_nothing():
    x, y = prior.given(torch.Generator().manual_seed(3))
    assert (prior.lasso(x, y, prior.strength(1.0, 1e-6)) == 0).all()
    wide = prior.lasso(x, y, prior.strength(1.0, 1e9))
    torch.testing.assert_close(wide, torch.linalg.lstsq(x, y[:, None]).solution[:, 0])


def test_the_log_posterior_is_scipys():
    drawn = generator()
    x, y = doubles(7, 3, generator=drawn), doubles(7, generator=drawn)
    thetas = doubles(4, 3, generator=drawn)
    found = prior.log_posterior(thetas, x, y, 0.5, 0.2)
    for theta, value in zip(thetas, found, strict=True):
        likelihood = norm.logpdf(y, (x @ theta).numpy(), 0.5).sum()
        wanted = likelihood + laplace.logpdf(theta, scale=0.2).sum()
        assert value.item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("step", [0.1, -0.1, 0.01, -0.001, 0.0001])
@pytest.mark.parametrize("axis", [0, prior.N_FEATURES - 1])
def test_the_way_back_to_the_maximum_is_found_along_an_axis(monkeypatch, step, axis):
    monkeypatch.setattr(prior, "N_DIRECTIONS", 0)
    x, y = prior.given(generator())
    b = 1.0
    best = prior.lasso(x, y, prior.strength(prior.SIGMA, b))
    away = best.clone()
    away[axis] += step
    values = [prior.log_posterior(t, x, y, prior.SIGMA, b).item() for t in (best, away)]
    gain = prior.best_gain(away, x, y, b, generator())
    assert gain == pytest.approx(values[0] - values[1], abs=1e-10)


def test_random_directions_lead_up_where_an_axis_does_less(monkeypatch):
    """From far away the best step is a long one, along all that are wrong."""
    x, y = prior.given(generator())
    away = torch.full((prior.N_FEATURES,), 3.0, dtype=x.dtype)
    gain = prior.best_gain(away, x, y, 1.0, generator())
    monkeypatch.setattr(prior, "N_DIRECTIONS", 0)
    assert gain > 1.5 * prior.best_gain(away, x, y, 1.0, generator()) > 0


def test_the_given_data_use_three_inputs(monkeypatch):
    n = 100_000
    monkeypatch.setattr(prior, "N_POINTS", n)
    x, y = prior.given(generator())
    assert x.shape == (n, prior.N_FEATURES)
    truth = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    assert truth.tolist() == pytest.approx([2, -1, 0.5] + 9 * [0], abs=0.02)
    assert (y - x @ truth).std().item() == pytest.approx(prior.SIGMA, rel=0.02)


@pytest.mark.usefixtures("torchs_own_generator_rests")
def test_prior_states_three_claims():
    checks, shown = prior.experiment(generator())
    assert stated(checks) == [
        ("001-2b i", "gain in log-posterior by leaving the lasso, b = 0.02", "none"),
        (
            "001-2b ii", "the same from half and from twice its strength 2σ²/b",
            "above 0",
        ),
        ("001-2b ii", "zeros of 12 as b grows from 0.005 to 10", "fall"),
    ]  # fmt: skip
    assert checks[2].measured == "12 to 0"
    assert shown["widths"] == prior.WIDTHS
    paths = shown["paths"]
    assert paths.shape == (len(prior.WIDTHS), prior.N_FEATURES)
    assert (paths[0] == 0).all()
    assert (paths[-1] != 0).all()
    assert paths[-1, : prior.N_USED] == pytest.approx([2, -1, 0.5], abs=0.5)


def test_half_and_twice_the_strength_are_tried_and_each_width_once(monkeypatch):
    asked = []

    def lasso(x, y, strength):
        asked.append(strength)
        return x.new_zeros(x.shape[1])

    monkeypatch.setattr(prior, "lasso", lasso)
    prior.experiment(generator())
    right = 2 * prior.SIGMA**2 / prior.WIDTH
    of_widths = [2 * prior.SIGMA**2 / b for b in prior.WIDTHS]
    assert asked == pytest.approx([right, right / 2, 2 * right, *of_widths])


@pytest.mark.parametrize(
    ("gains", "errors", "seen"),
    [
        ([-1.0, 2e-6, 3e-6], [0, 0], []),
        ([1e-9, 2e-6, 3e-6], [1e-9, 0], []),
        ([2e-9, 2e-6, 3e-6], [2e-9, 0], [0]),
        ([0.0, 3e-6, 1e-6], [0, 1], [1]),
        ([0.0, -1.0, 3e-6], [0, 1], [1]),
    ],
)
def test_the_lasso_is_the_maximum_and_both_others_are_not(
    monkeypatch, gains, errors, seen
):
    left = iter(gains)
    monkeypatch.setattr(prior, "best_gain", lambda *_: next(left))
    checks, _ = prior.experiment(generator())
    assert [check.error for check in checks[:2]] == errors
    assert refused(checks) == seen


def test_a_zero_that_comes_back_is_seen(monkeypatch):
    """As b grows 12, 12, 11, 12, 10, ... coefficients are zero."""
    n_used = (0, 0, 1, 0, 2, 3, 4, 5, 12)
    strengths = [prior.strength(prior.SIGMA, b) for b in prior.WIDTHS]

    def lasso(x, y, strength):
        theta = x.new_zeros(x.shape[1])
        if strength in strengths:
            theta[: n_used[strengths.index(strength)]] = 1
        return theta

    monkeypatch.setattr(prior, "lasso", lasso)
    check = prior.experiment(generator())[0][2]
    assert (check.error, check.measured) == (1, "12 to 0")
    assert not check.agrees
