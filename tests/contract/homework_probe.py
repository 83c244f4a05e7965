"""What SelfAttention of the GPT homework computes, with c_attn's maps as it has them.

c_attn gives queries, keys and values side by side; whatever comes after the heads is
made the identity. Then the output is compared with the right formula and with those
that students have written instead.
B batch, L characters, C channels, H heads, D = C / H.
"""

import inspect
import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, build, known_config
from grading.loader import Solution
from tests.contract.sentiment_probe import check_steady, same

NAME = "SelfAttention"
BATCH, L, BLOCK_SIZE = 2, 6, 8
H, D = 3, 4
C = H * D
NAMES = ("q", "k", "v")
UPSIDE_DOWN = (
    "the mask hides what it should show: fill where torch.tril is 0, not where it is 1"
)
ITSELF = "the mask hides a position from itself: tril needs the diagonal 0"


def knows_c_attn(cls: Any) -> bool:
    """Whether a method speaks of self.c_attn; then it is the homework's class."""
    bases = cls.__mro__ if inspect.isclass(cls) else ()
    methods = (value for base in bases for value in vars(base).values())
    return any(
        "c_attn" in f.__code__.co_names for f in filter(inspect.isfunction, methods)
    )


def attention(solution: Solution) -> Any:
    """Build it with dropout, in evaluation; NotOffered for a class of other courses."""
    cls = solution.find(NAME)
    if not knows_c_attn(cls):
        raise NotOffered(f"{NAME} has no c_attn, so it is not the homework's")
    if not inspect.signature(cls).parameters:
        raise NotOffered(f"{NAME}'s sizes are fixed: give it config, and it is checked")
    with known_config():
        return build(
            cls,
            n_embd=C, n_head=H, block_size=BLOCK_SIZE, dropout=0.3, bias=True,
            n_layer=1, vocab_size=11, attn_pdrop=0.3, resid_pdrop=0.3, embd_pdrop=0.3,
        ).eval()  # fmt: skip


def check_shape(layer: Any) -> None:
    for length in (1, L, BLOCK_SIZE):
        x = torch.randn(BATCH, length, C)
        if same(check_steady(layer, x, NAME), x):
            raise Blame(f"{NAME} returns its input: nothing is filled in")


def fill(layer: Any) -> None:
    """Draw c_attn; make what follows the heads the identity."""
    for name, p in layer.named_parameters():
        if name.startswith("c_attn"):
            torch.nn.init.normal_(p, std=1.5 / math.sqrt(C))
        elif p.requires_grad and p.ndim < 2:
            p.data.zero_()
        elif p.requires_grad and p.shape == (C, C):
            p.data.copy_(torch.eye(C))
        elif p.requires_grad:
            raise NotOffered(f"the parameter {name} {tuple(p.shape)} is unknown")


def split(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], H, D).transpose(1, 2)  # (B, H, L, D)


def join(y: Tensor) -> Tensor:
    return y.transpose(1, 2).reshape(len(y), -1, C)


def split_by_view(x: Tensor) -> Tensor:
    return x.reshape(len(x), H, -1, D)


def join_by_view(y: Tensor) -> Tensor:
    return y.reshape(len(y), -1, C)


def hidden(diagonal: int) -> Tensor:
    """Where row i may not look: at column i + diagonal and after it."""
    return torch.ones(L, L, dtype=torch.bool).triu(diagonal)


def attend(
    q: Tensor, k: Tensor, v: Tensor, *, divisor: float = math.sqrt(D), axis: int = 3,
    mask: Tensor | None = None, cut: Callable = split, glue: Callable = join,
    after: bool = False, fill: float = -torch.inf,
) -> Tensor:  # fmt: skip
    """Return the formula (B, L, C), or one with the mistakes that are asked for."""
    q, k, v = cut(q), cut(k), cut(v)
    mask = hidden(1) if mask is None else mask
    scores = q @ k.mT / divisor  # (B, H, L, L)
    if after:
        return glue(scores.softmax(axis).masked_fill(mask, 0.0) @ v)
    return glue(scores.masked_fill(mask, fill).softmax(axis) @ v)


def one_head(q: Tensor, k: Tensor, v: Tensor, divisor: float) -> Tensor:
    scores = (q @ k.mT / divisor).masked_fill(hidden(1), -torch.inf)
    return scores.softmax(2) @ v


def wrong_masks(qkv: tuple[Tensor, ...]) -> dict[str, Tensor]:
    upper = hidden(1)
    return {
        "there is no mask: a position sees what follows it":
            attend(*qkv, mask=torch.zeros_like(upper)),
        "the mask is the wrong triangle: a position sees itself and what follows, it "
        "must see itself and what comes before (torch.tril)":
            attend(*qkv, mask=upper.mT),
        UPSIDE_DOWN: attend(*qkv, mask=~upper),
        "the mask leaks one character ahead: tril needs the diagonal 0":
            attend(*qkv, mask=hidden(2)),
        ITSELF: attend(*qkv, mask=hidden(0)),
        "the mask is applied after the softmax, it belongs before it":
            attend(*qkv, after=True),
        "hidden scores are set to 0: they need -inf (softmax of 0 is not 0)":
            attend(*qkv, fill=0.0),
    }  # fmt: skip


def wrong_finite_masks(qkv: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Those that hide a whole row: there -1e9 gives equal weights, and -inf NaN."""
    return {
        UPSIDE_DOWN: attend(*qkv, mask=~hidden(1), fill=-1e9),
        ITSELF: attend(*qkv, mask=hidden(0), fill=-1e9),
    }


def wrong_scales(qkv: tuple[Tensor, ...]) -> dict[str, Tensor]:
    needed = f"where they need sqrt(C / H) = {math.sqrt(D):g}"
    divisors = {
        f"divided by sqrt(C) = {math.sqrt(C):.2f}": math.sqrt(C),
        "not divided at all": 1.0,
        f"divided by C / H = {D}": D,
        f"divided by C = {C}": C,
        f"divided by sqrt(H) = {math.sqrt(H):.2f}": math.sqrt(H),
        "divided by the square root of the number of characters": math.sqrt(L),
        f"multiplied by {math.sqrt(D):g}": 1 / math.sqrt(D),
    }
    found = {
        f"the scores are {what} {needed}": attend(*qkv, divisor=by)
        for what, by in divisors.items()
    }
    ignored = f"n_head is ignored: one head of size {C} where {H} of {D} belong"
    found[ignored] = one_head(*qkv, math.sqrt(C))
    found[f"{ignored}, divided by sqrt(C / H)"] = one_head(*qkv, math.sqrt(D))
    return found


def wrong_axes(qkv: tuple[Tensor, ...]) -> dict[str, Tensor]:
    keys = "it must run over the keys (the last axis)"
    return {
        f"the softmax runs over the queries, {keys}": attend(*qkv, axis=2),
        f"the softmax runs over the heads, {keys}": attend(*qkv, axis=1),
        f"the softmax runs over the batch, {keys}": attend(*qkv, axis=0),
        "the weights are given to the keys: the values are not used":
            attend(qkv[0], qkv[1], qkv[1]),
        "heads are split by a view without a transpose, which mixes positions":
            attend(*qkv, cut=split_by_view),
        "heads are joined by a view without a transpose, which mixes positions":
            attend(*qkv, glue=join_by_view),
        "heads are split and joined by a view without a transpose, which mixes "
        "positions": attend(*qkv, cut=split_by_view, glue=join_by_view),
    }  # fmt: skip


def readings(y: Tensor) -> list[tuple[str, tuple[Tensor, ...]]]:
    """Split c_attn's output (B, L, 3 C) as the homework does, and head by head."""
    per_head = y.view(*y.shape[:2], H, 3, D).unbind(3)
    apart = "c_attn is split per head, the homework has q, k, v side by side"
    return [("", y.split(C, dim=2)), (apart, tuple(z.flatten(2) for z in per_head))]


def check_formula(layer: Any, remark: Callable) -> None:
    """Blame attention that is no softmax(Q K' / sqrt(C / H) + mask) V of H heads."""
    fill(layer)
    x = torch.randn(BATCH, L, C)
    found = check_steady(layer, x, NAME)
    read = readings(layer.c_attn(x).detach())
    for text, parts in read:
        for order in permutations(range(3)):
            if same(found, attend(*(parts[i] for i in order))):
                return remark(text) if text else remark_on_order(order, remark)
    for _, parts in read:
        for wrong in (wrong_masks, wrong_finite_masks, wrong_scales, wrong_axes):
            for text, other in wrong(parts).items():
                if same(found, other):
                    raise Blame(text)
    difference = (found - attend(*read[0][1])).abs().max()
    raise Blame(
        f"the output differs from softmax(Q K' / sqrt(C / H) + mask) V by "
        f"{difference:.2f}"
    )


def remark_on_order(order: tuple[int, ...], remark: Callable) -> None:
    """Say so where c_attn's output is read in another order; what it learns is alike.

    order holds the places of the queries, the keys and the values.
    """
    if order != (0, 1, 2):
        read = ", ".join(NAMES[order.index(place)] for place in range(3))
        remark(f"c_attn's output is read as {read}, the homework says q, k, v")
