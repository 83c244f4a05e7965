"""Jobs of one thread each, side by side in processes of their own.

Small trainings gain little from a second thread, and nearly all from a second process.
"""

import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from machinery.errors import Interrupted, MachineError
from machinery.process import keep_memory
from machinery.progress import received_signal

POLL = 0.2  # seconds between two looks for a signal


def each(
    function: Callable[..., Any], shared: tuple, jobs: Iterable[Any], n: int
) -> Iterator[Any]:
    """Yield function(*shared, job) of each job, in their order, n at a time.

    All of these are pickled, unless n is 1: then this process does it all. Raise
    Interrupted when a signal arrives, MachineError when a process dies.
    """
    if n == 1:
        for job in jobs:
            yield function(*shared, job)
        return
    # plain pickles: torch's own way needs /dev/shm, which containers keep small
    pool = ProcessPoolExecutor(
        n, multiprocessing.get_context("spawn"), _begin,
        (pickle.dumps((function, shared)),),
    )  # fmt: skip
    try:
        for future in [pool.submit(_work, job) for job in jobs]:
            yield pickle.loads(_wait(future))
    except BaseException as error:
        for process in multiprocessing.active_children():
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            message = f"one of {n} processes ended before its job did"
            raise MachineError(message) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _wait(future: Future) -> bytes:
    while True:
        try:
            return future.result(timeout=POLL)
        except (TimeoutError, BrokenProcessPool):
            # Ctrl-C reaches the processes too: that is not their failure
            if signum := received_signal():
                raise Interrupted(signum) from None
            if future.done():
                raise


_task: tuple[Callable[..., Any], tuple]  # of a process that works for another


def _begin(pickled: bytes) -> None:
    global _task
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback
    torch.set_num_threads(1)
    keep_memory()
    _task = pickle.loads(pickled)


def _work(job: Any) -> bytes:
    function, shared = _task
    return pickle.dumps(function(*shared, job))
