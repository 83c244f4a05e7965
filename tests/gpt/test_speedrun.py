"""The speed run: its files, interruptions, two processes as one."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import speedrun
from gpt import fast_runs
from gpt.fast_runs import RECIPES
from machinery import checkpoint
from machinery.errors import BadInput, Diverged
from machinery.tiny_shakespeare import TEST_START, tiny_shakespeare
from speedrun import Config
from tests.helpers import ROOT, assert_one_line, start_two

TINY = RECIPES["tiny"]


def tiny(folder, steps: int = 4) -> Config:
    return Config(recipe="tiny", steps=steps, output_dir=str(folder), threads=1)


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    text = tiny_shakespeare()
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    return torch.tensor([index[c] for c in text])


def rows_of(folder) -> list[dict[str, float]]:
    with open(folder / "metrics.csv", newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, stdout) of a tiny run in this process."""
    folder = tmp_path_factory.mktemp("speedrun")
    speedrun.main(tiny(folder))
    return folder


def test_writes_what_it_measured(finished, ids):
    assert {p.name for p in finished.iterdir() if p.name[0] != "."} == {
        "metrics.csv", "summary.json", "model.pt",
    }  # fmt: skip
    rows, summary = (
        rows_of(finished),
        json.loads((finished / "summary.json").read_text()),
    )
    assert [row["step"] for row in rows] == [1, 2, 4]
    assert list(rows[0]) == ["step", "train_loss", "val_loss"]
    assert summary["val_loss"] == rows[-1]["val_loss"]
    seconds = [e["seconds"] for e in summary["evaluations"]]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] <= summary["seconds"]
    content = checkpoint.read(finished / "model.pt")
    model = checkpoint.restore(content, fast_runs.build_model, "model.pt")
    val_loss = fast_runs.mean_loss(model, ids[TEST_START:], TINY.block_size)
    assert val_loss == pytest.approx(summary["val_loss"], rel=1e-6)


def test_same_run_same_files(finished, tmp_path):
    speedrun.main(tiny(tmp_path))
    assert (tmp_path / "metrics.csv").read_bytes() == (
        finished / "metrics.csv"
    ).read_bytes()
    weights = [
        checkpoint.read(f / "model.pt")["state_dict"] for f in (tmp_path, finished)
    ]
    for name in weights[0]:
        assert torch.equal(weights[0][name], weights[1][name]), name


def test_two_processes_are_one(finished, tmp_path):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node", "2", ROOT / "speedrun.py", "--recipe", "tiny",
        "--steps", "4", "--output-dir", tmp_path / "two",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=tmp_path, timeout=100,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote") == 1  # by the first process alone
    assert [p.name for p in tmp_path.iterdir()] == ["two"]
    for one, two in zip(rows_of(finished), rows_of(tmp_path / "two"), strict=True):
        # Muon's bfloat16 magnifies what the order of a sum changes
        assert one == pytest.approx(two, abs=1e-3)
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["config"]["processes"] == 2


def test_killed_process_ends_the_other_and_what_was_written_stays(tmp_path):
    flags = ("--recipe", "tiny", "--steps", 2000, "--output-dir", tmp_path / "out")
    first, second = start_two(ROOT / "speedrun.py", *flags, cwd=tmp_path)
    while not (tmp_path / "out" / "metrics.csv").exists() and first.poll() is None:
        time.sleep(0.05)
    second.kill()
    stdout, stderr = first.communicate(timeout=100)
    second.communicate(timeout=100)
    assert first.returncode == 1
    assert_one_line(stderr, "speedrun.py", "process 0 of 2", "another one ended")
    assert len(rows_of(tmp_path / "out")) == stdout.count("val_loss") > 0
    assert not (tmp_path / "out" / "model.pt").exists()


def test_batch_that_the_processes_cannot_share(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(BadInput, match="3 processes cannot share 8 windows"):
        tiny(tmp_path)


def test_interrupted_run_keeps_its_measurements(tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, ROOT / "speedrun.py", "--recipe", "tiny", "--steps", "4000",
         "--threads", "1", "--output-dir", out],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (out / ".lock").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 130
    assert_one_line(stderr, "speedrun.py", "SIGINT")
    assert not (out / "model.pt").exists()


def test_loss_that_is_no_number_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setattr(fast_runs, "mean_loss", lambda *_: math.nan)
    with pytest.raises(Diverged, match="not finite"):
        speedrun.main(tiny(tmp_path, steps=1))
