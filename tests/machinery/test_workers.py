"""Jobs side by side: in order, the same as in one process, ended cleanly."""

import errno
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

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
    shared = (tmp_path, b"")
    with workers.each(first_ends_last, shared, range(3), 2, in_order=False) as found:
        jobs = [job for job, *_ in found]
    assert sorted(jobs) == [0, 1, 2]
    assert jobs[0] == 1


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
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        take_one(slow, 2, lambda _: 1 // 0)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(("function", "n"), [(slow, 2), (quick, 2), (quick, 1)])
def test_a_signal_ends_the_jobs_at_once(monkeypatch, function, n):
    monkeypatch.setattr(progress, "_received", [])

    def interrupt(results):
        progress._received.append(signal.SIGTERM)
        next(results)

    began = time.monotonic()
    with pytest.raises(Interrupted) as error:
        take_one(function, n, interrupt)
    assert error.value.status == 143
    assert time.monotonic() - began < 15
