"""003, 1: maximum likelihood of y given x is minimum KL divergence over p̂(x)."""

import torch
from torch import Tensor

from theory.checks import Check, doubles, rounding

N_X, N_Y, N_FEATURES = 5, 4, 2  # too few features for the model to be exact
N_MODELS = 100
STEPS, RATE = 20_000, 1.0


def table(generator: torch.Generator) -> Tensor:
    """Return a joint distribution p̂(x, y), (N_X, N_Y)."""
    logits = doubles(N_X * N_Y, generator=generator)
    return logits.softmax(0).view(N_X, N_Y)


def log_model(theta: Tensor, features: Tensor) -> Tensor:
    """Return log p(y | x) of weights theta (..., d, N_Y): (..., N_X, N_Y)."""
    return (features @ theta).log_softmax(-1)


def likelihood(joint: Tensor, log_p: Tensor) -> Tensor:
    """Return E over p̂(x, y) of log p(y | x): (...)."""
    return (joint * log_p).sum((-2, -1))


def divergence(joint: Tensor, log_p: Tensor) -> Tensor:
    """Return E over p̂(x) of KL(p̂(y | x) || p(y | x)): (...)."""
    of_x = joint.sum(-1)
    given_x = joint / of_x[:, None]
    apart = (given_x * (given_x.log() - log_p)).sum(-1)
    return (of_x * apart).sum(-1)


def conditional_entropy(joint: Tensor) -> Tensor:
    """Return H(y | x) under p̂ in nats: ()."""
    return -(joint * (joint / joint.sum(1, keepdim=True)).log()).sum()


def descend(objective, theta: Tensor) -> Tensor:
    """Return the weights that gradient descent ends at."""
    theta = theta.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta], RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        objective(theta).backward()
        if theta.grad.abs().max() < 1e-12:
            break
        optimizer.step()
    return theta.detach()


def experiment(generator: torch.Generator) -> list[Check]:
    joint = table(generator)
    features = doubles(N_X, N_FEATURES, generator=generator)
    theta = doubles(N_MODELS, N_FEATURES, N_Y, generator=generator)
    log_p = log_model(theta, features)
    total = likelihood(joint, log_p) + divergence(joint, log_p)
    constant = -conditional_entropy(joint)
    ends = [
        log_model(descend(objective, theta[0]), features)
        for objective in (
            lambda t: -likelihood(joint, log_model(t, features)),
            lambda t: divergence(joint, log_model(t, features)),
        )
    ]
    left = divergence(joint, ends[0]).item()
    return [
        rounding(
            "003-1", f"likelihood + KL of {N_MODELS} models", "−H(y | x), a constant",
            (total - constant).abs().max().item(),
        ),
        rounding(
            "003-1", f"optimum of both by gradient descent, KL left {left:.2g}",
            "the same p(y | x)", (ends[0] - ends[1]).abs().max().item(),
        ),
    ]  # fmt: skip
