"""Each end of a program: its status, and one line or a traceback."""

import pickle
import signal

import pytest

from machinery.errors import (
    BadInput,
    Diverged,
    Interrupted,
    MachineError,
    OneLineParser,
    SaveError,
    describe_end,
    exit_with,
)

OURS = [
    (BadInput("a bad value"), 2, "a bad value"),
    (Diverged("nan"), 2, "nan"),
    (FileNotFoundError(2, "Gone", "a.txt"), 2, "[Errno 2] Gone: 'a.txt'"),
    (SaveError("a full disk"), 1, "a full disk"),
    (MachineError("it ended"), 1, "it ended"),
    (MemoryError("too large"), 1, "too large"),
    (MemoryError(), 1, "out of memory"),
    (
        RuntimeError("CUDA out of memory. Tried\nand so on"), 1,
        "out of memory: CUDA out of memory. Tried",
    ),
]  # fmt: skip
STOPPED = [
    (Interrupted(signal.SIGINT), 130, "stopped by SIGINT"),
    (Interrupted(signal.SIGTERM), 143, "stopped by SIGTERM"),
    (KeyboardInterrupt(), 130, "aborted"),
]


def end_of(error: BaseException, *debug: bool) -> tuple[int, str] | None:
    """Return None for an end by Ctrl-C that is raised: it would end the tests, too."""
    try:
        return describe_end(error, *debug)
    except KeyboardInterrupt:
        return None


@pytest.mark.parametrize(("error", "status", "line"), OURS + STOPPED)
def test_an_expected_end_has_a_status_and_a_line(error, status, line):
    assert end_of(error) == (status, line)


@pytest.mark.parametrize(("error", "status", "line"), OURS)
def test_debug_asks_for_the_traceback_of_an_error(error, status, line):
    with pytest.raises(type(error)) as again:
        describe_end(error, debug=True)
    assert again.value is error


@pytest.mark.parametrize(("error", "status", "line"), STOPPED)
def test_a_signal_is_no_error_to_debug(error, status, line):
    assert end_of(error, True) == (status, line)


@pytest.mark.parametrize(
    "error", [ValueError("memory"), RuntimeError("shapes"), ZeroDivisionError()]
)
def test_a_bug_is_raised_again(error):
    with pytest.raises(type(error)) as again:
        describe_end(error)
    assert again.value is error


@pytest.mark.parametrize(("status", "message"), [(0, ""), (3, ""), (1, "it is full")])
def test_a_program_ends_with_its_status_and_at_most_one_line(status, message, capsys):
    with pytest.raises(SystemExit) as end:
        exit_with(status, message, "train.py")
    assert end.value.code == status
    said = "train.py: it is full\n" if message else ""
    assert capsys.readouterr() == ("", said)


def test_a_command_line_that_is_refused_is_one_line_and_status_2(capsys):
    with pytest.raises(SystemExit) as end:
        OneLineParser("train.py").parse_args(["--colour"])
    assert end.value.code == 2
    message = "train.py: unrecognized arguments: --colour\n"
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interruption_is_the_same_after_a_way_between_processes(name):
    error = Interrupted(getattr(signal, name))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is Interrupted
    assert str(again) == f"stopped by {name}"
    assert (str(again), again.status) == (str(error), error.status)
