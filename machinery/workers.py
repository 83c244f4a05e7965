"""Jobs side by side, in processes of one thread each, or of some.

Small trainings gain little from a second thread, and nearly all from a second process.
"""

import contextlib
import json
import multiprocessing
import os
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
from machinery.progress import Progress, received_signal, stoppable

POLL = 0.2  # seconds between two looks for a signal


@contextlib.contextmanager
def each(
    function: Callable[..., Any], shared: tuple, jobs: Sequence[Any], n: int,
    progress: Progress | None = None, threads: int = 1,
) -> Iterator[Iterator[Any]]:  # fmt: skip
    """Give function(*shared, job) of each job, in their order, n at a time.

    With a progress it is function(*shared, job, progress), and what it tells that, it
    tells this one. All else is pickled, unless n is 1: then this process does it all.
    threads are those of each process. Taking a result raises Interrupted where a
    signal has arrived, MachineError where a process has died, and what its job has
    raised. An error ends all processes.
    """
    if n <= 1:
        more = (progress,) if progress else ()
        yield stoppable(function(*shared, job, *more) for job in jobs)
        return
    others = set(multiprocessing.active_children())
    with tempfile.TemporaryDirectory() as folder:
        # by a file: a process that dies as it starts leaves nobody to read from a pipe
        task = Path(folder, "task")
        task.write_bytes(pickle.dumps((function, shared, progress is not None)))
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(n, context, _begin, (task, threads))
        told = _Told(task.parent, progress)
        try:
            yield stoppable(_results(pool, jobs, n, told))
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, jobs: Sequence[Any], n: int, told: "_Told"
) -> Iterator[Any]:
    try:
        # plain pickles: torch's own way needs /dev/shm, which containers keep small
        for future in [pool.submit(_work, pickle.dumps(job)) for job in jobs]:
            while not wait([future], POLL).done:
                told.pass_on()
                if signum := received_signal():
                    raise Interrupted(signum)
            told.pass_on()
            yield pickle.loads(future.result())
    except BrokenProcessPool as error:
        if signum := received_signal():  # Ctrl-C reaches the processes, too
            raise Interrupted(signum) from None
        raise MachineError(f"one of {n} processes ended before its job") from error


class _Told:
    """What processes write of their progress, a file each: no lock outlives one."""

    def __init__(self, folder: Path, progress: Progress | None) -> None:
        self.folder = folder
        self.progress = progress
        self.begin: dict[Path, int] = {}  # of what is new in a file

    def pass_on(self) -> None:
        """Tell the progress what is new."""
        for path in sorted(self.folder.glob("told-*")):
            with path.open("rb") as file:
                file.seek(self.begin.setdefault(path, 0))
                whole = file.read().rpartition(b"\n")[0]
            self.begin[path] += len(whole) + bool(whole)
            for what in map(json.loads, whole.splitlines()):
                if isinstance(what, int):
                    self.progress.advance(what)
                else:
                    self.progress.print(*what)


class _Teller(Progress):
    """A progress whose bar is another process's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"told-{os.getpid()}"

    def label(self, text: str) -> None:
        """Say nothing: others are at work as well."""

    def print(self, *text: str) -> None:
        self.tell(text)

    def advance(self, cost: int) -> None:
        self.tell(cost)

    def tell(self, what: int | tuple[str, ...]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")


_task: tuple[Callable[..., Any], tuple, tuple]  # of a process that works for another


def _begin(task: Path, threads: int) -> None:
    global _task
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on without a traceback
    torch.set_num_threads(threads)
    keep_memory()
    function, shared, tells = pickle.loads(task.read_bytes())
    _task = function, shared, (_Teller(task.parent),) if tells else ()


def _work(job: bytes) -> bytes:
    function, shared, more = _task
    return pickle.dumps(function(*shared, pickle.loads(job), *more))
