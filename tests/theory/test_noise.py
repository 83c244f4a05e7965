"""001, 2a: noise on the inputs against scikit-learn's ridge and many noisy fits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import mean_squared_error

from tests.theory.conftest import SEEDS, generator, refused, stated
from theory import noise
from theory.checks import doubles


@given(SEEDS, st.floats(0.01, 5))
def test_noise_is_scikit_learns_ridge_with_n_times_its_variance(seed, sigma):
    x, y = noise.given(torch.Generator().manual_seed(seed))
    theta, bias = noise.ridge(x, y, sigma)
    oracle = Ridge(alpha=len(x) * sigma**2).fit(x.numpy(), y.numpy())
    assert theta.numpy() == pytest.approx(oracle.coef_, rel=1e-9)
    assert bias.item() == pytest.approx(oracle.intercept_, rel=1e-9)


def test_the_bias_is_left_out_of_the_penalty_however_large_it_is():
    x, y = noise.given(generator())
    y = (y * 2**10).round() / 2**10  # none of it is lost beside the shift
    theta, bias = noise.ridge(x, y, 0.5)
    shifted = noise.ridge(x, y + 2**40, 0.5)
    torch.testing.assert_close(shifted[0], theta, rtol=1e-10, atol=0)
    assert (shifted[1] - bias).item() == pytest.approx(2**40, rel=1e-12)


@pytest.mark.parametrize(("factor", "agrees"), [(1, True), (2, False), (0.5, False)])
def test_the_penalty_is_the_variance_not_twice_it(factor, agrees):
    """Fits of noisy copies tell the strength."""
    generator = torch.Generator().manual_seed(0)
    x, y = noise.given(generator)
    fits = noise.fit_noisy_copies(x, y, 0.5, 100 * noise.COPIES, generator)
    theta, _ = noise.ridge(x, y, factor**0.5 * 0.5)
    error = fits.std(0)[1:] / len(fits) ** 0.5
    assert bool((((fits.mean(0)[1:] - theta) / error).abs() < 5).all()) == agrees


def test_each_of_many_inputs_has_scikit_learns_loss_and_least_squares():
    drawn = generator()
    x, y = doubles(2, 9, 3, generator=drawn), doubles(2, 9, generator=drawn)
    theta, bias = doubles(3, generator=drawn), torch.tensor(0.5, dtype=x.dtype)
    found, solved = noise.loss(theta, bias, x, y), noise.least_squares(x, y)
    for i in range(2):
        line = (x[i] @ theta + bias).numpy()
        assert found[i].item() == pytest.approx(mean_squared_error(y[i].numpy(), line))
        oracle = LinearRegression().fit(x[i].numpy(), y[i].numpy())
        wanted = [oracle.intercept_, *oracle.coef_]
        assert solved[i].tolist() == pytest.approx(wanted)


def test_the_given_data_have_two_inputs_that_go_together_and_a_known_line(monkeypatch):
    n = 100_000
    monkeypatch.setattr(noise, "N_POINTS", n)
    x, y = noise.given(generator())
    covariance = torch.eye(5, dtype=x.dtype)
    covariance[:2, :2] = torch.tensor([[1, 0.9], [0.9, 0.9**2 + 0.3**2]])
    torch.testing.assert_close(x.T.cov(), covariance, rtol=0, atol=0.02)
    found = noise.least_squares(x, y)
    assert found.tolist() == pytest.approx([1, 2, -1, 1, 0.5, 0], abs=0.03)
    left = noise.loss(found[1:], found[0], x, y)
    assert left.item() == pytest.approx(0.5**2, rel=0.03)


@pytest.mark.parametrize(("n_draws", "n_fits"), [(1000, 30), (6199, 30), (6200, 31)])
def test_each_fit_sees_the_data_two_hundred_times(n_draws, n_fits):
    x, y = noise.given(generator())
    fits = noise.fit_noisy_copies(x, y, 0.0, n_draws, generator())
    assert fits.shape == (n_fits, noise.N_FEATURES + 1)
    plain = noise.least_squares(x, y)
    torch.testing.assert_close(fits, plain.expand_as(fits))


@pytest.mark.usefixtures("torchs_own_generator_rests")
def test_noise_states_three_claims():
    checks, shown = noise.experiment(1000, generator())
    claims = stated(checks)
    assert [(question, claim) for question, claim, _ in claims] == [
        ("001-2a i", "mean noisy loss, σ = 0.5: L + σ²‖θ‖²"),
        ("001-2a ii", "least squares on noisy copies, in standard errors"),
        ("001-2a ii", "length of the coefficients as σ grows"),
    ]
    assert [derived for *_, derived in claims[1:]] == ["ridge, penalty σ²", "falls"]
    assert shown["sigmas"] == noise.SIGMAS
    # the figure's dots lie near its lines, and on them where nothing is added
    dots, paths = shown["dots"], shown["paths"]
    assert dots[0] == pytest.approx(paths[0])
    assert dots == pytest.approx(paths, abs=0.15)
    ends = np.linalg.norm(paths[[0, -1]], axis=1)
    assert checks[2].measured == f"{ends[0]:.3g} to {ends[1]:.3g}"


def test_the_noisy_loss_varies_as_a_normal_residual_does():
    """The residual r of a noisy point is N(r, s^2), s = σ‖θ‖: its square varies by
    4 r^2 s^2 + 2 s^4 around r^2 + s^2."""
    n, again = 1000, generator()
    check = noise.experiment(n, generator())[0][0]
    x, y = noise.given(again)
    theta = doubles(noise.N_FEATURES, generator=again)
    mean = mean_squared_error(y, x @ theta + 0.7)
    s2 = (noise.SIGMA * theta.norm().item()) ** 2
    assert check.derived == f"{mean + s2:.5g}"
    variance = (4 * mean * s2 + 2 * s2**2) / noise.N_POINTS
    assert check.allowed == pytest.approx(5 * (variance / n) ** 0.5, rel=0.1)


@pytest.mark.parametrize(("gap", "agrees"), [(4.75, True), (-5.25, False)])
def test_fits_are_compared_in_standard_errors(monkeypatch, gap, agrees):
    """Two fits that lie an error of 2 either side of gap errors from the ridge."""

    def fits(x, y, sigma, n_draws, generator):
        theta, bias = noise.ridge(x, y, sigma)
        wanted = torch.cat([bias[None], theta])
        return torch.stack([wanted + 2 * gap - 2, wanted + 2 * gap + 2])

    monkeypatch.setattr(noise, "fit_noisy_copies", fits)
    checks, shown = noise.experiment(1000, generator())
    assert checks[1].error == pytest.approx(abs(gap))
    assert refused(checks) == ([] if agrees else [1])
    assert shown["dots"] == pytest.approx(shown["paths"] + 2 * gap)


def test_coefficients_that_grow_with_the_noise_are_seen(monkeypatch):
    """Lengths 1, 1.01, 1.02, 1.05, 1.1, 1.2, 1.5: the error is the largest step."""

    def ridge(x, y, sigma):
        theta = torch.zeros(x.shape[1], dtype=x.dtype)
        theta[2] = 1 + sigma / 10
        return theta, theta.new_zeros(())

    monkeypatch.setattr(noise, "ridge", ridge)
    check = noise.experiment(1000, generator())[0][2]
    assert check.error == pytest.approx(0.3)
    assert not check.agrees
    assert check.measured == "1 to 1.5"
