"""Shared by all tests: a small data folder, drivers in and out of process."""

import signal
import sys
from pathlib import Path

import hypothesis
import pytest
import torch

import train_gmm
from machinery import cli, progress
from tests.helpers import run_driver, write_places, write_texts

torch.set_num_threads(1)
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def places(tmp_path_factory) -> Path:
    """A data folder of three countries."""
    return write_places(tmp_path_factory.mktemp("data"))


@pytest.fixture
def restored_signals():
    """Put the handlers and the noted signals back after code that installs its own."""
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
    progress._received.clear()


@pytest.fixture
def train_gmm_here(monkeypatch, capsys, tmp_path, restored_signals):
    """train_gmm.py as from a command line, in this process: (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def run(*flags):
        argv = ["train_gmm.py", "--epochs", "2", "--n-seeds", "1", *map(str, flags)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as end:
            cli.run(train_gmm.main, train_gmm.Config, train_gmm.__doc__)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


@pytest.fixture(scope="session")
def gpt_flags(tmp_path_factory) -> tuple:
    """The flags of train_gpt.py for a tiny model of a small text, two epochs long."""
    train, test = write_texts(tmp_path_factory.mktemp("text"))
    sizes = "--n-layer 1 --n-head 2 --n-embd 8 --epoch-windows 256 --test-windows 64"
    run = "--epochs 2 --n-evaluated 20 --threads 1 --learning-rate 3e-3"
    return ("--train-text", train, "--test-text", test, *sizes.split(), *run.split())


@pytest.fixture(scope="session")
def finished_gpt(gpt_flags, tmp_path_factory):
    """A finished run of train_gpt.py in a process of its own: (folder, process)."""
    cwd = tmp_path_factory.mktemp("gpt")
    result = run_driver("train_gpt.py", *gpt_flags, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return cwd / "outputs" / "gpt", result


@pytest.fixture
def run_here(monkeypatch, capsys, tmp_path, restored_signals):
    """A driver as from a command line, in this process: (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def run(driver, *flags):
        monkeypatch.setattr(sys, "argv", [f"{driver.__name__}.py", *map(str, flags)])
        with pytest.raises(SystemExit) as end:
            cli.run(driver.main, driver.Config, driver.__doc__)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run
