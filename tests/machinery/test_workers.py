"""Jobs side by side: in order, the same as in one process, ended cleanly."""

import multiprocessing
import os
import signal
import time

import pytest
import torch

from machinery import progress, workers
from machinery.errors import Interrupted, MachineError


def scaled(factor: int, job: int) -> tuple[int, int]:
    time.sleep(0.05 * (job == 0))  # the first ends last
    return factor * job, torch.get_num_threads()


def ended(job: int) -> None:
    if job == 1:
        os._exit(3)


def refused(job: int) -> int:
    if job == 1:
        raise ValueError("one is refused")
    return job


def slow(job: int) -> int:
    time.sleep(20 * job)
    return job


@pytest.mark.parametrize("n", [1, 2])
def test_results_come_in_the_jobs_order(n):
    found = list(workers.each(scaled, (7,), range(5), n))
    assert [value for value, _ in found] == [0, 7, 14, 21, 28]
    if n > 1:
        assert {threads for _, threads in found} == {1}
    assert not multiprocessing.active_children()


def test_a_job_s_error_is_raised_here():
    with pytest.raises(ValueError, match="one is refused"):
        list(workers.each(refused, (), range(3), 2))
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_the_machine_s_failure():
    with pytest.raises(MachineError, match="one of 2 processes ended"):
        list(workers.each(ended, (), range(3), 2))
    assert not multiprocessing.active_children()


def test_a_signal_ends_the_jobs_at_once(monkeypatch):
    monkeypatch.setattr(progress, "_received", [])
    results = workers.each(slow, (), range(3), 2)
    assert next(results) == 0
    progress._received.append(signal.SIGTERM)
    began = time.monotonic()
    with pytest.raises(Interrupted) as error:
        next(results)
    assert error.value.status == 143
    assert time.monotonic() - began < 10
    assert not multiprocessing.active_children()
