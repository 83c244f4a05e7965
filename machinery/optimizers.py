"""Optimizers that torch lacks, and which parameters go to which."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class FlatAdam(torch.optim.Adam):
    """Adam over one vector that all the parameters become views of.

    The arithmetic of Adam (Kingma & Ba 2015) is element by element, so the weights are
    the same; for a small model with many tensors the bookkeeping of a step, done for
    each tensor, costs several times its arithmetic.
    A model that moves or is cast afterwards leaves the vector behind: step then raises
    RuntimeError.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self.parts = list(parameters)
        self.vector = nn.Parameter(
            torch.cat([p.detach().flatten() for p in self.parts])
        )
        sizes = [p.numel() for p in self.parts]
        for p, part in zip(self.parts, self.vector.detach().split(sizes), strict=True):
            p.data = part.view_as(p)
        super().__init__([self.vector], lr, fused=True)

    def step(self) -> None:
        """Take a step along the parts' gradients; each part must have one."""
        start, storage = 0, self.vector.data_ptr()
        for p in self.parts:
            here = p.data_ptr() == storage + start * p.element_size()
            if p.grad is None or not here:
                raise RuntimeError(
                    "a parameter has no gradient, or has moved since this FlatAdam was "
                    "made: make it after model.to(...)"
                )
            start += p.numel()
        self.vector.grad = torch.cat([p.grad.flatten() for p in self.parts])
        super().step()

    def zero_grad(self) -> None:
        for p in self.parts:
            p.grad = None


def split_for_muon(
    model: nn.Module, blocks: nn.Module
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return (the matrices of the blocks, all other parameters of the model).

    Muon (Jordan et al. 2024) makes every update of a hidden matrix orthogonal. That
    means nothing for biases and gains, and too much for embeddings and the head, of
    which a step sees few rows: those are for AdamW.
    """
    matrices = [p for p in blocks.parameters() if p.ndim == 2]
    taken = set(map(id, matrices))
    return matrices, [p for p in model.parameters() if id(p) not in taken]


class Together:
    """Several optimizers, or several schedulers, that step as one."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raise ValueError unless the state has as many parts, KeyError for none."""
        for part, found in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(found)
