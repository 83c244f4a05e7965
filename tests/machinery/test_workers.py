"""Jobs side by side: in order, the same as in one process, ended cleanly."""

import contextlib
import errno
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from machinery import progress, workers
from machinery.checkpoint import CheckpointError
from machinery.errors import BadInput, Diverged, Interrupted, MachineError, SaveError


def scaled(factor: int, job: int) -> tuple[int, int]:
    return factor * job, os.getpid()


def first_ends_last(folder: Path, more: bytes, job: int) -> tuple[int, int, int]:
    told = folder / "the second is done"
    if job == 1:
        told.touch()
    while job == 0 and not told.exists():
        time.sleep(0.01)
    return job, os.getpid(), torch.get_num_threads()


def waits_for(told: Path, job: int) -> int:
    until = time.monotonic() + 60
    while job == 0 and not told.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return job


def ended(job: int) -> None:
    if job == 1:
        os._exit(3)


def count_threads(job: int) -> int:
    return torch.get_num_threads()


def refused(job: int) -> int:
    if job == 1:
        raise ValueError("one is refused")
    return job


def third_is_refused(job: int) -> int:
    if job == 2:
        raise ValueError("the third is refused")
    return slow(job == 0)


def outlives(folder: Path, job: int) -> None:
    (folder / f"pid-{job}").write_text(str(os.getpid()))
    time.sleep(60)


def slow(job: int) -> int:
    time.sleep(60 * job)
    return job


def quick(job: int) -> int:
    return job


def tells(word: str, job: int, bar: progress.Progress) -> int:
    for step in bar.watch(range(3), cost=job):
        bar.print(word, f"{job}.{step}")
    return job


ROOT = Path(__file__).parents[2]
KILLED = """
import sys
from pathlib import Path
from machinery import workers
from tests.machinery.test_workers import outlives
if __name__ == "__main__":
    with workers.each(outlives, (Path(sys.argv[1]),), range(2), 2) as results:
        list(results)
"""


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_the_end_of(pids) -> None:
    until = time.monotonic() + 10
    for pid in pids:
        while is_there(pid):
            assert time.monotonic() < until, pid
            time.sleep(0.05)


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (3,)


@pytest.fixture(autouse=True)
def nobody_is_left():
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before


def take(function, shared, n_jobs, n):
    with workers.each(function, shared, range(n_jobs), n) as results:
        return list(results)


def test_one_process_does_all_itself():
    here = os.getpid()
    assert take(scaled, (7,), 3, 1) == [(0, here), (7, here), (14, here)]


def test_two_processes_keep_the_jobs_order(tmp_path):
    found = take(first_ends_last, (tmp_path, bytes(10**6)), 5, 2)
    assert [job for job, *_ in found] == list(range(5))
    pids = {pid for _, pid, _ in found}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert {threads for *_, threads in found} == {1}


@pytest.mark.parametrize("n", [1, 2])
def test_progress_is_told_here(n, capsys):
    bar = progress.Progress(0)
    counted = []
    bar.advance = counted.append
    with workers.each(tells, ("step",), range(4), n, bar) as results:
        assert list(results) == [0, 1, 2, 3]
    assert sorted(counted) == sorted([0, 1, 2, 3] * 3)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == [f"step {j}.{i}" for j in range(4) for i in range(3)]
    of_one = [line for line in lines if line.startswith("step 3")]
    assert of_one == ["step 3.0", "step 3.1", "step 3.2"]


@pytest.mark.timeout(30)
def test_a_job_s_last_words_are_told_before_its_result(tmp_path, capsys):
    """Also where it ends while the words of others are passed on."""
    told = workers._Told(tmp_path, progress.Progress(0))
    job, pass_on = Future(), told.pass_on

    def ends_meanwhile():
        pass_on()
        if not job.done():
            (tmp_path / "told-1").write_text('["last words"]\n')
            job.set_result(pickle.dumps(1))

    told.pass_on = ends_meanwhile
    for found in workers._results([job], told, in_order=False):
        assert found == 1
        assert capsys.readouterr().out == "last words\n"


def test_progress_cut_off_in_a_line_waits_for_its_rest(tmp_path, capsys):
    told = workers._Told(tmp_path, progress.Progress(0))
    path = tmp_path / "told-1"
    for text, shown in [
        ('["one"]\n["tw', ["one"]),
        ('o"]', []),
        ('\n["three"]\n', ["two", "three"]),
    ]:
        with path.open("a") as file:
            file.write(text)
        told.pass_on()
        assert capsys.readouterr().out.splitlines() == shown


def test_processes_have_the_threads_that_they_are_given():
    with workers.each(count_threads, (), range(2), 2, threads=2) as found:
        assert list(found) == [2, 2]


@pytest.mark.parametrize(
    "error",
    [BadInput("x is 3"), Diverged("nan"), MachineError("full"), SaveError("no disk"),
     CheckpointError("cut"), Interrupted(signal.SIGTERM)],
)  # fmt: skip
def test_an_error_of_ours_is_the_same_from_a_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_job_s_error_is_raised_here():
    with pytest.raises(ValueError, match="one is refused"):
        take(refused, (), 3, 2)


@pytest.mark.parametrize(("in_order", "first"), [(True, []), (False, [0])])
def test_an_error_does_not_wait_for_the_jobs_before_it(in_order, first):
    began, taken = time.monotonic(), []
    with (
        pytest.raises(ValueError, match="the third is refused"),
        workers.each(third_is_refused, (), range(3), 2, in_order=in_order) as results,
    ):
        taken.extend(results)
    assert taken == first  # of the jobs that have ended: the second one
    assert time.monotonic() - began < 20


def test_results_come_as_they_end_if_the_order_does_not_matter(tmp_path):
    shared = (tmp_path / "one is taken",)
    with workers.each(waits_for, shared, range(3), 2, in_order=False) as found:
        first = next(found)
        shared[0].touch()
        rest = list(found)
    assert first == 1
    assert sorted(rest) == [0, 2]


@pytest.mark.timeout(30)
def test_what_has_ended_is_given_before_a_signal_ends_the_rest(monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "_received", [])
    futures = [Future() for _ in range(4)]
    futures[2].set_result(pickle.dumps(2))
    told = workers._Told(tmp_path, None)
    results = workers._results(list(futures), told, in_order=False)
    assert next(results) == 2
    for job in (0, 3):  # they end while the signal arrives
        futures[job].set_result(pickle.dumps(job))
    progress._received.append(signal.SIGTERM)
    assert [next(results), next(results)] == [0, 3]
    with pytest.raises(Interrupted):
        next(results)


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="what runs is read in /proc"
)


@needs_proc
def test_nobody_works_for_a_process_that_was_killed(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT)
    pids = []
    while len(pids) < 2:
        pids = [int(p.read_text() or 0) for p in tmp_path.glob("pid-*")]
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    wait_for_the_end_of(pids)


@needs_proc
def test_ctrl_c_as_the_processes_start_ends_them_quietly(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, start_new_session=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while len(children.read_text().split()) < 3:  # two, and what keeps track of them
        time.sleep(0.01)
    time.sleep(0.3)  # amid their imports
    pids = children.read_text().split()
    os.killpg(parent.pid, signal.SIGINT)
    err = parent.communicate()[1].decode()
    wait_for_the_end_of(map(int, pids))
    assert "multiprocessing/spawn.py" not in err, err


def test_a_disk_that_is_full_before_the_jobs_is_the_machine_s_failure(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MachineError, match=r"cannot write to .*No space left"):
        take(quick, (), 3, 2)


def test_progress_that_cannot_be_told_ends_nothing(tmp_path):
    with workers._Teller(tmp_path / "gone") as teller:
        teller.expect(3)
        teller.label("a job")
        assert list(teller.watch(range(3))) == [0, 1, 2]


def test_a_process_that_dies_is_the_machine_s_failure():
    with pytest.raises(MachineError, match="one of 2 processes ended"):
        take(ended, (), 3, 2)


def test_a_process_that_dies_as_it_starts_is_too():
    with pytest.raises(MachineError, match="one of 2 processes ended"):
        take(refused, (Deadly(), bytes(10**6)), 3, 2)


def take_one(function, n, then):
    with workers.each(function, (), range(3), n) as results:
        assert next(results) == 0
        then(results)


def test_an_error_outside_does_not_wait_for_the_jobs():
    began = []  # not before the processes run: starting them takes what it takes

    def fail(_):
        began.append(time.monotonic())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_one(slow, 2, fail)
    assert time.monotonic() - began[0] < 15


@pytest.mark.parametrize(("function", "n"), [(slow, 2), (quick, 2), (quick, 1)])
def test_a_signal_ends_the_jobs_at_once(monkeypatch, function, n):
    monkeypatch.setattr(progress, "_received", [])
    began = []

    def interrupt(results):
        began.append(time.monotonic())
        progress._received.append(signal.SIGTERM)
        next(results)

    with pytest.raises(Interrupted) as error:
        take_one(function, n, interrupt)
    assert error.value.status == 143
    assert time.monotonic() - began[0] < 15


@pytest.mark.parametrize(
    ("n_jobs", "threads", "at_most", "n"),
    [(10, 4, 61, 4), (3, 4, 61, 3), (10, 4, 2, 2), (0, 4, 61, 1), (1, 1, 61, 1)],
)
def test_there_is_a_process_for_each_thread_and_no_more_than_jobs(
    n_jobs, threads, at_most, n, monkeypatch
):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert workers.how_many(n_jobs, torch.device("cpu"), at_most) == n
    assert workers.how_many(n_jobs, torch.device("cuda"), at_most) == 1


def test_a_pool_is_never_larger_than_windows_can_wait_for(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 200)
    assert workers.how_many(100, torch.device("cpu")) == 61


def blocked_signals() -> set:
    if not hasattr(signal, "pthread_sigmask"):
        pytest.skip("this system cannot block signals")
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.fixture
def noted(monkeypatch, restored_signals):
    """What a process of a pool does to itself as it begins, less the doing."""
    found = SimpleNamespace(threads=[], kept=[], started=[])
    monkeypatch.setattr(torch, "set_num_threads", found.threads.append)
    monkeypatch.setattr(workers, "keep_memory", lambda: found.kept.append(True))
    monkeypatch.setattr(workers, "_task", None, raising=False)

    def thread(target, daemon):
        return SimpleNamespace(start=lambda: found.started.append((target, daemon)))

    monkeypatch.setattr(threading, "Thread", thread)
    return found


@pytest.fixture
def pool_here(monkeypatch, noted):
    """In place of processes, one that is this one and does each job at once."""
    asked = SimpleNamespace(pools=[], blocked=[], ends=[], folder=None, broken=False)
    blocked_signals()  # where there is no such thing the tests are skipped

    class Pool:
        def __init__(self, n, context, begin, arguments):
            asked.pools.append((n, context.get_start_method()))
            asked.folder = arguments[0]
            begin(*arguments)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

        def submit(self, work, job):
            asked.blocked.append(signal.SIGINT in blocked_signals())
            future = Future()
            try:
                if asked.broken:
                    raise BrokenProcessPool
                future.set_result(work(job))
            except Exception as error:
                future.set_exception(error)
            return future

        def shutdown(self, **how):
            asked.ends.append(how)

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    return asked


@pytest.mark.parametrize("in_order", [True, False])
def test_a_pool_is_given_the_task_once_and_is_left_with_nothing_to_do(
    pool_here, noted, in_order
):
    jobs = range(5)
    each = workers.each(scaled, (7,), jobs, 3, threads=2, in_order=in_order)
    with each as results:
        assert pool_here.folder.exists()
        assert [factor for factor, _ in results] == [0, 7, 14, 21, 28]
    assert pool_here.pools == [(3, "spawn")]
    assert noted.threads == [2]
    assert pool_here.blocked == [True] * 5  # a new process could not end quietly yet
    assert signal.SIGINT not in blocked_signals()
    assert pool_here.ends == [{"cancel_futures": True}]
    assert not pool_here.folder.exists()


def test_a_pool_s_processes_have_one_thread_and_keep_the_order_unless_told(
    pool_here, noted, monkeypatch
):
    asked, results_of = [], workers._results
    monkeypatch.setattr(
        workers, "_results", lambda *a: asked.append(a[-1]) or results_of(*a)
    )
    assert take(quick, (), 2, 2) == [0, 1]
    assert noted.threads == [1]
    assert asked == [True]


def test_a_pool_tells_its_progress(pool_here, capsys):
    bar, counted = progress.Progress(0), []
    bar.advance = counted.append
    with workers.each(tells, ("étape",), range(2), 2, bar) as results:
        assert list(results) == [0, 1]
    assert counted == [0, 0, 0, 1, 1, 1]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"étape {j}.{i}" for j in (0, 1) for i in range(3)]


@pytest.mark.parametrize(("in_order", "given"), [(True, [0]), (False, [0, 1, 2])])
def test_a_signal_waits_for_one_result_in_order_or_else_for_all_that_are_there(
    pool_here, monkeypatch, in_order, given
):
    monkeypatch.setattr(progress, "_received", [])
    taken = []
    with (
        contextlib.suppress(Interrupted),
        workers.each(quick, (), range(3), 2, in_order=in_order) as results,
    ):
        for result in results:
            taken.append(result)
            progress._received.append(signal.SIGTERM)
    assert taken == given


@pytest.mark.parametrize("n", [0, 1])
def test_one_process_needs_no_pool(pool_here, n):
    assert take(quick, (), 3, n) == [0, 1, 2]
    assert pool_here.pools == []


class FakeProcess:
    def __init__(self):
        self.ended = False

    def terminate(self):
        self.ended = True


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, None])
def test_an_error_ends_the_pool_s_processes_and_no_others(
    pool_here, monkeypatch, error
):
    before, new = [FakeProcess()], [FakeProcess(), FakeProcess()]
    monkeypatch.setattr(
        multiprocessing, "active_children",
        lambda: before + new if pool_here.pools else before,
    )  # fmt: skip

    def work():
        with workers.each(quick, (), range(3), 2) as results:
            assert next(results) == 0
            if error:
                raise error

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    assert [process.ended for process in new] == [bool(error)] * 2
    assert not before[0].ended
    assert pool_here.ends == [{"cancel_futures": True}]


@pytest.mark.parametrize("received", [[], [signal.SIGTERM, signal.SIGINT]])
def test_a_pool_that_breaks_is_the_machine_s_failure_or_the_signal_s(
    pool_here, monkeypatch, received
):
    monkeypatch.setattr(progress, "_received", received)
    pool_here.broken = True
    with pytest.raises((MachineError, Interrupted)) as error:
        take(quick, (), 3, 2)
    if received:
        assert error.value.status == 143
    else:
        assert str(error.value) == "one of 2 processes ended before its job"
        assert isinstance(error.value.__cause__, BrokenProcessPool)


def test_a_process_of_a_pool_begins_with_all_that_its_jobs_need(tmp_path, noted):
    with workers._interrupts_blocked():
        pickled = pickle.dumps((scaled, (3,), False))
        (tmp_path / workers.TASK).write_bytes(pickled)
        workers._begin(tmp_path, 4)
        assert signal.SIGINT not in blocked_signals()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    assert noted.threads == [4]
    assert noted.kept == [True]
    assert noted.started == [(workers._end_with_parent, True)]
    assert pickle.loads(workers._work(pickle.dumps(5))) == (15, os.getpid())
    assert list(tmp_path.iterdir()) == [tmp_path / workers.TASK]


def test_a_process_ends_after_the_one_that_it_works_for(monkeypatch):
    done = []
    parent = SimpleNamespace(join=lambda: done.append("the parent has ended"))
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    monkeypatch.setattr(os, "_exit", done.append)
    workers._end_with_parent()
    assert done == ["the parent has ended", 1]


@pytest.mark.parametrize("before", [set(), {signal.SIGINT}])
@pytest.mark.parametrize("error", [ZeroDivisionError, None])
def test_ctrl_c_waits_within_and_afterwards_is_as_it_was(before, error):
    here = blocked_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, before)
    try:
        with contextlib.suppress(ZeroDivisionError), workers._interrupts_blocked():
            assert blocked_signals() == here | {signal.SIGINT}
            if error:
                raise error
        assert blocked_signals() == here | before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, here)


def test_a_system_that_cannot_block_signals_works_too(tmp_path, noted, monkeypatch):
    monkeypatch.delattr(signal, "pthread_sigmask", raising=False)
    (tmp_path / workers.TASK).write_bytes(pickle.dumps((quick, (), False)))
    with workers._interrupts_blocked():
        workers._begin(tmp_path, 1)
    assert pickle.loads(workers._work(pickle.dumps(5))) == 5


ENDS = [2, 0, 1, 3]  # which job ends next


@pytest.mark.parametrize(
    ("in_order", "given"),
    [(True, [[], [0], [1, 2], [3]]), (False, [[2], [0], [1], [3]])],
)
def test_results_are_given_as_soon_as_their_turn_comes(
    in_order, given, monkeypatch, tmp_path
):
    futures, found, ends = [Future() for _ in ENDS], [], iter(ENDS)

    def wait(waited_for, seconds, until):
        assert waited_for == [f for f in futures if not f.done()]
        assert 0 < seconds < 1  # a signal is seen soon
        assert until == FIRST_COMPLETED
        found.append([])
        job = next(ends)
        futures[job].set_result(pickle.dumps(job))

    monkeypatch.setattr(workers, "wait", wait)
    told = workers._Told(tmp_path, None)
    for result in workers._results(list(futures), told, in_order):
        found[-1].append(result)
    assert found == given


@pytest.mark.parametrize(("in_order", "first"), [(True, []), (False, [0])])
def test_a_failed_job_ends_the_results_before_the_turn_of_its_own(
    in_order, first, monkeypatch, tmp_path
):
    futures, taken = [Future() for _ in range(3)], []

    def wait(*_):
        futures[0].set_result(pickle.dumps(0))
        futures[2].set_exception(KeyError("the third"))

    monkeypatch.setattr(workers, "wait", wait)
    told = workers._Told(tmp_path, None)
    with pytest.raises(KeyError, match="the third"):
        taken.extend(workers._results(futures, told, in_order))
    assert taken == first


@pytest.mark.parametrize("in_order", [True, False])
def test_a_signal_while_nothing_ends_is_not_waited_out(in_order, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "_received", [signal.SIGTERM])
    monkeypatch.setattr(workers, "wait", lambda *_: None)
    told = workers._Told(tmp_path, None)
    with pytest.raises(Interrupted) as error:
        next(workers._results([Future()], told, in_order))
    assert error.value.status == 143


def test_steps_and_lines_of_all_processes_are_passed_on_once(tmp_path, capsys):
    bar, counted = progress.Progress(0), []
    bar.advance = counted.append
    told = workers._Told(tmp_path, bar)
    (tmp_path / "told-2").write_text('5\n["é", "b"]\n', "utf-8")
    (tmp_path / "told-1").write_text("3\n")
    (tmp_path / workers.TASK).write_text("no words of theirs\n")
    told.pass_on()
    told.pass_on()
    assert counted == [3, 5]
    assert capsys.readouterr().out == "é b\n"


@pytest.mark.parametrize("reason", ["No space left on device", None])
def test_a_task_that_cannot_be_written_is_told_with_the_reason(
    monkeypatch, tmp_path, reason
):
    def full(*_):
        raise OSError(errno.ENOSPC, reason) if reason else OSError("a bare reason")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MachineError) as error, workers._task_folder(()):
        pass
    message = f"cannot write to {re.escape(str(tmp_path))}/.*: "
    assert re.fullmatch(message + (reason or "a bare reason"), str(error.value))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_removed_yet_is_left(monkeypatch, tmp_path):
    def busy(*_, **__):
        raise OSError(errno.EBUSY, "a process still writes")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workers._task_folder((1, 2, 3)) as folder:
        assert pickle.loads((folder / workers.TASK).read_bytes()) == (1, 2, 3)
        monkeypatch.setattr(os, "rmdir", busy)
    assert list(tmp_path.iterdir()) == [folder]
