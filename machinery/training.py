"""The training loop, its batches and seeds, and evaluation in chunks."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from machinery.errors import Diverged
from machinery.optimizers import Together

Batches = Callable[[torch.Generator], Iterable[Any]]


def fit(
    model: nn.Module,
    loss_function: Callable[[nn.Module, Any], Tensor],
    batches: Batches,
    optimizer: torch.optim.Optimizer | Together,
    epochs: Iterable[int],
    seed: int,
    scheduler: torch.optim.lr_scheduler.LRScheduler | Together | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Train, yielding (epoch, losses (steps,)) after each epoch.

    batches(generator) gives one epoch's batches; the scheduler steps after each. An
    epoch depends on (seed, epoch) and what the epochs before left, so a run that stops
    after any epoch can be continued exactly.
    Raise Diverged when the loss or a weight is no longer finite.
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
            if scheduler:
                scheduler.step()
            losses.append(loss.detach())
        check_finite(model, losses, epoch)
        yield epoch, torch.stack(losses).cpu()


def check_finite(model: nn.Module, losses: list[Tensor], epoch: int) -> None:
    for step, loss in enumerate(torch.stack(losses).tolist(), 1):
        if not math.isfinite(loss):
            raise Diverged(
                f"the loss became {loss} at epoch {epoch}, step {step}; "
                "a smaller learning rate may help"
            )
    # the last step's update comes after the last loss
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise Diverged(
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


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Return how many batches visit every row once; the last may be smaller."""
    return math.ceil(n_rows / batch_size)


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
