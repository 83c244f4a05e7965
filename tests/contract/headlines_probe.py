"""How the headline assignment's classes are built, and what its attention computes.

Attention is looked at from outside, whatever its weights are called.
B batch, T tokens, D embedding, H heads, each as wide as the embedding.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch

from grading.classes import Blame, NotOffered
from grading.loader import Solution
from tests.contract.attention_probe import strength_of_scores
from tests.contract.sentiment_probe import check_steady

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
