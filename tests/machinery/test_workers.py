"""Jobs side by side: in order, the same as in one process, ended cleanly."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from machinery import progress, workers
from machinery.errors import Interrupted, MachineError


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


def slow(job: int) -> int:
    time.sleep(60 * job)
    return job


def quick(job: int) -> int:
    return job


def tells(word: str, job: int, bar: progress.Progress) -> int:
    for step in bar.watch(range(3), cost=job):
        bar.print(word, f"{job}.{step}")
    return job


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


def test_a_job_s_error_is_raised_here():
    with pytest.raises(ValueError, match="one is refused"):
        take(refused, (), 3, 2)


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
