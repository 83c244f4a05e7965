"""This process: its age, and how it keeps memory."""

import contextlib
import ctypes
import os
import time
from pathlib import Path

IMPORTED = time.perf_counter()


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
