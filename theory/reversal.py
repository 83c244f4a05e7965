"""003, 4: Gaussian autoregressive models in two orders are two families.

Forward: x1 ~ N(0, 1), and x2 given x1 normal around 0 or 1, by the sign of x1.
Every reverse model has a normal x2; this one's has two peaks.
"""

from itertools import pairwise

import torch
from torch import Tensor

from theory.checks import ROUNDING, Check, log_normal

STD = 0.1  # of x2 given x1
STDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
GRID = torch.arange(-4000, 4001, dtype=torch.float64) / 500  # of x1, x2 - 1/2; holds 0


def log_joint(x1: Tensor, x2: Tensor, std: float) -> Tensor:
    """Return the forward model's log p(x1, x2)."""
    middle = (x1 > 0).to(x1)
    return log_normal(x1, 0, 1) + log_normal(x2, middle, std)


def marginal(x2: Tensor, std: float) -> Tensor:
    """Return p(x2) in closed form: half and half, around 0 and 1."""
    return 0.5 * sum(log_normal(x2, middle, std).exp() for middle in (0, 1))


def integrate(values: Tensor, over: Tensor) -> Tensor:
    return torch.trapezoid(values, over, dim=-1)


def marginal_by_quadrature(x2: Tensor, std: float) -> Tensor:
    """Return p(x2) (n,) from the joint, each half of x1 for itself: it jumps at 0."""
    left, right = GRID[GRID <= 0], GRID[GRID >= 0].clone()
    right[0] = 1e-12
    halves = (
        integrate(log_joint(half, x2[:, None], std).exp(), half)
        for half in (left, right)
    )
    return sum(halves)


def divergence(mean: float, width: float, std: float) -> float:
    """Return KL(p(x2) || N(mean, width^2)) in nats by quadrature."""
    x2 = GRID + 0.5
    p = marginal(x2, std)
    inside = p > 0
    ratio = p[inside].log() - log_normal(x2[inside], mean, width)
    return integrate(p[inside] * ratio, x2[inside]).item()


def best_normal(std: float) -> tuple[float, float]:
    """Return mean and standard deviation of the nearest normal: x2's own."""
    return 0.5, (0.25 + std**2) ** 0.5


def n_peaks(values: Tensor) -> int:
    inner = values[1:-1]
    return int(((inner > values[:-2]) & (inner > values[2:])).sum())


def experiment() -> tuple[list[Check], dict]:
    """Return the checks, and the densities for the figure, as arrays."""
    x1 = torch.linspace(-3, 3, 601, dtype=torch.float64)
    x2 = torch.linspace(-0.6, 1.6, 441, dtype=torch.float64)
    closed, summed = marginal(x2, STD), marginal_by_quadrature(x2, STD)
    left = [divergence(*best_normal(std), std) for std in STDS]
    reverse = {}
    for at in (0.0, 0.5, 1.0):
        density = log_joint(x1, torch.full_like(x1, at), STD).exp()
        reverse[at] = (density / integrate(density, x1)).numpy()
    error = (closed - summed).abs().max().item()
    return checks(error, n_peaks(closed), left), {
        "x1": x1.numpy(),
        "x2": x2.numpy(),
        "joint": log_joint(x1[None], x2[:, None], STD).exp().numpy(),
        "marginal": closed.numpy(),
        "normal": log_normal(x2, *best_normal(STD)).exp().numpy(),
        "reverse": reverse,
        "stds": STDS,
        "divergences": left,
    }


def checks(error: float, peaks: int, left: list[float]) -> list[Check]:
    """Check the marginal, its peaks, and the divergence left for each of STDS."""
    mean, width = best_normal(STD)
    best = divergence(mean, width, STD)
    others = min(
        divergence(mean + dm, width * scale, STD)
        for dm in (-0.1, 0, 0.1)
        for scale in (0.8, 1, 1.25)
        if (dm, scale) != (0, 1)
    )
    shrinks = max(0, *(b - a for a, b in pairwise(left)))
    return [
        Check(
            "003-4", "marginal of x2 by quadrature", "half N(0, ε²), half N(1, ε²)",
            f"{error:.0e} apart", error, 1e-5,
        ),
        Check(
            "003-4", f"its peaks, ε = {STD:g}; a reverse model has one", "2",
            str(peaks), abs(peaks - 2), 0,
        ),
        Check(
            "003-4", "KL from the nearest normal, in nats", "above 0",
            f"{best:.3f}; others {others:.3f} or more",
            float(not 0.1 < best < others), 0,
        ),
        Check(
            "003-4", f"the same as ε falls from {STDS[-1]:g} to {STDS[0]:g}", "grows",
            f"{left[-1]:.2g} to {left[0]:.2g}", shrinks, ROUNDING,
        ),
    ]  # fmt: skip
