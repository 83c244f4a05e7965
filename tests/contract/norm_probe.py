"""What layer norm of models.py computes, with gamma and beta of any names and shape.

It is compared with the right statistics and with those that others take.
B batch, T tokens, d channels.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from grading.classes import Blame
from grading.loader import Solution
from tests.contract.sentiment_probe import BATCH, D, T, check_steady, make, same

EPS = 1e-8


def norm(solution: Solution, shape: tuple[int, int] = (T, D)) -> Any:
    layer = make(solution, "MyLayerNorm", shape)
    shapes = [tuple(p.shape) for p in layer.parameters()]
    for name, constant in layer.named_buffers():
        if len(shapes) < 2 and constant.numel() == math.prod(shape):
            raise Blame(
                f"{name} of MyLayerNorm is not trained, gamma and beta must be: "
                "nn.Parameter with requires_grad"
            )
    if len(shapes) != 2:
        raise Blame(
            f"MyLayerNorm has {len(shapes)} parameters, it needs gamma and beta "
            "(nn.Parameter, so that they are trained)"
        )
    for found in shapes:
        if math.prod(found) != math.prod(shape):
            raise Blame(
                f"a parameter of MyLayerNorm has the shape {found}, gamma and beta "
                f"need that of a sample, {shape}"
            )
    return layer


def statistics_of(x: Tensor) -> dict[str, Tensor]:
    """Return the right answer and others, by what is wrong with them."""
    last, time_axis, both = (2,), (1,), (1, 2)

    def normal(axes: tuple[int, ...], unbiased: bool = False) -> Tensor:
        centered = x - x.mean(axes, keepdim=True)
        variance = x.var(axes, unbiased=unbiased, keepdim=True)
        return centered / (variance + EPS).sqrt()

    size = T * D
    centered = x - x.mean(both, keepdim=True)
    return {
        "": normal(both),
        "mean and variance are over the last axis alone, they must be over all "
        f"T x d = {size} elements of a sample": normal(last),
        "mean and variance are over the tokens alone, they must be over all "
        f"T x d = {size} elements of a sample": normal(time_axis),
        "mean and variance are over the whole batch, each sample needs its own":
            normal((0, 1, 2)),
        "the variance is the sample's (n - 1), layer norm takes the population's (n): "
        "unbiased=False": normal(both, unbiased=True),
        "the variance itself divides, it must be its root":
            centered / x.var(both, unbiased=False, keepdim=True),
        "the mean is not taken off": x / x.std(both, unbiased=False, keepdim=True),
    }  # fmt: skip


def check_norm(layer: Any) -> None:
    """Blame a norm with other statistics than a sample's own over T and d."""
    scales = torch.tensor([0.5, 2.0, 5.0])[:, None, None]
    x = torch.randn(BATCH, T, D) * scales + 3 * torch.randn(BATCH, T, 1)
    found = check_steady(layer, x, "MyLayerNorm")
    answers = statistics_of(x)
    if same(found, answers[""]):
        return
    for text, other in answers.items():
        if text and same(found, other):
            raise Blame(text)
    mean, variance = found.mean((1, 2))[0], found.var((1, 2))[0]
    raise Blame(
        f"a sample has mean {mean:.2f} and variance {variance:.2f} after the norm, "
        "they should be 0 and 1"
    )


def check_eps(layer: Any) -> None:
    """Blame an epsilon elsewhere than under the root, or of another size."""
    x = torch.randn(BATCH, T, D)
    x = x - x.mean((1, 2), keepdim=True)
    x = 1e-4 * x / x.std((1, 2), unbiased=False, keepdim=True)  # variance 1e-8 = eps
    found = check_steady(layer, x, "MyLayerNorm")
    if not found.isfinite().all():
        raise Blame("a sample of tiny variance becomes NaN or infinite")
    spread = found.std((1, 2), unbiased=False)[0].item()
    wanted = math.sqrt(1 / 2)
    if abs(spread - wanted) < 0.02:
        return
    if abs(spread - 1) < 0.02:
        why = "eps is added outside of the root, or is missing; it belongs under it"
    else:
        why = f"eps is not {EPS:g} under the root"
    raise Blame(
        f"a sample of variance 1e-8 has a standard deviation of {spread:.2f} after the "
        f"norm, with eps = {EPS:g} it is {wanted:.2f}: {why}"
    )


def check_gamma_and_beta(layer: Any) -> None:
    """Blame parameters that do not scale and shift each element."""
    parameters = list(layer.parameters())
    ones = [p for p in parameters if torch.equal(p.data, torch.ones_like(p))]
    zeros = [p for p in parameters if torch.equal(p.data, torch.zeros_like(p))]
    if len(ones) != 1 or len(zeros) != 1:
        raise Blame("gamma must begin as ones and beta as zeros")
    x = torch.randn(BATCH, T, D)
    plain = check_steady(layer, x, "MyLayerNorm")
    gamma, beta = torch.randn(T, D), torch.randn(T, D)
    ones[0].data.copy_(gamma.view_as(ones[0]))
    zeros[0].data.copy_(beta.view_as(zeros[0]))
    if not same(check_steady(layer, x, "MyLayerNorm"), gamma * plain + beta):
        raise Blame("gamma must multiply the normalised sample and beta be added to it")
    y = layer(x)
    if y.requires_grad:
        y.square().sum().backward()
    if any(p.grad is None for p in parameters):
        raise Blame("no gradient reaches gamma or beta: they are not trained")


def plain_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[1:], eps=EPS)
