"""What self-attention of models.py computes, whatever its maps are called.

Every map of the attention is filled with a multiple of the identity, in any layout;
then queries, keys and values are that multiple of the input, and what the layer gives
is compared with the right formula and with those that students have written instead.
B batch, T tokens, d channels.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, tensor
from grading.loader import Solution

FILE = "models.py"
T, D, BATCH = 6, 4, 3
GAIN = 1.3  # of each map
NEAR = 1e-4


def make(solution: Solution, name: str, size: int | tuple[int, int]) -> Any:
    """Build a class, in evaluation, from one size or from (max_len, input_dim)."""
    try:
        cls = solution.get(FILE, name)
    except Blame as blame:
        if str(blame) != f"{FILE} has no {name}":
            raise
        raise NotOffered(f"no class {name} in {FILE}") from None
    parameters = inspect.signature(cls).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind < 2]
    try:
        layer = cls(*size) if len(required) == 2 else cls(size)
    except TypeError as error:
        if isinstance(size, int):
            raise
        raise Blame(
            f"{name} is called as {name}((max_len, input_dim)), with one pair; with "
            f"{size} {solution.describe(error)}"
        ) from None
    set_constants_aside(layer)
    return layer.eval()


def set_constants_aside(layer: Any) -> None:
    """Make buffers of the parameters that are not trained: no check fills those."""
    for module in layer.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            if not p.requires_grad:
                delattr(module, name)
                module.register_buffer(name, p.data)


def attention(solution: Solution, d: int = D) -> Any:
    return make(solution, "MySelfAttention", d)


def maps(layer: Any, d: int) -> list[tuple[str, Tensor]]:
    """The trained maps of d x d by name; of maps side by side, each of them."""
    found = []
    for name, p in layer.named_parameters():
        if p.ndim < 2:
            continue
        if p.shape[-1] == d and p.shape[-2] % d == 0:
            parts = p.data.view(-1, d).split(d)
        elif p.shape[-2] == d and p.shape[-1] % d == 0:
            parts = p.data.split(d, -1)
        else:
            raise NotOffered(f"the parameter {name} {tuple(p.shape)} is no map of {d}")
        found += [(name, part) for part in parts]
    return found


def fill_with_identities(layer: Any, d: int) -> None:
    """Make each map GAIN times the identity; Blame where there are not three."""
    for p in layer.parameters():
        if p.ndim < 2:
            p.data.zero_()
    found = maps(layer, d)
    for _, part in found:
        part.copy_(GAIN * torch.eye(d))
    if len(found) < 3:
        raise Blame(
            f"MySelfAttention has {len(found)} maps of d x d that are trained, it "
            "needs three, for queries, keys and values: a map must be nn.Linear or "
            "nn.Parameter, and a list of them nn.ModuleList or nn.ParameterList"
        )


def same(a: Tensor, b: Tensor) -> bool:
    near = {"atol": NEAR, "rtol": NEAR, "equal_nan": True}
    return a.shape == b.shape and torch.allclose(a, b, **near)


def check_steady(layer: Any, x: Tensor, name: str) -> Tensor:
    """Return what a layer gives in evaluation; Blame where it is drawn at random."""
    with torch.no_grad():
        values = [layer(x) for _ in range(2)]
        if isinstance(values[0], tuple):
            raise Blame(
                f"{name} returns {len(values[0])} things, it must return the output "
                "alone"
            )
        first, second = (tensor(value, f"{name}.forward") for value in values)
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
        return check_every_map_is_used(layer, x, found)
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
        f"the weights are divided by sqrt(d) = {root:g} after the softmax, the scores "
        "must be divided before it": products.softmax(2) / root @ q,
    }  # fmt: skip
    if len(maps(layer, D)) > 3:
        wrong["the output goes through one more map: the assignment has no output "
              "projection"] = GAIN * right  # fmt: skip
    for text, other in wrong.items():
        if same(found, other):
            raise Blame(text)
    raise Blame(
        "with all maps equal to a multiple of the identity the output differs from "
        f"softmax(Q K' / sqrt d) V by {(found - right).abs().max():.2f}"
    )


def check_every_map_is_used(layer: Any, x: Tensor, found: Tensor) -> None:
    """Blame queries, keys or values that are made by another's map."""
    silent, all_maps = [], maps(layer, D)
    for name, part in all_maps:
        part.zero_()
        if same(check_steady(layer, x, "MySelfAttention"), found):
            silent.append(name)
        part.copy_(GAIN * torch.eye(D))
    if silent and len(all_maps) - len(silent) < 3:
        several = [name for name, _ in all_maps].count(silent[0]) > 1
        which = f"a part of {silent[0]}" if several else silent[0]
        raise Blame(
            f"{which} takes no part in the output: queries, keys or values are made by "
            "the map of another"
        )


def check_one_sample(layer: Any, remark: Callable) -> None:
    """Blame attention whose answer to a sample depends on the others of its batch."""
    x = torch.randn(BATCH, T, D)
    together = check_steady(layer, x, "MySelfAttention")
    for i in range(BATCH):
        if not same(
            check_steady(layer, x[i : i + 1], "MySelfAttention")[0], together[i]
        ):
            raise Blame("a sample gives another answer alone than in a batch")
    try:
        alone = check_steady(layer, x[0], "MySelfAttention")
    except Exception:  # the assignment speaks of batches
        alone = x
    if not same(alone, together[0]):
        remark(
            f"it reads batches (B, T, d) alone: a sample of shape ({T}, {D}) raises an "
            "error or gets another answer"
        )
