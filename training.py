"""The one training loop: fit yields once per epoch and the driver reacts."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Batches = Callable[[torch.Generator], Iterable[Any]]


def fit(
    model: nn.Module,
    loss_function: Callable[[nn.Module, Any], Tensor],
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    epochs: Iterable[int],
    seed: int,
) -> Iterator[tuple[int, Tensor]]:
    """Train, yielding (epoch, losses (steps,)) after each epoch.

    batches(generator) gives one epoch's batches. An epoch depends on (seed, epoch) and
    the weights alone, so a run that stops after any epoch can be continued exactly.
    Raise FloatingPointError when the loss or a weight is no longer finite.
    """
    for epoch in epochs:
        generator = seed_epoch(seed, epoch)
        model.train()
        losses = []
        for batch in batches(generator):
            loss = loss_function(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        check_finite(model, losses, epoch)
        yield epoch, torch.stack(losses).cpu()


def check_finite(model: nn.Module, losses: list[Tensor], epoch: int) -> None:
    for step, loss in enumerate(torch.stack(losses).tolist(), 1):
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} at epoch {epoch}, step {step}; "
                "a smaller learning rate may help"
            )
    # the last step's update comes after the last loss
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise FloatingPointError(
                f"{name} is not finite after epoch {epoch}, step {len(losses)}; "
                "a smaller learning rate may help"
            )


def seed_epoch(seed: int, epoch: int) -> torch.Generator:
    """Seed torch's global generator (dropout) and return the one for the batches."""
    for_torch, for_batches = np.random.SeedSequence([seed, epoch]).generate_state(2)
    torch.manual_seed(int(for_torch))
    return torch.Generator().manual_seed(int(for_batches))


def derive_seed(numbers: list[int]) -> int:
    """Return one seed for a stream of its own, such as the samples of an epoch."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class FlatAdam(torch.optim.Adam):
    """Adam over one vector that all the parameters become views of.

    The arithmetic of Adam (Kingma & Ba 2015) is element by element, so the weights are
    the same; for a small model with many tensors the bookkeeping of a step, done for
    each tensor, costs several times its arithmetic.
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
        self.vector.grad = torch.cat([p.grad.flatten() for p in self.parts])
        super().step()

    def zero_grad(self) -> None:
        for p in self.parts:
            p.grad = None


def shuffled(data: Tensor, batch_size: int) -> Batches:
    """Batches that visit every row of data (N, ...) once, in a random order."""

    def draw(generator: torch.Generator) -> tuple[Tensor, ...]:
        order = torch.randperm(len(data), generator=generator)
        return data[order.to(data.device)].split(batch_size)

    return draw


@torch.no_grad()
def in_chunks(
    function: Callable[[Tensor], Tensor], data: Tensor, size: int = 8192
) -> Tensor:
    """Return function(data) computed in chunks: memory grows with the result alone.

    The default keeps a chunk's (N, K) intermediates within a processor's cache.
    """
    return torch.cat([function(chunk) for chunk in data.split(size)])


def pick_device(name: str) -> torch.device:
    """Return cpu, cuda or mps, or for auto the best there is; ValueError if absent."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name, False):
        there = ", ".join(device for device, there in available.items() if there)
        raise ValueError(f"--device {name} is not available; this machine has {there}")
    return torch.device(name)
