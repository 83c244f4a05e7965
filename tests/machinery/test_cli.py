"""From a dataclass to a command line, and from errors to one line and a status."""

import os
import re
import signal
import sys
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch

import train_gmm
from machinery import cli
from machinery.cli import option
from machinery.errors import BadInput, Diverged, Interrupted, MachineError, SaveError
from machinery.progress import Progress
from tests.helpers import assert_one_line


@dataclass(frozen=True)
class Config:
    epochs: int = option(10, "passes, 100% of the data each", at_least=1)
    learning_rate: float = option(0.5, "step size", above=0, below=100)
    top_k: int | None = option(None, "most likely characters", at_least=1, at_most=9)
    data_dir: str | None = option("here", "folder")
    device: str = option("cpu", "where to run", choices=("cpu", "cuda"))
    plain: bool = option(False, "without colours")

    def __post_init__(self) -> None:
        cli.check(self)


def parse(*argv: str) -> Config:
    return cli.parse(Config, list(argv))[0]


def run(monkeypatch, main, *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", ["/some/where/program.py", *argv])
    with pytest.raises(SystemExit) as end:
        cli.run(main, Config, "A program.")
    return end.value.code


def test_no_flags_give_the_defaults():
    assert parse() == Config()
    assert parse() == Config(10, 0.5, None, "here", "cpu", False)


def test_every_kind_of_value_is_parsed():
    config = parse(
        "--epochs", "3", "--learning-rate", "1", "--top-k", "4", "--device", "cuda",
        "--plain", "--data-dir", "my data",
    )  # fmt: skip
    assert config == Config(3, 1.0, 4, "my data", "cuda", True)
    assert type(config.learning_rate) is float
    assert type(config.top_k) is int


def test_scientific_notation_and_no_plain_are_understood():
    config = parse("--learning-rate=3e-4", "--no-plain")
    assert config.learning_rate == 0.0003
    assert config.plain is False


@pytest.mark.parametrize("text", ["none", "None", "NONE"])
def test_an_optional_value_may_be_none(text):
    config = parse("--top-k", text, "--data-dir", text)
    assert config.top_k is None
    assert config.data_dir is None


def test_a_positional_option_may_be_left_out_and_is_no_flag():
    @dataclass(frozen=True)
    class Named:
        report: str | None = option(None, "which", positional=True)
        outputs: str = option("outputs", "folder")

    assert cli.parse(Named, [])[0] == Named()
    assert cli.parse(Named, ["a", "--outputs", "b"])[0] == Named("a", "b")
    with pytest.raises(SystemExit):
        cli.parse(Named, ["--report", "a"])


def test_help_shows_the_types_and_keeps_the_lines_of_what_a_program_is_about(
    capsys, monkeypatch
):
    @dataclass(frozen=True)
    class Named:
        report: str | None = option(None, "which", positional=True)
        top_k: int | None = option(None, "most likely")
        rate: float = option(0.5, "step size")

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["program.py", "--help"])
    with pytest.raises(SystemExit) as end:
        cli.run(print, Named, "Two short\nlines.")
    assert end.value.code == 0
    usage, about, described = capsys.readouterr().out.split("\n\n", 2)
    expected = "usage: program.py [-h] [--top-k INT] [--rate FLOAT] [--debug] [NAME]"
    assert usage == expected
    assert about == "Two short\nlines."
    lines = [" ".join(line.split()) for line in described.splitlines()]
    assert "NAME which (default: None)" in lines
    assert "--top-k INT most likely (default: None)" in lines
    assert "--rate FLOAT step size (default: 0.5)" in lines
    assert "--debug show tracebacks" in lines


def test_debug_is_no_part_of_the_config():
    assert cli.parse(Config, ["--debug"]) == (Config(), True)
    assert cli.parse(Config, []) == (Config(), False)


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        ("--epochs 0", ["--epochs must be at least 1, got 0"]),
        ("--epochs -3", ["--epochs must be at least 1, got -3"]),
        ("--learning-rate 0", ["--learning-rate must be above 0, got 0.0"]),
        ("--learning-rate 100", ["--learning-rate must be below 100, got 100.0"]),
        ("--learning-rate nan", ["--learning-rate must be finite, got nan"]),
        ("--learning-rate inf", ["--learning-rate must be finite, got inf"]),
        ("--top-k 10", ["--top-k must be at most 9, got 10"]),
        ("--device tpu", ["--device must be one of cpu, cuda, got tpu"]),
        ("--epochs 1.5", ["--epochs", "int", "'1.5'"]),
        ("--learning-rate fast", ["--learning-rate", "float", "'fast'"]),
        ("--top-k some", ["--top-k", "int", "'some'"]),
        ("--epochs", ["--epochs", "expected one argument"]),
        ("--epoch 3", ["unrecognized arguments", "--epoch 3"]),
        ("--colour red", ["unrecognized arguments", "--colour red"]),
        ("stray", ["unrecognized arguments", "stray"]),
    ],
)
def test_bad_input_ends_in_one_line_and_status_2(argv, parts, capsys):
    with pytest.raises(SystemExit) as end:
        parse(*argv.split())
    assert end.value.code == 2
    assert_one_line(capsys.readouterr().err, *parts)


@pytest.mark.parametrize(("name", "value"), [("epochs", 1), ("top_k", 1), ("top_k", 9)])
def test_a_value_at_its_limit_is_accepted(name, value):
    config = parse("--" + name.replace("_", "-"), str(value))
    assert getattr(config, name) == value


def test_the_rules_hold_without_a_command_line_too():
    with pytest.raises(ValueError, match="--epochs must be at least 1, got 0"):
        Config(epochs=0)


@pytest.mark.parametrize("config_class", [Config, train_gmm.Config])
def test_help_names_every_option_with_its_default(config_class, capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as end:
        cli.parse(config_class, ["--help"], "About this program.")
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "About this program." in text
    *_, described = text.partition("options:")
    for f in fields(config_class):
        flag = "--" + f.name.replace("_", "-")
        pattern = rf"{flag}\b[^)]*{re.escape(f.metadata['help'])}"
        assert re.search(
            rf"{pattern} \(default: {re.escape(str(f.default))}\)", described
        )
    assert "--debug" in described


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_has_its_own_status(name, status):
    error = Interrupted(getattr(signal, name))
    assert error.status == status
    assert name in str(error)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_the_run_after_its_step(
    name, status, monkeypatch, capsys, restored_signals
):
    done = []

    def main(config):
        with Progress(3) as progress:
            for step in progress.watch(range(3)):
                if step == 1:
                    os.kill(os.getpid(), getattr(signal, name))
                done.append(step)

    assert run(monkeypatch, main) == status
    assert done == [0, 1]
    assert_one_line(capsys.readouterr().err, "program.py: ", name)


def test_a_second_ctrl_c_aborts_at_once(monkeypatch, capsys, restored_signals):
    done = []

    def main(config):
        signal.raise_signal(signal.SIGINT)
        done.append("first")
        signal.raise_signal(signal.SIGINT)
        done.append("second")

    assert run(monkeypatch, main) == 130
    assert done == ["first"]
    assert_one_line(capsys.readouterr().err, "program.py: aborted")


def test_a_signal_after_the_last_step_keeps_its_status(monkeypatch, restored_signals):
    assert run(monkeypatch, lambda _: signal.raise_signal(signal.SIGTERM)) == 143


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("a bad value"), 2),
        (Diverged("a bad value"), 2),
        (FileNotFoundError("a bad value"), 2),
        (SaveError("a bad value"), 1),
        (MachineError("a bad value"), 1),
        (MemoryError("a bad value"), 1),
    ],
)
def test_an_error_is_one_line_and_a_traceback_with_debug(
    error, status, monkeypatch, capsys, restored_signals
):
    def main(config):
        raise error

    assert run(monkeypatch, main) == status
    assert capsys.readouterr().err == "program.py: a bad value\n"
    monkeypatch.setattr(sys, "argv", ["program.py", "--debug"])
    with pytest.raises(type(error), match="a bad value"):
        cli.run(main, Config, None)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda _: 1 / 0,
        lambda _: list(zip("ab", "c", strict=True)),  # a ValueError
        lambda _: torch.zeros(2) @ torch.zeros(3),  # a RuntimeError
    ],
)
def test_fault_35_a_bug_of_ours_is_no_bad_input(
    mistake, monkeypatch, capsys, restored_signals
):
    monkeypatch.setattr(sys, "argv", ["program.py"])
    with pytest.raises((ZeroDivisionError, ValueError, RuntimeError)) as caught:
        cli.run(mistake, Config, None)
    assert not isinstance(caught.value, BadInput)
    assert capsys.readouterr().err == ""


def test_success_is_status_0_and_says_nothing(monkeypatch, capsys, restored_signals):
    seen = []
    assert run(monkeypatch, seen.append, "--epochs", "4") == 0
    assert seen == [Config(epochs=4)]
    assert capsys.readouterr() == ("", "")


def test_a_run_begins_with_its_seed_its_threads_and_its_device(monkeypatch):
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    device = cli.begin(cli.RunConfig(seed=5, threads=3, device="cuda"))
    assert device == torch.device("cuda")
    assert threads == [3]
    assert np.random.rand() == np.random.RandomState(5).rand()
    assert torch.equal(
        torch.rand(4), torch.rand(4, generator=torch.Generator().manual_seed(5))
    )
    cli.begin(cli.RunConfig())
    assert threads == [3]  # none: as many as there are


@pytest.mark.parametrize("status", [1, 2])
def test_a_signal_that_came_before_an_error_does_not_hide_it(
    status, monkeypatch, capsys, restored_signals
):
    def main(config):
        signal.raise_signal(signal.SIGTERM)
        raise {1: MachineError, 2: BadInput}[status]("told")

    assert run(monkeypatch, main) == status
    assert capsys.readouterr().err == "program.py: told\n"
