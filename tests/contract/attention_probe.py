"""What a self-attention layer computes, whatever its weights are called.

Every matrix of the layer is filled with one number. Then queries, keys and values are
multiples of the sum s over the channels of a token, in any layout, and all heads are
alike. B batch, T time, C channels, H heads, D = C / H.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, build, tensor
from grading.loader import Solution

FILE = "transformer.py"
T = 8  # characters that are looked at; the layer is built for 10
BLOCK_SIZE = 10
UPSIDE_DOWN = (
    "position 3 changes when character 7 changes, and not with character 0: "
    "the mask is upside down"
)


def attention(solution: Solution, n_head: int, n_embd: int) -> Any:
    layer = build(
        solution.get(FILE, "CausalSelfAttention"),
        n_head=n_head,
        n_embd=n_embd,
        block_size=BLOCK_SIZE,
    )
    if not list(layer.parameters()):
        raise Blame(
            "CausalSelfAttention has no parameters: define its layers in __init__ "
            "(those in a Python list do not count, use nn.ModuleList)"
        )
    return layer.eval()


def fill(layer: Any, value: float) -> None:
    """Set all matrices to one number and all biases to zero."""
    for name, p in layer.named_parameters():
        if p.ndim > 1 or not name.endswith("weight"):
            p.data.fill_(value if p.ndim > 1 else 0.0)


def apply(layer: Any, x: Tensor) -> Tensor:
    y = layer(x)
    y = tensor(y[0] if isinstance(y, tuple) else y, f"{type(layer).__name__}.forward")
    if y.shape != x.shape:
        raise Blame(
            f"forward turns the shape {tuple(x.shape)} into {tuple(y.shape)}, "
            "it must keep it"
        )
    return y


def weights_of_equal_scores(layer: Any, C: int) -> Tensor:
    """The weights (T, T) of row i on column j, with all scores (nearly) equal."""
    fill(layer, 1e-3)  # scores of the order of 1e-6
    tokens = torch.eye(T)[:, :, None].expand(T, T, C) / C  # one token each, s = 1
    y = apply(layer, tokens).mean(2).T  # (j, i) -> (i, j)
    unit = apply(layer, torch.full((1, 1, C), 1 / C)).mean()
    if not unit.isfinite() or unit == 0:  # a position that may not see itself
        sums = y.sum(1)
        unit = sums[sums.isfinite()][-1:].sum()  # of the last that sees something
    return y / unit


def check_rows(rows: Tensor) -> None:
    """Blame weights of equal scores that are not 1 / (i + 1) up to the diagonal."""
    i, j = torch.meshgrid(torch.arange(T), torch.arange(T), indexing="ij")
    if ((rows > 0.02) == (j > i))[:-1].all():  # the last sees nothing, or is uniform
        raise Blame(UPSIDE_DOWN)
    finite = rows.isfinite().all(1)
    if not finite[1:].all():
        raise Blame(
            "the output is NaN: -inf must be added before the softmax, and never to "
            "a whole row"
        )
    sums = rows.sum(1)
    strict = torch.where(j < i, 1.0 / i, 0.0)
    if (rows - strict)[1:].abs().max() < 0.02:
        what = "is NaN" if not finite[0] else "looks at what follows"
        raise Blame(
            "position 3 does not see itself, only what is before it, and position 0 "
            f"{what}: the mask is off by one"
        )
    if (sums - 1).abs().max() > 0.02:
        if (rows.sum(0) - 1).abs().max() < 0.02:
            why = "the softmax runs over the queries, it must run over the keys"
        elif torch.allclose(sums, (torch.arange(T) + 1) / T, atol=0.02):
            why = "the mask is applied after the softmax, it belongs before it"
        else:
            why = "the softmax must come last"
        raise Blame(f"the weights of position 3 sum to {sums[3]:.2f}, not 1: {why}")
    check_leak(rows > 0.02, i, j)
    if (rows - torch.where(j <= i, 1 / (i + 1), 0.0)).abs().max() > 0.02:
        raise Blame(
            "with equal scores position 3 gives position 0 a weight of "
            f"{rows[3, 0]:.2f}, it should be 0.25"
        )


def check_leak(sees: Tensor, i: Tensor, j: Tensor) -> None:
    """Blame a mask by which positions depend on others, sees (T, T)."""
    if sees.all():
        raise Blame("position 3 changes when character 7 changes: there is no mask")
    if (sees == (j >= i)).all():
        raise Blame(UPSIDE_DOWN)
    if (sees == (j <= i + 1)).all():
        raise Blame(
            "position 3 changes when character 4 changes: the mask leaks one "
            "character ahead"
        )
    for wrong, text in (
        (
            sees & (j > i),
            "position {} changes when character {} changes: the mask leaks",
        ),
        (~sees & (j <= i), "position {} does not see character {}, which is no later"),
    ):
        if wrong.any():
            raise Blame(text.format(*wrong.nonzero()[-1].tolist()))


def influence(function: Any, x: Tensor, changed: Tensor) -> Tensor:
    """How much each output (T,) changes, relative to its size, for each input (T,).

    function: (T, T, ...) -> (T, T, V); row j of the batch has input j changed.
    """
    length = x.shape[1]
    batch = x.repeat(length, *[1] * (x.ndim - 1))
    for j in range(length):
        batch[j, j] = changed[0, j]
    before, after = function(x), function(batch)  # (1, T, V), (T, T, V)
    return (after - before).abs().amax(2).T / before.abs().max()  # (i, j)


STRENGTHS = (0.3, -0.3, 0.5)  # s of three tokens


def strength_of_scores(layer: Any, C: int, visible: int) -> float:
    """Solve for X, where the scores of the last of three tokens are X s s_j.

    X = D / divisor: q and k of a head are D equal numbers each.
    """
    fill(layer, 1.0)
    s = torch.tensor(STRENGTHS)
    tokens = torch.stack([s, torch.ones(3)])[:, :, None].expand(2, 3, C) / C
    probe, unit = apply(layer, tokens)[:, -1].mean(1).double().tolist()
    target, s = probe / unit, s.double()
    low, high = 0.0, 300.0
    for _ in range(60):
        middle = (low + high) / 2
        w = (middle * s[-1] * s[:visible]).softmax(0)
        low, high = (middle, high) if (w @ s[:visible]) < target else (low, middle)
    return low


def check_scaling(layer: Any, H: int, C: int) -> None:
    D = C // H
    measured = [strength_of_scores(layer, C, visible) for visible in (3, 2)]
    if any(abs(X / math.sqrt(D) - 1) < 0.03 for X in measured):
        return
    wanted = f"sqrt(C / H) = {math.sqrt(D):.2f}"
    reasons = {
        D / math.sqrt(C): f"divided by sqrt(C) = {math.sqrt(C):.2f}",
        D: "not divided at all",
        1.0: f"divided by C / H = {D}",
        D / C: f"divided by C = {C}",
        D * math.sqrt(D): f"multiplied by {math.sqrt(D):.2f}",
        D / math.sqrt(H): f"divided by sqrt(H) = {math.sqrt(H):.2f}",
        D / math.sqrt(3): "divided by the square root of the number of characters",
        D / math.sqrt(BLOCK_SIZE): "divided by sqrt(block_size)",
    }
    if any(abs(X / math.sqrt(C) - 1) < 0.03 for X in measured):
        raise Blame(f"n_head is ignored: one head of size {C} where {H} of {D} belong")
    for value, text in reasons.items():
        if any(abs(X / value - 1) < 0.03 for X in measured):
            raise Blame(
                f"with {H} heads the scores are {text} where they need {wanted}"
            )
    raise Blame(
        f"with {H} heads the scores are divided by {D / max(measured[0], 1e-9):.2f} "
        f"where they need {wanted}"
    )


def check_heads(layer: Any, C: int) -> None:
    """Blame heads that mix positions: the order of the past must not matter."""
    x = torch.randn(1, T, C)
    shuffled = x[:, [*range(T - 2, -1, -1), T - 1]]
    both = apply(layer, torch.cat([x, shuffled]))[:, -1]
    change = ((both[0] - both[1]).abs().max() / both[0].abs().max()).item()
    if not change < 1e-3:
        raise Blame(
            f"the last position changes by {change:.0%} when the characters before it "
            "swap places: heads are split or joined by a view without a transpose"
        )
    seen = influence(lambda z: apply(layer, z)[:, -1:], x, torch.randn(1, T, C))[0]
    if not (seen > 1e-6).all():
        missing = int((seen <= 1e-6).nonzero()[0])
        raise Blame(
            f"the last position does not change when character {missing} changes: a "
            "head sees only a part of the past"
        )
    other = apply(layer, torch.cat([x, torch.randn(1, T, C)]))[0, -1]
    if (other - both[0]).abs().max() > 1e-3 * both[0].abs().max():
        raise Blame("a sequence changes when another sequence joins the batch")


def check_mask(layer: Any, C: int) -> None:
    """Blame a layer of one head that sees what is to come, or not all that was.

    With one head, splitting and joining heads can do no harm here.
    """
    x, changed = torch.randn(1, T, C), torch.randn(1, T, C)
    seen = influence(lambda z: apply(layer, z), x, changed)
    check_rows(weights_of_equal_scores(layer, C))
    i, j = torch.meshgrid(torch.arange(T), torch.arange(T), indexing="ij")
    check_leak((seen > 1e-6) | (j <= i), i, j)


def check_one_and_three_heads(make: Callable, C: int, mask: str) -> None:
    """Blame the heads of make(3); what one head does wrong is the question mask's."""
    try:
        check_heads(make(1), C)
    except Blame:
        raise NotOffered(f"until {mask!r} passes") from None
    check_heads(make(3), C)


def check_gradients(y: Tensor, layer: Any, remark: Callable) -> None:
    """Blame an output that training cannot change."""
    if y.requires_grad:
        y.square().sum().backward()
    names = [name for name, p in layer.named_parameters() if p.grad is None]
    if len(names) == len(list(layer.parameters())):
        raise Blame(
            "no gradient reaches the layer: .data, .detach(), no_grad or a new tensor "
            "cuts it off"
        )
    if names:
        remark(f"the parameter {names[0]} takes no part in the output")
