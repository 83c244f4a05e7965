"""Shared by all tests: a small data folder, drivers in and out of process."""

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

import cli
import train_gmm

ROOT = Path(__file__).resolve().parents[1]
CENTRES = np.array([[0.0, 45.0], [10.0, 50.0], [20.0, 55.0]])  # degrees, a country each

torch.set_num_threads(1)
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("steady")


def course_csv(rows) -> str:
    """The course's format of (long, lat, country) rows, with its unnamed index."""
    lines = [f"{i},{x},{y},{c}\n" for i, (x, y, c) in enumerate(rows)]
    return ",long,lat,country\n" + "".join(lines)


def blob_rows(n: int, seed: int) -> list[tuple[str, str, int]]:
    """Return n places of three countries, one Gaussian blob each."""
    country = np.arange(n) % len(CENTRES)
    noise = np.random.default_rng(seed).normal(size=(n, 2))
    points = CENTRES[country] + noise
    return [
        (f"{x:.5f}", f"{y:.5f}", int(c))
        for (x, y), c in zip(points, country, strict=True)
    ]


def write_places(folder: Path, train=None, test=None) -> Path:
    """Write train.csv and test.csv; rows default to blobs of 300 and 60 places."""
    folder.mkdir(parents=True, exist_ok=True)
    train = blob_rows(300, seed=1) if train is None else train
    test = blob_rows(60, seed=2) if test is None else test
    for split, rows in (("train", train), ("test", test)):
        (folder / f"{split}.csv").write_text(course_csv(rows), newline="")
    return folder


def run_python(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Run a fresh interpreter on one thread, away from the repository's root."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def run_driver(name: str, *flags, cwd: Path) -> subprocess.CompletedProcess:
    return run_python(ROOT / name, *flags, cwd=cwd)


def start_two(*arguments, cwd: Path) -> list[subprocess.Popen]:
    """Start two interpreters that find each other as those of torchrun do."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=cwd, env=environment | {"RANK": rank, "LOCAL_RANK": rank}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for rank in ("0", "1")
    ]  # fmt: skip


def assert_one_line(stderr: str, *parts: str) -> None:
    """The whole of stderr is one line, no traceback, that contains all parts."""
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr
    for part in parts:
        assert part in stderr


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
    cli._signals.clear()


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


def write_texts(folder: Path) -> tuple[Path, Path]:
    """Write a training text of 3,000 characters and a test text of 800."""
    draw = random.Random(0)
    words = ["the", "cat's", "mat and", "then", "a hen", "sat", "'tis", "on it"]
    text = "|`' the and\n"
    while len(text) < 3800:
        text += draw.choice(words)
        text += draw.choice([" ", " ", ", ", ".\n"])
    train, test = folder / "train.txt", folder / "test.txt"
    train.write_text(text[:3000], newline="")
    test.write_text(text[3000:3800], newline="")
    return train, test


@pytest.fixture(scope="session")
def gpt_flags(tmp_path_factory) -> tuple:
    """The flags of train_gpt.py for a tiny model of a small text, two epochs long."""
    train, test = write_texts(tmp_path_factory.mktemp("text"))
    sizes = "--n-layer 1 --n-head 2 --n-embd 8 --epoch-windows 256 --test-windows 64"
    run = "--epochs 2 --n-judged 20 --threads 1 --learning-rate 3e-3"
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
