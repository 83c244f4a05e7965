"""Real faults, many times over: kills, full disks, neighbours and absurd files."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gpt import runs
from machinery import checkpoint
from machinery.checkpoint import CheckpointError
from machinery.run_folder import RunFolder
from tests.helpers import (
    ROOT,
    assert_one_line,
    assert_same_run,
    read,
    run_driver,
    run_python,
)

# One process imports torch and forks a saver for every kill.
FORK_SAVERS = """
import os, sys, torch; from machinery import checkpoint
from machinery.files import write_atomic
torch.set_num_threads(1)
state = {"weight": torch.zeros(300_000)}
write_atomic(sys.argv[1], checkpoint.dump("linear", state, {"n": 0}, {}))
for _ in range(50):
    child = os.fork()
    if child == 0:
        n = 0
        while True:
            n += 1
            state["weight"].fill_(n)
            write_atomic(sys.argv[1], checkpoint.dump("linear", state, {"n": n}, {}))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("killed", flush=True)
    sys.stdin.readline()
"""


def is_whole(path: Path) -> bool:
    content = checkpoint.read(path)
    return bool((content["state_dict"]["weight"] == content["config"]["n"]).all())


def test_fault_1_fifty_kills_during_saves_leave_a_whole_checkpoint(tmp_path):
    moments = random.Random(0)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    path, unfinished = tmp_path / "checkpoint.pt", 0
    command = [sys.executable, "-c", FORK_SAVERS, str(path)]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as server:
        for _ in range(50):
            child = int(server.stdout.readline())
            time.sleep(moments.uniform(0.0, 0.05))
            os.kill(child, signal.SIGKILL)
            assert server.stdout.readline() == "killed\n"
            unfinished += (tmp_path / "checkpoint.pt.partial").exists()
            assert is_whole(path)
            server.stdin.write("next\n")
            server.stdin.flush()
    assert unfinished > 5  # the kills did come in the middle of saves


def test_fault_2_every_prefix_of_a_real_checkpoint_is_refused(finished_gpt, tmp_path):
    data = (finished_gpt[0] / "checkpoint.pt").read_bytes()
    path = tmp_path / "checkpoint.pt"
    for length in range(0, len(data), 512):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
            checkpoint.read(path)


def test_a_file_larger_than_the_memory_is_refused_unread(tmp_path, finished_gpt):
    data = (finished_gpt[0] / "model.pt").read_bytes()
    path = tmp_path / "model.pt"
    with open(path, "wb") as file:  # a sparse file: an archive behind a large hole
        file.seek(int(checkpoint.memory_size()) + 1)
        file.write(data)
    began = time.perf_counter()
    with pytest.raises(CheckpointError, match="of memory"):
        checkpoint.read(path)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "change",
    [
        {"n_layer": 10**9},
        {"n_embd": 10**9 * 2},
        {"block_size": 10**12},
        {"n_layer": -1},
        {"n_head": 0},
    ],
)
@pytest.mark.timeout(20)
def test_absurd_sizes_are_refused_before_any_memory(change, finished_gpt, tmp_path):
    content = checkpoint.read(finished_gpt[0] / "model.pt")
    path = tmp_path / "model.pt"
    config = content["config"] | change
    data = checkpoint.dump(
        "gpt", content["state_dict"], config, content["preprocessing"]
    )
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"model\.pt"):
        runs.load(path)


def test_a_tensor_that_claims_more_than_its_bytes_is_refused(finished_gpt, tmp_path):
    content = checkpoint.read(finished_gpt[0] / "model.pt")
    wte = content["state_dict"]["wte.weight"]
    content["state_dict"]["wte.weight"] = wte[:1, :1].expand(wte.shape)
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="smaller than its shape"):
        runs.load(path)


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_fault_6_a_disk_that_fills_up_keeps_the_last_epoch(gpt_flags, tmp_path):
    first = run_driver("train_gpt.py", *gpt_flags, "--epochs", 1, cwd=tmp_path)
    assert first.returncode == 0
    folder = tmp_path / "outputs" / "gpt"
    before = {
        name: (folder / name).read_bytes() for name in ("model.pt", "metrics.csv")
    }
    result = run_python(
        "-c", FULL_DISK, ROOT / "train_gpt.py", *gpt_flags, "--resume",
        "--n-embd", 8, "--epochs", 60, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 1
    assert_one_line(result.stderr, "cannot save", "File too large", "is kept")
    assert not list(folder.glob("*.partial"))
    assert read(folder)["epoch"] >= 1
    runs.load(folder / "model.pt")
    assert before["metrics.csv"] in (folder / "metrics.csv").read_bytes()


@pytest.mark.parametrize("driver", ["train_gmm.py", "train_umm.py", "train_gpt.py"])
def test_a_second_run_in_the_same_folder_is_refused(
    driver, tmp_path, places, gpt_flags
):
    flags = gpt_flags if driver == "train_gpt.py" else ("--data-dir", places)
    with RunFolder(tmp_path / "out"):  # of this process
        result = run_driver(driver, *flags, "--output-dir", "out", cwd=tmp_path)
    assert result.returncode == 2
    assert_one_line(result.stderr, "out is in use by another run")


def train_here(cwd: Path, flags: list[str], catching) -> None:
    """Run train_gpt.py in this (forked) process, silently.

    The event catching is set as soon as signals wait for the end of a step.
    """
    import train_gpt
    from machinery import cli

    catch_signals = cli.catch_signals
    cli.catch_signals = lambda: (catch_signals(), catching.set())
    os.chdir(cwd)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    torch.set_num_threads(1)
    sys.argv = ["train_gpt.py", *flags]
    cli.run(train_gpt.main, train_gpt.Config, None)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fault_9_twenty_interruptions_at_random_moments_change_nothing(
    gpt_flags, tmp_path
):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train_gpt"])
    flags = [*map(str, gpt_flags), "--sample-length", "8"]

    def start(folder: str, n_epochs: int, *more: str):
        own = ["--epochs", str(n_epochs), "--output-dir", folder, *more]
        catching = context.Event()
        arguments = (tmp_path, [*flags, *own], catching)
        child = context.Process(target=train_here, args=arguments)
        child.start()
        assert catching.wait(60)
        return child

    moments, ends = random.Random(0), []
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    while len(ends) < 20:
        begun = (tmp_path / "stopped" / "checkpoint.pt").exists()
        child = start("stopped", 100_000, *["--resume"] * begun)
        time.sleep(moments.uniform(0.0, 0.4))
        os.kill(child.pid, moments.choice(kinds))
        child.join()
        ends.append(child.exitcode)
    assert 0 not in ends
    assert {130, 143, -9} <= {*ends}
    n_epochs = read(tmp_path / "stopped")["epoch"] + 1
    for last in (start("stopped", n_epochs, "--resume"), start("whole", n_epochs)):
        last.join()
        assert last.exitcode == 0
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")
