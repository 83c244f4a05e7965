"""This process: its device, its age, and how it keeps memory."""

import contextlib
import ctypes
import os
import time
from pathlib import Path

import torch

from machinery.errors import BadInput

IMPORTED = time.perf_counter()


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Whether a device does so itself; the others imitate it, slower than float32."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()  # there is no public question
    return device.type == "cuda"


def pick_device(name: str) -> torch.device:
    """Return cpu, cuda or mps, or for auto the best there is; BadInput if absent."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name):
        there = ", ".join(device for device, there in available.items() if there)
        raise BadInput(f"--device {name} is not available; this machine has {there}")
    return torch.device(name)


def keep_memory() -> None:
    """Have glibc keep freed memory: fetching it anew costs more than arithmetic."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # thresholds for mapping and for trimming, padding at the top
        for name, value in ((-3, 2**25), (-1, 2**30), (-2, 2**26)):
            mallopt(name, value)


def seconds_since_start() -> float:
    """Return the age of this process, with the start of Python and the imports."""
    try:
        stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(stat[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError):
        return time.perf_counter() - IMPORTED  # not Linux: from the imports on
