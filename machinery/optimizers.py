"""Optimizers that torch lacks, made of those that it has."""

from collections.abc import Iterable

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
            if p.data_ptr() != storage + start * p.element_size():
                raise RuntimeError(
                    "the model has moved since this FlatAdam was made: make it after "
                    "model.to(...)"
                )
            start += p.numel()
        self.vector.grad = torch.cat([p.grad.flatten() for p in self.parts])
        super().step()

    def zero_grad(self) -> None:
        for p in self.parts:
            p.grad = None
