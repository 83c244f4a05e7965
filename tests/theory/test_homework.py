"""001, 1 and 2: formulas against libraries, and wrong ones seen to be wrong."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.linear_model import Lasso, Ridge

from theory import noise, prior, regression
from theory.checks import doubles

SEEDS = st.integers(0, 2**31)
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


def test_without_correlation_z_is_ignored():
    x, y, z = points(0, 0.5)
    alone = (x * y).sum() / (x**2).sum()
    assert regression.estimate(x, y, z, 0.0).item() == pytest.approx(alone.item())
    assert regression.estimate(x, y, x, 0.9).item() == pytest.approx(alone.item())


@given(SEEDS, st.floats(0.01, 5))
def test_noise_is_scikit_learns_ridge_with_n_times_its_variance(seed, sigma):
    x, y = noise.given(torch.Generator().manual_seed(seed))
    theta, bias = noise.ridge(x, y, sigma)
    oracle = Ridge(alpha=len(x) * sigma**2).fit(x.numpy(), y.numpy())
    assert theta.numpy() == pytest.approx(oracle.coef_)
    assert bias.item() == pytest.approx(oracle.intercept_)
    shifted = noise.ridge(x, y + 100, sigma)  # the bias is left out of the penalty
    torch.testing.assert_close(shifted[0], theta)
    assert (shifted[1] - bias).item() == pytest.approx(100)


@pytest.mark.parametrize(("factor", "agrees"), [(1, True), (2, False), (0.5, False)])
def test_the_penalty_is_the_variance_not_twice_it(factor, agrees):
    """Fits of noisy copies tell the strength."""
    generator = torch.Generator().manual_seed(0)
    x, y = noise.given(generator)
    fits = noise.fit_noisy_copies(x, y, 0.5, 100 * noise.COPIES, generator)
    theta, _ = noise.ridge(x, y, factor**0.5 * 0.5)
    error = fits.std(0)[1:] / len(fits) ** 0.5
    assert bool((((fits.mean(0)[1:] - theta) / error).abs() < 5).all()) == agrees


@given(SEEDS, st.sampled_from(prior.WIDTHS))
def test_a_laplace_prior_is_scikit_learns_lasso(seed, b):
    x, y = prior.given(torch.Generator().manual_seed(seed))
    strength = prior.strength(prior.SIGMA, b)
    theta = prior.lasso(x, y, strength)
    n = len(x)
    oracle = Lasso(
        alpha=prior.SIGMA**2 / (n * b), fit_intercept=False, tol=1e-12, max_iter=100_000
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
