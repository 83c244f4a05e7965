"""Jobs side by side, in processes of one thread each, or of some.

Small trainings gain little from a second thread, and nearly all from a second process.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch

from machinery.errors import Interrupted, MachineError
from machinery.process import keep_memory
from machinery.progress import Progress, received_signal, stoppable

POLL = 0.2  # seconds between two looks for a signal
MOST = 61  # processes that Windows lets a pool wait for
TASK = "task"


def how_many(n_jobs: int, device: torch.device, at_most: int = MOST) -> int:
    """Return how many jobs to have side by side: one a thread, on a processor."""
    if device.type != "cpu":
        return 1
    return max(min(n_jobs, at_most, torch.get_num_threads()), 1)


@contextlib.contextmanager
def each(
    function: Callable[..., Any], shared: tuple, jobs: Sequence[Any], n: int,
    progress: Progress | None = None, *, threads: int = 1, in_order: bool = True,
) -> Iterator[Iterator[Any]]:  # fmt: skip
    """Give function(*shared, job) of each job, n at a time, in order or as they end.

    With a progress it is function(*shared, job, progress), and what it tells that, it
    tells this one. All else is pickled, unless n is 1: then this process does it all.
    threads are those of each process. Taking a result raises Interrupted where a
    signal has arrived, MachineError where a process has died, and what a job has
    raised as soon as it has; not in order, only after the results that are there. An
    error ends all processes, and so does the end of this one.
    """
    if n <= 1:
        more = (progress,) if progress else ()
        yield stoppable(function(*shared, job, *more) for job in jobs)
        return
    others = set(multiprocessing.active_children())
    with _task_folder((function, shared, progress is not None)) as folder:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(n, context, _begin, (folder, threads))
        told = _Told(folder, progress)
        try:
            # plain pickles: torch's own way needs /dev/shm, which containers keep small
            with _interrupts_blocked():
                left = [pool.submit(_work, pickle.dumps(job)) for job in jobs]
            results = _results(left, told, in_order)
            yield stoppable(results) if in_order else results
        except BrokenProcessPool as error:
            if signum := received_signal():  # Ctrl-C reaches the processes, too
                raise Interrupted(signum) from None
            raise MachineError(f"one of {n} processes ended before its job") from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _task_folder(task: tuple) -> Iterator[Path]:
    """Make a folder with the task in a file, for processes to read as they start.

    By a file: one that dies as it starts leaves nobody to read from a pipe.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            Path(folder, TASK).write_bytes(pickle.dumps(task))
        except OSError as error:
            reason = error.strerror or error
            raise MachineError(f"cannot write to {folder}: {reason}") from error
        yield Path(folder)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Have Ctrl-C wait, for the processes made within until they can end quietly."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _results(left: list[Future], told: "_Told", in_order: bool) -> Iterator[Any]:
    while left:
        wait([f for f in left if not f.done()], POLL, FIRST_COMPLETED)
        signum = received_signal()  # first: what has ended until then is given
        done = [f for f in left if f.done()]
        told.pass_on()  # after: all that these have told
        failed = [f for f in done if f.exception()]
        if in_order:
            done = [] if failed else list(itertools.takewhile(Future.done, left))
        for future in done:
            if future not in failed:
                left.remove(future)
                yield pickle.loads(future.result())
        if failed:
            failed[0].result()
        if signum:
            raise Interrupted(signum)


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

    def expect(self, total: int) -> None:
        """Say nothing, either."""

    def print(self, *text: str) -> None:
        self.tell(text)

    def advance(self, cost: int) -> None:
        self.tell(cost)

    def tell(self, what: int | tuple[str, ...]) -> None:
        # a full disk must not end what it only wants to tell of
        with contextlib.suppress(OSError), self.path.open("ab") as file:
            file.write(json.dumps(what).encode() + b"\n")

    def __exit__(self, *_: object) -> None:
        pass


_task: tuple[Callable[..., Any], tuple, tuple]  # of a process that works for another


def _begin(folder: Path, threads: int) -> None:
    global _task
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # without a traceback
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    keep_memory()
    function, shared, tells = pickle.loads(Path(folder, TASK).read_bytes())
    _task = function, shared, (_Teller(folder),) if tells else ()


def _end_with_parent() -> None:
    """End when whom this process works for has been killed: it holds locks."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(job: bytes) -> bytes:
    function, shared, more = _task
    return pickle.dumps(function(*shared, pickle.loads(job), *more))
