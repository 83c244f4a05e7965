"""What self-attention and layer norm of models.py compute, whatever they are called.

Every map of the attention is filled with a multiple of the identity, in any layout;
then queries, keys and values are that multiple of the input, and what the layer gives
is compared with the right formula and with those that students have written instead.
B batch, T tokens, d channels.
"""

import math
import time
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from grading.classes import Blame, NotOffered, tensor
from grading.loader import Solution

FILE = "models.py"
T, D, BATCH = 6, 4, 3
GAIN = 1.3  # of each map
NEAR = 1e-4
EPS = 1e-8
LONG, WIDE = 32, 16  # of the input that is timed
SLOW = 10


def make(solution: Solution, name: str, size: int | tuple[int, int]) -> Any:
    try:
        cls = solution.get(FILE, name)
    except Blame as blame:
        if str(blame) != f"{FILE} has no {name}":
            raise
        raise NotOffered(f"no class {name} in {FILE}") from None
    return cls(size).eval()


def attention(solution: Solution, d: int = D) -> Any:
    layer = make(solution, "MySelfAttention", d)
    if not list(layer.parameters()):
        raise Blame(
            "MySelfAttention has no parameters: queries, keys and values need maps"
        )
    return layer


def fill_with_identities(layer: Any, d: int) -> None:
    """Make each map GAIN times the identity; maps side by side, each of them."""
    eye = GAIN * torch.eye(d)
    for name, p in layer.named_parameters():
        if p.ndim < 2:
            p.data.zero_()
        elif p.shape[-1] == d and p.shape[-2] % d == 0:
            p.data.copy_(eye.repeat(p.shape[-2] // d, 1).expand_as(p))
        elif p.shape[-2] == d and p.shape[-1] % d == 0:
            p.data.copy_(eye.repeat(1, p.shape[-1] // d).expand_as(p))
        else:
            raise NotOffered(f"the parameter {name} {tuple(p.shape)} is no map of {d}")


def same(a: Tensor, b: Tensor) -> bool:
    near = {"atol": NEAR, "rtol": NEAR, "equal_nan": True}
    return a.shape == b.shape and torch.allclose(a, b, **near)


def check_steady(layer: Any, x: Tensor, name: str) -> Tensor:
    """Return what a layer gives in evaluation; Blame where it is drawn at random."""
    with torch.no_grad():
        first, second = (tensor(layer(x), f"{name}.forward") for _ in range(2))
    if not same(first, second):
        raise Blame(
            f"{name} gives two answers to one input after eval(): dropout is still at "
            "work (use nn.Dropout, or F.dropout with training=self.training)"
        )
    if first.shape != x.shape:
        raise Blame(
            f"{name} turns the shape {tuple(x.shape)} into {tuple(first.shape)}, "
            "it must keep it"
        )
    return first


def check_attention(layer: Any) -> None:
    """Blame attention that is another function than softmax(Q K' / sqrt d) V."""
    fill_with_identities(layer, D)
    x = torch.randn(BATCH, T, D)
    found = check_steady(layer, x, "MySelfAttention")
    q = GAIN * x
    products = q @ q.mT
    root = math.sqrt(D)
    right = (products / root).softmax(2) @ q
    if same(found, right):
        return
    hidden = torch.full((T, T), -torch.inf).triu(1)
    wrong = {
        "the softmax runs over the queries, it must run over the keys (the last axis)":
            (products / root).softmax(1) @ q,
        "the softmax runs over the batch, it must run over the keys (the last axis)":
            (products / root).softmax(0) @ q,
        f"the scores are divided by d = {D} where they need sqrt(d) = {root:g}":
            (products / D).softmax(2) @ q,
        f"the scores are not divided at all where they need sqrt(d) = {root:g}":
            products.softmax(2) @ q,
        f"the scores are multiplied by sqrt(d) = {root:g}, they must be divided by it":
            (products * root).softmax(2) @ q,
        "the scores are divided by the square root of the number of tokens, they need "
        "sqrt(d)": (products / math.sqrt(T)).softmax(2) @ q,
        "the softmax is missing: the weights of a token do not sum to one":
            (products / root) @ q,
        "a word does not see those after it: a mask has no place here":
            (products / root + hidden).softmax(2) @ q,
        "the input is added: the residual belongs to the block around the attention":
            right + x,
        "the weights are given twice to the keys: the values are not used":
            (products / root).softmax(2) @ x,
    }  # fmt: skip
    for text, other in wrong.items():
        if same(found, other):
            raise Blame(text)
    raise Blame(
        "with all maps equal to a multiple of the identity the output differs from "
        f"softmax(Q K' / sqrt d) V by {(found - right).abs().max():.2f}"
    )


def check_one_sample(layer: Any) -> None:
    """Blame attention that cannot read a sample (T, d) as it reads it in a batch."""
    x = torch.randn(BATCH, T, D)
    together = check_steady(layer, x, "MySelfAttention")
    for i in range(BATCH):
        alone = check_steady(layer, x[i], "MySelfAttention")
        if not same(alone, together[i]):
            raise Blame(
                f"a sample of shape ({T}, {D}) gives another answer alone than in a "
                "batch"
            )


def norm(solution: Solution, shape: tuple[int, int] = (T, D)) -> Any:
    layer = make(solution, "MyLayerNorm", shape)
    shapes = [tuple(p.shape) for p in layer.parameters()]
    if len(shapes) != 2:
        raise Blame(
            f"MyLayerNorm has {len(shapes)} parameters, it needs gamma and beta "
            "(nn.Parameter, so that they are trained)"
        )
    for found in shapes:
        if found != shape:
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
    ones[0].data.copy_(gamma)
    zeros[0].data.copy_(beta)
    if not same(check_steady(layer, x, "MyLayerNorm"), gamma * plain + beta):
        raise Blame("gamma must multiply the normalised sample and beta be added to it")
    layer(x).square().sum().backward()
    if any(p.grad is None for p in parameters):
        raise Blame("no gradient reaches gamma or beta: they are not trained")


def remark_on_loops(layer: Any, ours: Any, remark) -> None:
    """Say by how much a layer is slower than products of whole batches."""
    x = torch.randn(4, LONG, WIDE)
    factor = seconds(layer, x) / seconds(ours, x)
    if factor > SLOW:
        remark(f"forward is slow: it takes {factor:.0f} times our time")


def seconds(layer: Any, x: Tensor) -> float:
    found = []
    for _ in range(3):
        began = time.perf_counter()
        with torch.no_grad():
            layer(x)
        found.append(time.perf_counter() - began)
    return min(found)


def plain_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[1:], eps=EPS)
