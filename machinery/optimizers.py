"""Optimizers that torch lacks, and which parameters go to which."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


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


class StackedMuon(torch.optim.Muon):
    """torch's Muon, with the matrices of one shape made orthogonal together.

    The arithmetic is the same; where a model has many small matrices, the overhead of
    thousands of small products is most of a step.
    """

    @torch.no_grad()
    def step(self) -> None:
        """Take a step along the gradients; each matrix must have one."""
        for group in self.param_groups:
            stacks: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                stacks.setdefault(p.shape, []).append(p)
            for (rows, columns), stack in stacks.items():
                updates = orthogonal(self.directions(stack, group), group).to(stack[0])
                rate = group["lr"] * math.sqrt(max(1, rows / columns))
                torch._foreach_mul_(stack, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(stack, list(updates), alpha=-rate)

    def directions(self, stack: list[nn.Parameter], group: dict) -> Tensor:
        """Return the gradients with momentum (Nesterov's), (N, rows, columns)."""
        gradients = [p.grad for p in stack]
        for p in stack:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in stack]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        return torch.stack(gradients).lerp(torch.stack(buffers), group["momentum"])


def orthogonal(matrices: Tensor, group: dict) -> Tensor:
    """Return matrices (N, rows, columns) with singular values near one.

    Newton-Schulz steps as in Jordan et al. 2024, with the coefficients of Muon's group.
    Each multiplies x by a polynomial of its Gram matrix, and all of these commute: so
    the steps are taken on Gram matrices, as small as the shorter side, and x itself is
    multiplied twice in all.
    """
    a, b, c = group["ns_coefficients"]
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    gram = x @ x.mT
    square = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]  # of x's norm
    norm = square.sqrt().clamp(min=group["eps"])
    gram = gram / norm**2
    eye = torch.eye(gram.shape[1], dtype=x.dtype, device=x.device)
    product = eye
    for _ in range(group["ns_steps"]):
        step = torch.baddbmm(a * eye + b * gram, gram, gram, alpha=c)
        product = step @ product
        gram = step @ gram @ step
    x = (product / norm) @ x
    return x.mT if tall else x


def muon_and_adamw(
    model: nn.Module, blocks: nn.Module, steps: int, *,
    muon_lr: float, muon_weight_decay: float, adamw_lr: float, warm_up: float,
) -> tuple["Together", "Together"]:  # fmt: skip
    """Return Muon for the blocks' matrices with AdamW for the rest, and a scheduler.

    It takes the rates up along a line during warm_up, a share of the steps, and then
    down on a line that reaches zero.
    """
    matrices, others = split_for_muon(model, blocks)
    parts = (
        StackedMuon(matrices, muon_lr, muon_weight_decay),
        torch.optim.AdamW(others, adamw_lr, (0.9, 0.99), weight_decay=0.0, fused=True),
    )

    def scale(step: int) -> float:
        return min((step + 1) / (warm_up * steps), 1 - step / steps)

    schedulers = (torch.optim.lr_scheduler.LambdaLR(part, scale) for part in parts)
    return Together(*parts), Together(*schedulers)


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
