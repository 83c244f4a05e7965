"""What the block of the headline assignment computes with its own parts.

Its output is compared with formulas put together from its own attention, norms and MLP:
with the two right ones, norms after the sums or before what is added to them, and with
those that students have written instead.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from grading.classes import Blame, NotOffered
from tests.contract.attention_probe import influence
from tests.contract.headlines_probe import ATTENTION, BLOCK, SIZES
from tests.contract.sentiment_probe import check_steady, same

D = SIZES["num_emb"]
BEFORE = "norms come before attention and MLP, the course's after the sums"
MISSING = "the residual around the {} is missing: add what goes in to what comes out"
TWICE = "the first norm is used twice, the second never"
NORMED = "the residual adds what the norm gives: add what goes into the norm"
INSIDE = "the norm is taken before the residual is added, it belongs after the sum"
MIXED = "one norm comes before what is added, the other after the sum: put both alike"
MLP_READS_INPUT = "the MLP reads the block's input instead of what the attention made"
INPUT_TWICE = "the block's input is added after the MLP, not the MLP's"
UNMASKED = "the block calls its attention without the mask"
LN = re.compile(r"(^|_)ln(\d|_|$)")


@dataclass
class Parts:
    """What a block is made of; the attention as it is, with the mask and without."""

    attention: nn.Module
    n1: nn.Module
    n2: nn.Module
    mlp: Callable

    @property
    def has_flag(self) -> bool:
        return "causal" in inspect.signature(self.attention.forward).parameters

    def att(self, x: Tensor, causal: bool = True) -> Tensor:
        return self.attention(x, causal=causal) if self.has_flag else self.attention(x)


def is_norm(name: str, child: nn.Module) -> bool:
    shapes = [tuple(p.shape) for p in child.parameters()]
    by_name = "norm" in f"{name} {type(child).__name__}".lower() or LN.search(name)
    return bool(by_name) or shapes == [(D,), (D,)]


def parts(block: Any) -> Parts:
    """Find the attention, both norms and the MLP; NotOffered for another make-up."""
    children = [(n, c) for n, c in block.named_children() if list(c.parameters())]
    classes = (ATTENTION, nn.MultiheadAttention.__name__)
    attentions = [c for _, c in children if type(c).__name__ in classes]
    norms = [c for n, c in children if c not in attentions and is_norm(n, c)]
    if not attentions:  # of another class, called so
        for name, child in children:
            kind = f"{name} {type(child).__name__}".lower()
            if child not in norms and ("att" in kind or "sha" in kind):
                attentions.append(child)
    rest = [c for _, c in children if c not in attentions and c not in norms]
    if (len(attentions), len(norms)) != (1, 2) or not rest:
        raise NotOffered("the block is not made of one attention, two norms and an MLP")
    if isinstance(attentions[0], nn.MultiheadAttention):
        raise NotOffered("the block's attention is PyTorch's")
    for norm in norms:
        prepare(norm)
    return Parts(attentions[0], *norms, rest[0] if len(rest) == 1 else silenced(rest))


def prepare(norm: nn.Module) -> None:
    """Make a norm differ from the other one; Blame those of batches."""
    if isinstance(norm, nn.modules.batchnorm._BatchNorm):
        raise Blame(
            f"{type(norm).__name__} takes mean and variance over the batch and the "
            "tokens, they must be each token's own: nn.LayerNorm"
        )
    for p in norm.parameters():
        p.data.add_(0.3 * torch.randn_like(p))


def silenced(layers: list[nn.Module]) -> Callable:
    """Make an MLP of layers in the block itself give 0: how they follow is unknown."""
    for layer in layers:
        for p in layer.parameters():
            p.data.zero_()
    return torch.zeros_like


def after(att: Callable, n1: Callable, n2: Callable, mlp: Callable, x: Tensor):
    """The course's block."""
    h = n1(att(x) + x)
    return n2(mlp(h) + h)


def before(att: Callable, n1: Callable, n2: Callable, mlp: Callable, x: Tensor):
    """The block with the norms before."""
    p = x + att(n1(x))
    return p + mlp(n2(p))


def right(parts: Parts, x: Tensor) -> list[tuple[str, Tensor]]:
    """Return what the block may compute, by what is to be remarked."""
    att, n1, n2, mlp = parts.att, parts.n1, parts.n2, parts.mlp
    return [
        ("", after(att, n1, n2, mlp, x)),
        ("", after(att, n2, n1, mlp, x)),
        (BEFORE, before(att, n1, n2, mlp, x)),
        (BEFORE, before(att, n2, n1, mlp, x)),
    ]


def wrong_after(parts: Parts, x: Tensor) -> list[tuple[str, Tensor]]:
    """Return what blocks with norms after the sums compute, by what is wrong."""
    att, n1, n2, mlp = parts.att, parts.n1, parts.n2, parts.mlp
    a = att(x)
    h, b = n1(a + x), x + n1(a)
    free = n1(parts.att(x, causal=False) + x)
    return [
        (MISSING.format("attention"), n2(mlp(n1(a)) + n1(a))),
        (MISSING.format("MLP"), n2(mlp(h))),
        ("both residuals are missing", n2(mlp(n1(a)))),
        ("there is no norm after the attention", n2(mlp(a + x) + a + x)),
        ("there is no norm after the MLP", mlp(h) + h),
        ("there are no norms", mlp(a + x) + a + x),
        (TWICE, n1(mlp(h) + h)),
        (MLP_READS_INPUT, n2(mlp(x) + h)),
        (INPUT_TWICE, n2(mlp(h) + x)),
        ("the attention's output is added after the MLP without its residual and norm",
         n2(mlp(h) + a)),
        ("the MLP is left out", h),
        ("the attention is left out", n2(mlp(n1(x)) + n1(x))),
        (INSIDE, b + n2(mlp(b))),
        (INSIDE, n2(mlp(b) + b)),
        (INSIDE, h + n2(mlp(h))),
        (UNMASKED, n2(mlp(free) + free)),
    ]  # fmt: skip


def wrong_before(parts: Parts, x: Tensor) -> list[tuple[str, Tensor]]:
    """Return what blocks with norms before compute, by what is wrong."""
    att, n1, n2, mlp = parts.att, parts.n1, parts.n2, parts.mlp
    a, normed = att(n1(x)), n1(x)
    p, q, u = x + a, x + att(x), normed + a
    h = n1(att(x) + x)
    free = x + parts.att(n1(x), causal=False)
    return [
        (MISSING.format("attention"), a + mlp(n2(a))),
        (MISSING.format("MLP"), mlp(n2(p))),
        ("both residuals are missing", mlp(n2(a))),
        ("there is no norm before the attention", q + mlp(n2(q))),
        ("there is no norm before the MLP", p + mlp(p)),
        (TWICE, p + mlp(n1(p))),
        (NORMED, u + mlp(n2(u))),
        (NORMED, n2(u) + mlp(n2(u))),
        (NORMED, n2(p) + mlp(n2(p))),
        (MIXED, n2(mlp(p) + p)),
        (MIXED, h + mlp(n2(h))),
        (MLP_READS_INPUT, p + mlp(n2(x))),
        (INPUT_TWICE, x + mlp(n2(p))),
        ("the MLP is left out", p),
        ("the attention is left out", x + mlp(n2(x))),
        (UNMASKED, free + mlp(n2(free))),
        ("there are neither residuals nor norms", mlp(att(x))),
    ]


@torch.no_grad()
def check_block(block: Any, remark: Callable) -> None:
    """Blame a block without residuals, or with norms that are not in their places."""
    x = 2 * torch.randn(2, 7, D)
    own = parts(block)
    found = check_steady(block, x, BLOCK)
    for text, other in right(own, x):
        if same(found, other):
            return remark(text) if text else None
    for text, other in wrong_after(own, x) + wrong_before(own, x):
        if same(found, other):
            raise Blame(text)
    raise Blame(
        "with the block's own attention, norms and MLP the output is neither "
        "norm(MLP(h) + h), h = norm(attention(x) + x), nor p + MLP(norm(p)), "
        "p = x + attention(norm(x))"
    )


def check_leaks(block: Any) -> None:
    """Blame a block whose tokens see those that follow."""
    x, changed = torch.randn(2, 1, 7, D).unbind(0)
    leaks = (influence(block, x, changed) > 1e-5).triu(1).nonzero().tolist()
    if leaks:
        i, j = max(leaks, key=lambda leak: leak[1] - leak[0])
        raise Blame(f"position {i} changes when token {j} changes: the block leaks")
