"""From a dataclass to a command line; errors and signals to one line and a status.

Exit status: 0; 1 the machine failed; 2 bad input or a bad file; 130 and 143 after
Ctrl-C and SIGTERM.
"""

import argparse
import math
import operator
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from atomic_file import SaveError

LIMITS = {
    "at_least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "at_most": ("at most", operator.le),
    "below": ("below", operator.lt),
}
_signals: list[int] = []  # received and not yet acted upon


class Interrupted(Exception):
    """A signal asked for the end; what the last epoch wrote is kept."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.status = 128 + signum


def option(default: Any, help: str, **rules: Any) -> Any:
    """A dataclass field with a help text, and limits (at_least=1) or choices."""
    return field(default=default, metadata={"help": help, **rules})


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def check(config: Any) -> None:
    """Raise ValueError for a field that breaks the rules of its option."""
    for f in fields(config):
        value = getattr(config, f.name)
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{flag(f.name)} must be finite, got {value}")
        choices = f.metadata.get("choices")
        if choices and value not in choices:
            raise ValueError(
                f"{flag(f.name)} must be one of {', '.join(choices)}, got {value}"
            )
        for rule, (words, holds) in LIMITS.items():
            limit = f.metadata.get(rule)
            if limit is not None and not holds(value, limit):
                raise ValueError(f"{flag(f.name)} must be {words} {limit}, got {value}")


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        sys.stderr.write(f"{self.prog}: {message}\n")
        sys.exit(2)


def parse(
    config_class: type, argv: list[str] | None = None, about: str | None = None
) -> tuple[Any, bool]:
    """Return (config, debug) from the command line; exit with status 2 on bad input."""
    parser = OneLineParser(
        description=about,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for f in fields(config_class):
        parser.add_argument(
            flag(f.name),
            default=f.default,
            help=f"{f.metadata['help']} (default: {f.default})".replace("%", "%%"),
            **argument(f),
        )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    values = vars(parser.parse_args(argv))
    debug = values.pop("debug")
    try:
        return config_class(**values), debug
    except ValueError as error:
        parser.error(str(error))


def argument(f: Field) -> dict[str, Any]:
    """argparse's keywords for a field of type int, float, str, bool or one | None."""
    if f.type is bool:
        return {"action": argparse.BooleanOptionalAction}
    kind = f.type
    if isinstance(kind, types.UnionType):
        kind = next(t for t in get_args(kind) if t is not type(None))

        def optional(text: str) -> Any:
            return None if text.lower() == "none" else kind(text)

        optional.__name__ = kind.__name__  # argparse names the type in its errors
        return {"type": optional, "metavar": kind.__name__.upper()}
    return {"type": kind, "metavar": kind.__name__.upper()}


def stoppable(steps: Iterable) -> Iterator:
    """Raise Interrupted after the step in which a signal arrived."""
    for step in steps:
        yield step
        if _signals:
            raise Interrupted(_signals[0])


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

    def watch(self, steps: Iterable) -> Iterator:
        for step in stoppable(steps):
            yield step
            self.bar.update()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def note_signal(signum: int, _frame: object) -> None:
    """Keep the first signal for the end of the step; a second one aborts at once."""
    _signals.append(signum)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def run(main: Callable[[Any], None], config_class: type, about: str | None) -> None:
    """Run main(config) from the command line and exit with its status."""
    config, debug = parse(config_class, about=about)
    signal.signal(signal.SIGINT, note_signal)
    signal.signal(signal.SIGTERM, note_signal)
    program = Path(sys.argv[0]).name
    try:
        main(config)
        status, message = (128 + _signals[0] if _signals else 0), ""
    except Interrupted as error:
        status, message = error.status, str(error)
    except KeyboardInterrupt:
        status, message = 130, "aborted"
    except (SaveError, MemoryError, ConnectionError) as error:
        if debug:
            raise
        status, message = 1, str(error) or "out of memory"
    except (ValueError, FloatingPointError, OSError) as error:
        if debug:
            raise
        status, message = 2, str(error)
    except RuntimeError as error:  # torch has no class of its own for this
        if debug or "memory" not in str(error):
            raise
        status, message = 1, f"out of memory: {str(error).splitlines()[0]}"
    if message:
        sys.stderr.write(f"{program}: {message}\n")
    sys.exit(status)
