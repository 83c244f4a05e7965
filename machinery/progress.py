"""A bar over a job's steps, and signals that end it between two of them."""

import signal
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from machinery.errors import Interrupted

_received: list[int] = []  # signals not yet acted upon


def catch_signals() -> None:
    """Have Ctrl-C and SIGTERM wait for the end of the step."""
    signal.signal(signal.SIGINT, note_signal)
    signal.signal(signal.SIGTERM, note_signal)


def note_signal(signum: int, _frame: object) -> None:
    """Keep the first signal for the end of the step; a second one aborts at once."""
    _received.append(signum)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def received_signal() -> int | None:
    return _received[0] if _received else None


def stoppable(steps: Iterable) -> Iterator:
    """Raise Interrupted after the step in which a signal arrived."""
    for step in steps:
        yield step
        if _received:
            raise Interrupted(_received[0])


class Progress:
    """One bar over all steps of a job; the end of a step is where a signal ends it."""

    def __init__(self, total: int, unit: str = " steps") -> None:
        # disable=None: silent when stderr is no terminal
        self.bar = tqdm(total=total, unit=unit, disable=None, leave=False)

    def label(self, text: str) -> None:
        self.bar.set_description(text)

    def print(self, *text: str) -> None:
        """Print to stdout without tearing the bar."""
        self.bar.clear()
        print(*text, flush=True)
        self.bar.refresh()

    def watch(self, steps: Iterable, cost: int = 1) -> Iterator:
        """Pass steps on, each of which is so many of the bar's."""
        for step in stoppable(steps):
            yield step
            self.advance(cost)

    def advance(self, cost: int) -> None:
        self.bar.update(cost)

    def expect(self, total: int) -> None:
        """Say anew how many of the bar's steps there are in all."""
        self.bar.total = total
        self.bar.refresh()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
