"""What attention and the block of the headline assignment compute.

Attention is looked at from outside, whatever its weights are called; the block is
compared with formulas put together from its own attention, norms and MLP.
B batch, T tokens, D embedding, H heads, each as wide as the embedding.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from grading.classes import Blame, NotOffered
from grading.loader import Solution
from tests.contract.attention_probe import influence, strength_of_scores
from tests.contract.sentiment_probe import check_steady, same

ATTENTION, BLOCK = "MultiHeadSelfAttention", "TransformerBlock"
FILE = f"{ATTENTION} or {BLOCK}"
SIZES = {"num_emb": 12, "num_neurons": 2, "num_heads": 3}
NEAR = 0.03


def make(solution: Solution, name: str, **sizes: int) -> Any:
    """Build a class by the assignment's names, in evaluation.

    NotOffered for a class of that name that belongs to another course.
    """
    cls, sizes = solution.find(name), SIZES | sizes
    parameters = inspect.signature(cls).parameters
    if "num_emb" not in parameters:
        raise NotOffered(f"{name} takes no num_emb, so it is not the headlines'")
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind not in (2, 4) and p.name not in sizes
    ]
    if missing:
        raise NotOffered(f"{name} needs {', '.join(missing)}, which has no default")
    given = {key: value for key, value in sizes.items() if key in parameters}
    layer = cls(**given).eval()
    if not list(layer.parameters()):
        raise Blame(f"{name} has no parameters: define its layers in __init__")
    if "causal" in inspect.signature(layer.forward).parameters:
        layer.forward = functools.partial(layer.forward, causal=True)
    return layer


def attention(solution: Solution, num_heads: int, num_emb: int) -> Any:
    return make(solution, ATTENTION, num_heads=num_heads, num_emb=num_emb)


def check_shape(layer: Any, name: str) -> None:
    for length in (1, 7):
        check_steady(layer, torch.randn(2, length, SIZES["num_emb"]), name)


def check_scaling(layer: Any, H: int, D: int, remark: Callable) -> None:
    """Blame scores that are not divided by sqrt(D)."""
    X = strength_of_scores(layer, D, visible=3)
    matrices = sum(p.numel() for p in layer.parameters() if p.ndim > 1)
    if H > 1 and matrices < 4.5 * D * D:  # 4 H D^2 where each head is as wide as D
        width = D // H
        if abs(X / math.sqrt(width) - 1) < NEAR:
            remark(f"heads are {width} wide, the course's are as wide as num_emb = {D}")
            return
        raise Blame(
            f"heads are {width} wide and their scores are divided by {width / X:.2f}, "
            f"it should be {math.sqrt(width):.2f}"
        )
    if abs(X / math.sqrt(D) - 1) < NEAR:
        return
    wanted = f"where they need sqrt(num_emb) = {math.sqrt(D):.2f}"
    reasons = {
        D: "not divided at all",
        1.0: f"divided by num_emb = {D}",
        D / D**0.25: "divided by num_emb^(1/4), once: both k and q need it",
        D / math.sqrt(D / H): f"divided by sqrt(D / H) = {math.sqrt(D / H):.2f}",
        D / math.sqrt(D * H): f"divided by sqrt(D H) = {math.sqrt(D * H):.2f}",
        D / math.sqrt(H): f"divided by sqrt(num_heads) = {math.sqrt(H):.2f}",
        D / math.sqrt(3): "divided by the square root of the number of tokens",
        D * math.sqrt(D): f"multiplied by {math.sqrt(D):.2f}",
    }
    for value, text in reasons.items():
        if abs(X / value - 1) < NEAR:
            raise Blame(f"the scores are {text} {wanted}")
    raise Blame(f"the scores are divided by {D / max(X, 1e-9):.2f} {wanted}")


def parts(block: Any) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """The attention, both norms and the MLP; NotOffered for another make-up."""
    found: dict[str, list[nn.Module]] = {"attention": [], "norm": [], "mlp": []}
    for name, child in block.named_children():
        kind = f"{name} {type(child).__name__}".lower()
        if not list(child.parameters()):  # dropout, an activation
            continue
        if "norm" in kind:
            found["norm"].append(child)
        else:
            is_attention = "att" in kind or "sha" in kind
            found["attention" if is_attention else "mlp"].append(child)
    if [len(group) for group in found.values()] != [1, 2, 1]:
        raise NotOffered("the block is not made of one attention, two norms and an MLP")
    (att,), (n1, n2), (mlp,) = found.values()
    if isinstance(att, nn.MultiheadAttention):
        raise NotOffered("the block's attention is PyTorch's")
    for p in (*n1.parameters(), *n2.parameters()):  # so that the two differ
        p.data.add_(0.3 * torch.randn_like(p))
    return att, n1, n2, mlp


def formulas(block: Any, x: Tensor) -> list[tuple[str, Tensor]]:
    """Return what the block should compute, and what others do, by what is wrong."""
    att, n1, n2, mlp = parts(block)
    flag = "causal" in inspect.signature(att.forward).parameters
    a = att(x, causal=True) if flag else att(x)
    before = att(n1(x), causal=True) if flag else att(n1(x))
    h, p = n1(a + x), x + before
    first, second = "around the attention", "around the MLP"
    missing = "the residual {} is missing: add what goes in to what comes out"
    found = [
        ("", n2(mlp(h) + h)),
        ("pre", p + mlp(n2(p))),
        (missing.format(first), n2(mlp(n1(a)) + n1(a))),
        (missing.format(first), before + mlp(n2(before))),
        (missing.format(second), n2(mlp(h))),
        (missing.format(second), mlp(n2(p))),
        ("both residuals are missing", n2(mlp(n1(a)))),
        ("there is no norm after the attention", n2(mlp(a + x) + a + x)),
        ("there is no norm after the MLP", mlp(h) + h),
        ("there are no norms", mlp(a + x) + a + x),
        ("the first norm is used twice, the second never", n1(mlp(h) + h)),
        ("the MLP reads the block's input instead of what the attention made",
         n2(mlp(x) + h)),
        ("the block's input is added after the MLP, not the MLP's", n2(mlp(h) + x)),
        ("the attention's output is added after the MLP without its residual and norm",
         n2(mlp(h) + a)),
        ("the MLP is left out", h),
        ("the attention is left out", n2(mlp(n1(x)) + n1(x))),
    ]  # fmt: skip
    inside = "the norm is taken before the residual is added, it belongs after the sum"
    b = x + n1(a)
    found += [
        (inside, b + n2(mlp(b))),
        (inside, n2(mlp(b) + b)),
        (inside, h + n2(mlp(h))),
    ]
    if flag:
        free = n1(att(x, causal=False) + x)
        found.append(
            ("the block calls its attention without the mask", n2(mlp(free) + free))
        )
    return found


def check_leaks(block: Any) -> None:
    """Blame a block whose tokens see those that follow."""
    x, changed = torch.randn(2, 1, 7, SIZES["num_emb"]).unbind(0)
    leaks = (influence(block, x, changed) > 1e-5).triu(1).nonzero().tolist()
    if leaks:
        i, j = max(leaks, key=lambda leak: leak[1] - leak[0])
        raise Blame(f"position {i} changes when token {j} changes: the block leaks")


@torch.no_grad()
def check_block(block: Any, remark: Callable) -> None:
    """Blame a block without residuals, or with norms that are not in their places."""
    x = 2 * torch.randn(2, 7, SIZES["num_emb"])
    others = formulas(block, x)
    found = check_steady(block, x, BLOCK)
    for text, other in others:
        if same(found, other):
            if text == "pre":
                remark(
                    "norms come before attention and MLP, the course's after the sums"
                )
            elif text:
                raise Blame(text)
            return
    raise Blame(
        "with the block's own attention, norms and MLP the output differs from "
        f"norm(MLP(h) + h), h = norm(attention(x) + x), by "
        f"{(found - others[0][1]).abs().max():.2f}"
    )
