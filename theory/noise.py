"""001, 2a: Gaussian noise on the inputs of a linear regression is ridge regression."""

from itertools import pairwise

import torch
from torch import Tensor

from theory.checks import N_ERRORS, Check, doubles, drawn

N_POINTS, N_FEATURES = 40, 5
SIGMAS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SIGMA = 0.5  # of the two checks
COPIES = 200  # noisy copies of the data that one least squares sees


def loss(theta: Tensor, bias: Tensor | float, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean squared error of inputs (..., n, d): (...)."""
    return ((x @ theta + bias - y) ** 2).mean(-1)


def ridge(x: Tensor, y: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Return (theta, bias) that minimise the loss + sigma^2 |theta|^2.

    The bias is not penalised, so the means are taken off first. scikit-learn's Ridge,
    which sums the squares, calls n sigma^2 its alpha.
    """
    middle, height = x.mean(0), y.mean()
    x, y = x - middle, y - height
    gram = x.T @ x + len(x) * sigma**2 * torch.eye(x.shape[1], dtype=x.dtype)
    theta = torch.linalg.solve(gram, x.T @ y)
    return theta, height - middle @ theta


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    """Return the bias and theta (d + 1,) that minimise the loss, nothing penalised."""
    ones = x.new_ones(*x.shape[:-1], 1)
    design = torch.cat([ones, x], -1)
    return torch.linalg.lstsq(design, y[..., None]).solution[..., 0]


def given(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs (n, d), two of which go together, and outputs (n,)."""
    x = doubles(N_POINTS, N_FEATURES, generator=generator)
    x[:, 1] = 0.9 * x[:, 0] + 0.3 * x[:, 1]
    truth = torch.tensor([2.0, -1.0, 1.0, 0.5, 0.0], dtype=x.dtype)
    return x, 1 + x @ truth + 0.5 * doubles(N_POINTS, generator=generator)


def experiment(n_draws: int, generator: torch.Generator) -> tuple[list[Check], dict]:
    """Return the checks, and the coefficients by sigma for the figure."""
    x, y = given(generator)
    theta = doubles(N_FEATURES, generator=generator)
    bias = 0.7
    noise = SIGMA * doubles(n_draws, *x.shape, generator=generator)
    derived = loss(theta, bias, x, y) + SIGMA**2 * (theta**2).sum()
    mean = drawn(
        "001-2a i", f"mean noisy loss, σ = {SIGMA:g}: L + σ²‖θ‖²", derived.item(),
        loss(theta, bias, x + noise, y),
    )  # fmt: skip
    fitted = fit_noisy_copies(x, y, SIGMA, n_draws, generator)
    wanted = torch.cat([t.reshape(-1) for t in reversed(ridge(x, y, SIGMA))])
    error = fitted.std(0) / len(fitted) ** 0.5
    far = ((fitted.mean(0) - wanted).abs() / error).max().item()
    paths = torch.stack([ridge(x, y, sigma)[0] for sigma in SIGMAS])
    fits = [fit_noisy_copies(x, y, s, n_draws, generator) for s in SIGMAS]
    dots = torch.stack([fit.mean(0)[1:] for fit in fits])
    lengths = paths.norm(dim=1).tolist()
    grows = max(b - a for a, b in pairwise(lengths))
    return [
        mean,
        Check(
            "001-2a ii", "least squares on noisy copies, in standard errors",
            "ridge, penalty σ²", f"{far:.2g} away", far, N_ERRORS,
        ),
        Check(
            "001-2a ii", "length of the coefficients as σ grows", "falls",
            f"{lengths[0]:.3g} to {lengths[-1]:.3g}", max(grows, 0), 0,
        ),
    ], {"sigmas": SIGMAS, "paths": paths.numpy(), "dots": dots.numpy()}  # fmt: skip


def fit_noisy_copies(
    x: Tensor, y: Tensor, sigma: float, n_draws: int, generator: torch.Generator
) -> Tensor:
    """Return the least squares solutions of many noisy copies each: (fits, d + 1).

    A fit of few copies is biased, by about one over their number.
    """
    n, d = x.shape
    fits = max(n_draws // COPIES, 30)
    noisy = x + sigma * doubles(fits, COPIES, n, d, generator=generator)
    return least_squares(noisy.flatten(1, 2), y.repeat(fits, COPIES))
