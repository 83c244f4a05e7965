"""Jobs side by side, in processes of one thread each.

Small trainings gain little from a second thread, and nearly all from a second process.
"""

import contextlib
import multiprocessing
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch

from machinery.errors import Interrupted, MachineError
from machinery.process import keep_memory
from machinery.progress import received_signal, stoppable

POLL = 0.2  # seconds between two looks for a signal


@contextlib.contextmanager
def each(
    function: Callable[..., Any], shared: tuple, jobs: Sequence[Any], n: int
) -> Iterator[Iterator[Any]]:
    """Give function(*shared, job) of each job, in their order, n at a time.

    All of these are pickled, unless n is 1: then this process does it all. Taking a
    result raises Interrupted where a signal has arrived, MachineError where a process
    has died, and what its job has raised. An error ends all processes.
    """
    if n <= 1:
        yield stoppable(function(*shared, job) for job in jobs)
        return
    others = set(multiprocessing.active_children())
    with tempfile.TemporaryDirectory() as folder:
        # by a file: a process that dies as it starts leaves nobody to read from a pipe
        task = Path(folder, "task")
        task.write_bytes(pickle.dumps((function, shared)))
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(n, context, _begin, (task,))
        try:
            yield stoppable(_results(pool, jobs, n))
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _results(pool: ProcessPoolExecutor, jobs: Sequence[Any], n: int) -> Iterator[Any]:
    try:
        # plain pickles: torch's own way needs /dev/shm, which containers keep small
        for future in [pool.submit(_work, pickle.dumps(job)) for job in jobs]:
            while not wait([future], POLL).done:
                if signum := received_signal():
                    raise Interrupted(signum)
            yield pickle.loads(future.result())
    except BrokenProcessPool as error:
        if signum := received_signal():  # Ctrl-C reaches the processes, too
            raise Interrupted(signum) from None
        raise MachineError(f"one of {n} processes ended before its job") from error


_task: tuple[Callable[..., Any], tuple]  # of a process that works for another


def _begin(task: Path) -> None:
    global _task
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on without a traceback
    torch.set_num_threads(1)
    keep_memory()
    _task = pickle.loads(task.read_bytes())


def _work(job: bytes) -> bytes:
    function, shared = _task
    return pickle.dumps(function(*shared, pickle.loads(job)))
