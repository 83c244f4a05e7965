"""The processes that torchrun starts: they meet, average, and leave together."""

import contextlib
import importlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor
from torch import distributed as dist

from machinery.errors import MachineError


def n_processes() -> int:
    """Return how many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1))


def init_distributed(device: torch.device) -> torch.device:
    """Meet the other processes; return the device of this one."""
    # The functions of this module have the group as their default. Imported after the
    # group was made, which the first optimizer does, they keep it for ever: its
    # threads then outlive the interpreter's locks, and abort the process at its end.
    importlib.import_module("torch.distributed.nn.functional")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


@contextlib.contextmanager
def others_needed() -> Iterator[None]:
    """Raise MachineError, one line, where another process does not answer."""
    try:
        yield
    except RuntimeError as error:
        who = f"process {dist.get_rank()} of {dist.get_world_size()}"
        raise MachineError(f"{who}: another one ended or is silent") from error


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[tuple[int, torch.device]]:
    """Yield (rank, device); end in every process after the last one's work.

    Raise MachineError when another process has ended before its work was done. An
    error here leaves at once, which the others notice when they need this process.
    """
    if n_processes() == 1:
        yield 0, device
        return
    device = init_distributed(device)
    try:
        yield dist.get_rank(), device
        with others_needed():
            dist.barrier()
    finally:
        dist.destroy_process_group()  # ends its threads: nothing else holds the group


def average(tensors: list[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in one message."""
    if n_processes() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    with others_needed():
        dist.all_reduce(flat)
    means = (flat / n_processes()).split([tensor.numel() for tensor in tensors])
    for tensor, mean in zip(tensors, means, strict=True):
        tensor.copy_(mean.view_as(tensor))
