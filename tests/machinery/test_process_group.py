"""Several processes: what they average, and in which order they end."""

import json
import sys

import pytest
import torch

from machinery import process_group
from machinery.errors import MachineError
from machinery.process_group import average, init_distributed, n_processes
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


CPU = torch.device("cpu")


@pytest.fixture
def group(monkeypatch):
    """The second of three processes, and what it asks of the group, in order."""
    asked = []

    def note(name):
        return lambda *arguments: asked.append((name, *arguments))

    for name in ("init_process_group", "barrier", "destroy_process_group"):
        monkeypatch.setattr(process_group.dist, name, note(name))
    monkeypatch.setattr(torch.cuda, "set_device", note("set_device"))
    monkeypatch.setattr(process_group.dist, "get_rank", lambda: 1)
    monkeypatch.setattr(process_group.dist, "get_world_size", lambda: 3)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    return asked


BEGIN, WORK = ("init_process_group", "gloo"), ("work",)
BARRIER, END = ("barrier",), ("destroy_process_group",)


def silent(*_):
    raise RuntimeError("connection closed by peer")


def test_there_is_one_process_unless_torchrun_tells_of_more(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert n_processes() == 1
    monkeypatch.setenv("WORLD_SIZE", "12")
    assert n_processes() == 12


@pytest.mark.parametrize(
    ("name", "device", "asked"),
    [
        ("cpu", CPU, [BEGIN]),
        (
            "cuda", torch.device("cuda:1"),
            [("set_device", torch.device("cuda:1")), ("init_process_group", "nccl")],
        ),
    ],
)  # fmt: skip
def test_a_process_takes_the_processor_or_the_card_of_its_number(
    group, name, device, asked
):
    assert init_distributed(torch.device(name)) == device
    assert group == asked


def test_a_process_leaves_only_after_all_have_done_their_work(group):
    with process_group.process_group(CPU) as found:
        group.append(WORK)
    assert found == (1, CPU)
    assert group == [BEGIN, WORK, BARRIER, END]


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyError("mine")])
def test_an_error_of_its_own_is_raised_as_it_is_and_waits_for_nobody(group, error):
    with pytest.raises(type(error)) as found, process_group.process_group(CPU):
        raise error
    assert found.value is error
    assert group == [BEGIN, END]


def test_a_process_that_ended_before_its_work_was_done_is_missed(group, monkeypatch):
    monkeypatch.setattr(process_group.dist, "barrier", silent)
    message = "^process 1 of 3: another one ended or is silent$"
    with (
        pytest.raises(MachineError, match=message) as error,
        process_group.process_group(CPU),
    ):
        pass
    assert isinstance(error.value.__cause__, RuntimeError)
    assert group == [BEGIN, END]


def test_one_process_has_no_group(group, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(process_group.dist, "all_reduce", silent)
    with process_group.process_group(torch.device("meta")) as found:
        alone = torch.tensor([3.0])
        average([alone])
    assert found == (0, torch.device("meta"))
    assert alone.item() == 3
    assert group == []


def test_each_tensor_becomes_its_mean_over_the_processes_in_one_message(
    group, monkeypatch
):
    sent = []

    def all_reduce(flat):
        """Add what the two other processes have: ten times and a hundred times it."""
        sent.append(flat.clone())
        flat += 10 * flat + 100 * flat

    monkeypatch.setattr(process_group.dist, "all_reduce", all_reduce)
    tensors = [torch.tensor(3.0), torch.arange(6.0).view(2, 3).T, torch.ones(0, 2)]
    before = [tensor.clone() for tensor in tensors]
    average(tensors)
    for tensor, old in zip(tensors, before, strict=True):
        assert torch.equal(tensor, 37 * old)
    assert [len(message) for message in sent] == [7]


def test_where_nobody_answers_there_is_no_mean(group, monkeypatch):
    monkeypatch.setattr(process_group.dist, "all_reduce", silent)
    tensor = torch.ones(2)
    with pytest.raises(MachineError, match="process 1 of 3"):
        average([tensor])
    assert torch.equal(tensor, torch.ones(2))
