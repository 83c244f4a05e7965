"""This process: its device, its age, and how it keeps memory."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from machinery import process
from machinery.errors import BadInput
from machinery.process import (
    keep_memory,
    multiplies_in_bfloat16,
    pick_device,
    seconds_since_start,
)
from tests.helpers import ROOT


def test_the_processor_is_always_there():
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_an_absent_device_is_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    message = f"--device {name} is not available; this machine has cpu"
    with pytest.raises(BadInput, match=message):
        pick_device(name)


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [
        (False, False, "cpu"),
        (False, True, "mps"),
        (True, False, "cuda"),
        (True, True, "cuda"),
    ],
)
def test_auto_picks_the_best_device(cuda, mps, best, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto").type == best


def test_seconds_count_from_the_start_of_the_process():
    code = (
        "import sys, time; began = time.time(); time.sleep(0.5);"
        "from machinery import process;"
        "age, now = process.seconds_since_start(), time.time();"
        "print(now - began, age, now - float(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(time.time())]
    out = subprocess.check_output(command, cwd=ROOT, text=True)
    from_within, age, from_without = map(float, out.split())
    assert from_within - 0.02 < age < from_without + 0.02


MALLOC_H = {"M_TRIM_THRESHOLD": -1, "M_TOP_PAD": -2, "M_MMAP_THRESHOLD": -3}


def test_freed_memory_is_kept_up_to_a_gigabyte(monkeypatch):
    told, opened = {}, []

    def library(name):
        opened.append(name)
        return SimpleNamespace(mallopt=told.__setitem__)

    monkeypatch.setattr(ctypes, "CDLL", library)
    keep_memory()
    assert opened == [None]  # what this process has loaded
    assert told == {
        MALLOC_H["M_TRIM_THRESHOLD"]: 2**30,
        MALLOC_H["M_TOP_PAD"]: 2**26,
        MALLOC_H["M_MMAP_THRESHOLD"]: 2**25,  # the most that glibc takes
    }


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_where_there_is_no_glibc_nothing_is_kept_or_said(monkeypatch, capsys, error):
    def library(name):
        raise error(name)

    monkeypatch.setattr(ctypes, "CDLL", library)
    keep_memory()
    assert capsys.readouterr() == ("", "")


def test_an_age_is_the_time_since_boot_less_that_of_the_start(monkeypatch):
    fields = ["S", *map(str, range(4, 22)), "12345", *map(str, range(23, 53))]
    texts = {"/proc/self/stat": f"7 (a ) b) {' '.join(fields)}\n"}
    monkeypatch.setattr(Path, "read_text", lambda path: texts[str(path)])
    clocks = {"since boot": 200.0}
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", "since boot", raising=False)
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__, raising=False)
    ticks = {"SC_CLK_TCK": 100}
    monkeypatch.setattr(os, "sysconf", ticks.__getitem__, raising=False)
    assert seconds_since_start() == 200 - 123.45  # field 22 of proc_pid_stat(5)


def test_an_age_counts_from_the_imports_where_nothing_tells_more(monkeypatch):
    def absent(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.setattr(process, "IMPORTED", 40.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 42.5)
    assert seconds_since_start() == 2.5


@pytest.mark.parametrize(
    ("device", "avx", "there"),
    [
        ("cpu", True, True),
        ("cpu", False, False),
        ("cuda", False, True),
        ("mps", True, False),
    ],
)
def test_a_card_multiplies_in_bfloat16_and_a_processor_with_avx512(
    monkeypatch, device, avx, there
):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    assert multiplies_in_bfloat16(torch.device(device)) is there


def test_a_device_of_another_name_is_refused_with_those_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BadInput) as error:
        pick_device("tpu")
    message = "--device tpu is not available; this machine has cuda, cpu"
    assert str(error.value) == message
