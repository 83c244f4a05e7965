"""This process: its device and its age."""

import subprocess
import sys
import time

import pytest
import torch

from machinery.errors import BadInput
from machinery.process import pick_device
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
