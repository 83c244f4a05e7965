"""003, 2: Gaussians of one shared variance are a softmax regression, and any is one."""

import torch
from torch import Tensor

from mixture_models import GMM
from theory.checks import Check, doubles, rounding

N_CLASSES, N_DIMS, N_POINTS = 5, 3, 500
VARIANCE = 0.7


def weights_of(logits: Tensor, means: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Return w (K, D) and b (K,) of the softmax regression that a mixture is."""
    log_pi = logits.log_softmax(0)
    return means / variance, log_pi - (means**2).sum(1) / (2 * variance)


def mixture_of(w: Tensor, b: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Return logits (K,) and means (K, D) of the mixture that a regression is.

    Any variance does; the logits are log pi up to a constant.
    """
    return b + variance * (w**2).sum(1) / 2, variance * w


def mixture(logits: Tensor, means: Tensor, variances: Tensor) -> GMM:
    """Return our own GMM; variances broadcast to (K, D)."""
    model = GMM(*means.shape).double()
    with torch.no_grad():
        model.logits.copy_(logits)
        model.means.copy_(means)
        model.log_variances.copy_(variances.log().expand_as(means))
    return model


def distance(model: GMM, w: Tensor, b: Tensor, x: Tensor) -> float:
    """Return the largest difference of responsibilities from a regression's."""
    with torch.no_grad():
        return (model.responsibilities(x) - (x @ w.T + b).softmax(1)).abs().max().item()


def bend(model: GMM, x: Tensor) -> float:
    """Return how far the log-odds are from the best linear function of x (N, D)."""
    with torch.no_grad():
        joint = model.joint_log_prob(x)
    odds = joint[:, 1:] - joint[:, :1]
    design = torch.cat([x.new_ones(len(x), 1), x], 1)
    fitted = design @ torch.linalg.lstsq(design, odds).solution
    return (odds - fitted).abs().max().item()


def experiment(generator: torch.Generator) -> list[Check]:
    x = 2 * doubles(N_POINTS, N_DIMS, generator=generator)
    logits = doubles(N_CLASSES, generator=generator)
    means = doubles(N_CLASSES, N_DIMS, generator=generator)
    shared = torch.tensor(VARIANCE, dtype=x.dtype)
    ours = mixture(logits, means, shared)
    there = distance(ours, *weights_of(logits, means, VARIANCE), x)
    w, b = doubles(N_CLASSES, N_DIMS, generator=generator), logits
    back = max(
        distance(mixture(*mixture_of(w, b, v), torch.tensor(v, dtype=x.dtype)), w, b, x)
        for v in (0.1, VARIANCE, 10.0)
    )
    own = VARIANCE * torch.linspace(0.5, 2, N_CLASSES, dtype=x.dtype)[:, None]
    straight, bent = bend(ours, x), bend(mixture(logits, means, own), x)
    return [
        rounding("003-2", "our GMM's responsibilities, one variance", "softmax", there),
        rounding("003-2", "any regression, as a GMM of three variances", "equal", back),
        rounding("003-2", "log-odds from linear, one variance", "0", straight),
        Check(
            "003-2", "log-odds from linear, a variance each", "above 0",
            f"{bent:.2g}", float(bent < 0.1), 0,
        ),
    ]  # fmt: skip
