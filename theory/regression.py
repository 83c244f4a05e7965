"""001, 1: two outputs whose noise is correlated.

y = a x + e and z = x + e', (e, e') normal with unit variances and covariance beta.
"""

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from theory.checks import N_ERRORS, Check, doubles, rounding

BETAS = (-0.999, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 0.999)
TRUE_A = 1.5
N_POINTS = 20


def log_likelihood(a: Tensor, x: Tensor, y: Tensor, z: Tensor, beta: float) -> Tensor:
    """Return log p(y, z | a, x, beta) in nats: ()."""
    e, f = y - a * x, z - x
    left = 1 - beta**2
    form = (e**2 - 2 * beta * e * f + f**2) / left
    return -0.5 * (form + 2 * math.log(2 * math.pi) + math.log(left)).sum()


def estimate(x: Tensor, y: Tensor, z: Tensor, beta: float) -> Tensor:
    """Return the maximum likelihood estimate of a from points (..., N): (...)."""
    return (x * (y - beta * (z - x))).sum(-1) / (x**2).sum(-1)


def log_density(a: Tensor, x: Tensor, y: Tensor, z: Tensor, beta: float) -> Tensor:
    """Return the same from torch's own density: ()."""
    covariance = torch.tensor([[1, beta], [beta, 1]], dtype=x.dtype)
    noise = MultivariateNormal(x.new_zeros(2), covariance)
    return noise.log_prob(torch.stack([y - a * x, z - x], -1)).sum()


def optimum(x: Tensor, y: Tensor, z: Tensor, beta: float) -> Tensor:
    """Return the a at which torch's own density is largest: one Newton step, as the
    logarithm is quadratic in a."""
    a = x.new_zeros((), requires_grad=True)
    value = log_density(a, x, y, z, beta)
    (slope,) = torch.autograd.grad(value, a, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, a)
    return (a - slope / curvature).detach()


def draw(x: Tensor, beta: float, n: int, generator: torch.Generator):
    """Return n draws of the outputs y and z (n, N) at inputs x (N,)."""
    e, other = doubles(2, n, len(x), generator=generator)
    f = beta * e + (1 - beta**2) ** 0.5 * other
    return TRUE_A * x + e, x + f


def experiment(n_draws: int, generator: torch.Generator) -> tuple[list[Check], dict]:
    """Return the checks, and the variances by beta for the figure."""
    x = doubles(N_POINTS, generator=generator)
    apart, density, rows = 0.0, 0.0, []
    for beta in BETAS:
        y, z = draw(x, beta, n_draws, generator)
        found = estimate(x, y, z, beta)
        apart = max(apart, (optimum(x, y[0], z[0], beta) - found[0]).abs().item())
        at = x.new_tensor(TRUE_A), x, y[0], z[0], beta
        ratio = log_likelihood(*at) / log_density(*at)
        density = max(density, (ratio - 1).abs().item())
        alone = 1 / (x**2).sum().item()
        ratio = found.var().item() / alone
        # of a variance of normal draws
        error = (2 / (n_draws - 1)) ** 0.5 * ratio
        rows.append({"beta": beta, "ratio": ratio, "error": error})
    return checks(apart, density, rows), {"rows": rows}


def checks(apart: float, density: float, rows: list[dict]) -> list[Check]:
    worst = max(rows, key=lambda r: abs(r["ratio"] - 1 + r["beta"] ** 2) / r["error"])
    derived = 1 - worst["beta"] ** 2
    last = rows[-1]
    return [
        rounding("001-1a", "joint log-likelihood", "closed form", density),
        rounding("001-1b", "autograd's optimum of a", "Σx(y − β(z − x)) / Σx²", apart),
        Check(
            "001-1b", f"variance against ignoring z, worst β = {worst['beta']:g}",
            f"1 − β² = {derived:.4g}", f"{worst['ratio']:.4g} ± {worst['error']:.1g}",
            abs(worst["ratio"] - derived), N_ERRORS * worst["error"],
        ),
        Check(
            "001-1b", f"the same as β → 1, at {last['beta']:g}", "→ 0",
            f"{last['ratio']:.4g}", last["ratio"], 0.01,
        ),
    ]  # fmt: skip
