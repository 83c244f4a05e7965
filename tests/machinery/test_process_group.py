"""Several processes: what they average, and in which order they end."""

import json
import sys

import pytest

from tests.helpers import ROOT, assert_one_line, start_two

PROGRAM = """
import json, pathlib, time
from dataclasses import dataclass
import torch
from machinery import cli
from machinery.errors import SaveError
from machinery.process_group import average, process_group

def threads():
    tasks = pathlib.Path("/proc/self/task").glob("*/comm")
    return [name for t in tasks if "gloo" in (name := t.read_text().strip())]

@dataclass(frozen=True)
class Config:
    full_disk: bool = cli.option(False, "whether the first process fails")

def main(config):
    with process_group(torch.device("cpu")) as (rank, _):
        torch.optim.SGD([torch.zeros(1)])  # imports what could hold the group
        means = [torch.tensor(rank + 1.0), torch.full((2, 3), 8.0 * rank).T]
        average(means)
        during = threads()
        if rank == 0:
            time.sleep(1)
            if config.full_disk:
                raise SaveError("cannot save numbers.csv: No space left on device")
        done = time.time()
    print(json.dumps({
        "done": done, "left": time.time(), "during": during, "after": threads(),
        "means": [mean.tolist() for mean in means],
    }))

cli.run(main, Config, "")
"""


@pytest.fixture
def two(tmp_path):
    """Run the program in two processes: (status, stdout, stderr) of each."""
    (tmp_path / "program.py").write_text(
        f"import sys; sys.path[0] = {str(ROOT)!r}\n{PROGRAM}"
    )

    def run(*flags):
        processes = start_two("program.py", *flags, cwd=tmp_path)
        outputs = [p.communicate(timeout=100) for p in processes]
        return [(p.returncode, *o) for p, o in zip(processes, outputs, strict=True)]

    return run


def test_good_end(two):
    ends = two()
    assert [end[0] for end in ends] == [0, 0], ends
    first, second = (json.loads(end[1]) for end in ends)
    assert first["means"] == second["means"] == [1.5, [[4.0] * 2] * 3]
    assert second["left"] >= first["done"]  # nobody leaves before the last is done
    assert first["after"] == second["after"] == []  # a thread could abort the process
    if sys.platform == "linux":
        assert first["during"]


def test_error_in_one_ends_the_other(two):
    first, second = two("--full-disk")
    assert (first[0], second[0]) == (1, 1)
    assert_one_line(first[2], "program.py", "cannot save numbers.csv")
    assert_one_line(second[2], "program.py", "process 1 of 2", "another one ended")
