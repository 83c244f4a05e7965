"""A bar over steps, and signals that wait for the end of one."""

import signal

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
