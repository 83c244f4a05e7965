"""Loops in Python over the batch or the positions, seen by counting operations.

What works on whole tensors takes as many of torch's operations for seven samples as for
two. B batch, T tokens, d channels.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

D = 4
FEW = {"batch": 2, "positions": 5}
MANY = {"batch": 7, "positions": 9}
BATCH, LONG, WIDE = 16, 32, 16  # of the input that is timed
Make = Callable[[int, int], Any]  # a layer for T tokens of d channels


class Operations(TorchDispatchMode):
    """Counts torch's operations."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None) -> Any:
        self.count += 1
        return function(*arguments, **(keywords or {}))


@torch.no_grad()
def operations(make: Make, batch: int, positions: int) -> int:
    """How many operations a layer takes for an input (batch, positions, D)."""
    layer, x = make(positions, D), torch.randn(batch, positions, D)
    with Operations() as counted:
        layer(x)
    return counted.count


def loops(make: Make) -> list[str]:
    """Over what a layer loops in Python, each with the counts that show it."""
    few, found = operations(make, **FEW), []
    for axis, size in MANY.items():
        with contextlib.suppress(Exception):  # it may be made for one length only
            many = operations(make, **(FEW | {axis: size}))
            if many > few:
                counts = f"{few} operations for {FEW[axis]}, {many} for {size}"
                found.append(f"over the {axis} ({counts})")
    return found


def remark_on_loops(make: Make, ours: Callable, remark: Callable) -> None:
    """Say over what a layer loops, what that costs, and how to do without."""
    if found := loops(make):
        x = torch.randn(BATCH, LONG, WIDE)
        factor = seconds(make(LONG, WIDE), x) / seconds(ours, x)
        remark(
            f"forward loops in Python {' and '.join(found)}: it takes {factor:.0f} "
            "times our time; torch.bmm, or a dim= and broadcasting, does without"
        )


@torch.no_grad()
def seconds(layer: Callable, x: Tensor) -> float:
    """The shortest of three times, or of fewer where a second is over."""
    found: list[float] = []
    while len(found) < 3 and sum(found) < 1:
        began = time.perf_counter()
        layer(x)
        found.append(time.perf_counter() - began)
    return min(found)
