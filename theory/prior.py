"""001, 2b: a Laplace prior on the weights of a linear regression is the lasso."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.distributions import Laplace, Normal

from theory.checks import Check, doubles

N_POINTS, N_FEATURES, N_USED = 60, 12, 3
SIGMA = 1.0  # of the outputs' noise
WIDTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0)
WIDTH = 0.02  # of the prior in the check
N_DIRECTIONS = 2000
STEPS = (1e-1, 1e-2, 1e-3, 1e-4)


def strength(sigma: float, b: float) -> float:
    """Return the weight of |theta|_1 beside the sum of squares."""
    return 2 * sigma**2 / b


def lasso(x: Tensor, y: Tensor, strength: float, sweeps: int = 2000) -> Tensor:
    """Return the theta that minimises |y - x theta|^2 + strength |theta|_1.

    One coordinate at a time: each has a closed form. scikit-learn's Lasso, which halves
    the mean of the squares, calls strength / 2 n its alpha.
    """
    theta = x.new_zeros(x.shape[1])
    squares = (x**2).sum(0)
    left = y.clone()
    for _ in range(sweeps):
        before = theta.clone()
        for j in range(len(theta)):
            left += x[:, j] * theta[j]
            pull = x[:, j] @ left
            shrunk = (pull.abs() - strength / 2).clamp(min=0) / squares[j]
            theta[j] = pull.sign() * shrunk
            left -= x[:, j] * theta[j]
        if (theta - before).abs().max() < 1e-14:
            break
    return theta


def log_posterior(theta: Tensor, x: Tensor, y: Tensor, sigma: float, b: float):
    """Return the log-posterior of weights (..., d), up to a constant, from torch's
    densities: (...)."""
    likelihood = Normal(theta @ x.T, sigma).log_prob(y).sum(-1)
    prior = Laplace(theta.new_zeros(()), theta.new_tensor(b))
    return likelihood + prior.log_prob(theta).sum(-1)


def best_gain(
    theta: Tensor, x: Tensor, y: Tensor, b: float, generator: torch.Generator
) -> float:
    """Return the most that a step from theta (d,) adds to the log-posterior.

    It is concave: where no direction leads up, theta is the maximum. Along each axis,
    and along random directions.
    """
    d = len(theta)
    axes = torch.cat([torch.eye(d), -torch.eye(d)])
    directions = torch.cat([axes, doubles(N_DIRECTIONS, d, generator=generator)])
    here = log_posterior(theta, x, y, SIGMA, b)
    moved = torch.cat([theta + step * directions for step in STEPS])
    return (log_posterior(moved, x, y, SIGMA, b) - here).max().item()


def given(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs (n, d) and outputs (n,) that few inputs matter for."""
    x = doubles(N_POINTS, N_FEATURES, generator=generator)
    truth = x.new_zeros(N_FEATURES)
    truth[:N_USED] = torch.tensor([2.0, -1.0, 0.5])
    return x, x @ truth + SIGMA * doubles(N_POINTS, generator=generator)


def experiment(generator: torch.Generator) -> tuple[list[Check], dict]:
    """Return the checks, and the coefficients by the prior's width for the figure."""
    x, y = given(generator)
    theta = lasso(x, y, strength(SIGMA, WIDTH))
    gain = best_gain(theta, x, y, WIDTH, generator)
    wrong = min(
        best_gain(lasso(x, y, factor * strength(SIGMA, WIDTH)), x, y, WIDTH, generator)
        for factor in (0.5, 2)
    )
    paths = torch.stack([lasso(x, y, strength(SIGMA, b)) for b in WIDTHS])
    zeros = (paths == 0).sum(1).tolist()
    most = max(b - a for a, b in pairwise(zeros))
    return [
        Check(
            "001-2b i", f"gain in log-posterior by leaving the lasso, b = {WIDTH:g}",
            "none", f"{gain:.1e}", max(gain, 0), 1e-9,
        ),
        Check(
            "001-2b ii", "the same from half and from twice its strength 2σ²/b",
            "above 0", f"{wrong:.2g}", float(wrong <= 1e-6), 0,
        ),
        Check(
            "001-2b ii", f"zeros of {N_FEATURES} as b grows from {WIDTHS[0]:g} to "
            f"{WIDTHS[-1]:g}", "fall", f"{zeros[0]} to {zeros[-1]}", max(most, 0), 0,
        ),
    ], {"widths": WIDTHS, "paths": paths.numpy()}  # fmt: skip
