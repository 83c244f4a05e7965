"""A bar over steps, and signals that wait for the end of one."""

import io
import signal
import sys

import pytest

from machinery import progress
from machinery.errors import Interrupted
from machinery.progress import Progress


def test_progress_passes_every_step_on_and_is_silent_without_a_terminal(capsys):
    with Progress(5) as progress:
        progress.label("a label")
        assert list(progress.watch("abcde")) == list("abcde")
    assert capsys.readouterr() == ("", "")


def test_a_signal_ends_the_steps_after_the_one_in_which_it_arrived(restored_signals):
    progress.catch_signals()
    done = []
    with pytest.raises(Interrupted, match="stopped by SIGTERM") as end:  # noqa: PT012
        for step in progress.stoppable(range(5)):
            if step == 2:
                signal.raise_signal(signal.SIGTERM)
            done.append(step)
    assert done == [0, 1, 2]
    assert end.value.status == 143
    assert progress.received_signal() == signal.SIGTERM


def test_without_a_signal_nothing_is_received(restored_signals):
    progress.catch_signals()
    assert list(progress.stoppable("abc")) == ["a", "b", "c"]
    assert progress.received_signal() is None


def test_printing_beside_a_bar_is_printing(capsys):
    with Progress(2) as bar:
        for step in bar.watch("ab"):
            bar.print("step", step)
    assert capsys.readouterr() == ("step a\nstep b\n", "")


class Screen(io.StringIO):
    """A terminal: what is written is seen at once."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return its lines: what comes after a carriage return overwrites."""
        shown = []
        for line in self.getvalue().split("\n"):
            cells = ""
            for text in line.split("\r"):
                cells = text + cells[len(text) :]
            shown.append(cells.rstrip())
        return shown


class Buffered(io.StringIO):
    """A stream whose text waits to be flushed to the screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def flush(self) -> None:
        self.screen.write(self.getvalue())
        self.seek(0)
        self.truncate()


def watched(monkeypatch) -> Screen:
    """Return what stderr shows from here on, and stdout as soon as it is flushed."""
    screen = Screen()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", Buffered(screen))
    return screen


def test_a_bar_counts_the_steps_out_of_all_and_leaves_nothing_behind(monkeypatch):
    screen = watched(monkeypatch)
    with Progress(5) as bar:
        bar.label("a label")
        list(bar.watch("ab"))
        bar.bar.refresh()
        (line,) = screen.lines()
        assert line.startswith("a label:  40%|")
        assert "| 2/5 [" in line
        assert " steps" in line
        list(bar.watch("a", cost=2))
        bar.expect(8)
        (line,) = screen.lines()
        assert line.startswith("a label:  50%|")
        assert "| 4/8 [" in line
    assert screen.lines() == [""]


def test_a_bar_may_count_something_else(monkeypatch):
    screen = watched(monkeypatch)
    with Progress(7, " jobs"):
        (line,) = screen.lines()
    assert "| 0/7 [" in line
    assert line.endswith(" jobs/s]")


def test_printing_writes_lines_of_their_own_above_the_bar(monkeypatch):
    screen = watched(monkeypatch)
    with Progress(2) as bar:
        bar.print("a", 1)
        bar.print("b")
        *lines, last = screen.lines()
        assert lines == ["a 1", "b"]
        assert "| 0/2 [" in last


def test_the_first_signal_is_noted_and_a_second_one_has_its_usual_way(
    restored_signals,
):
    progress.catch_signals()
    caught = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert caught == [progress.note_signal] * 2
    signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    progress.note_signal(signal.SIGINT, None)
    assert progress.received_signal() == signal.SIGTERM
    with pytest.raises(Interrupted, match="SIGTERM"):
        list(progress.stoppable("a"))
