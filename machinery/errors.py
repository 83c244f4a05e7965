"""Errors to one line and a status.

Exit status: 0; 1 the machine failed, or a bug, which keeps its traceback; 2 bad input
or a bad file; 130 and 143 after Ctrl-C and SIGTERM.
"""

import argparse
import signal
import sys


class BadInput(ValueError):
    """What a user typed, named or chose: names the thing, the rule and the value."""


class Diverged(BadInput):
    """A loss or a weight is no longer finite under the settings chosen."""


class MachineError(OSError):
    """The machine is to blame and not the input: a full disk, a process that ended."""


class SaveError(MachineError):
    """A file could not be written; the file of that name, if any, is the old one."""


class Interrupted(Exception):
    """A signal asked for the end; what the last epoch wrote is kept."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.status = 128 + signum

    def __reduce__(self) -> tuple:
        return Interrupted, (self.status - 128,)


class OneLineParser(argparse.ArgumentParser):
    """argparse without the usage that it prints before an error."""

    def error(self, message: str) -> None:  # type: ignore[override]
        exit_with(2, message, self.prog)


def exit_with(status: int, message: str, program: str) -> None:
    """End the program with one line on stderr, if there is anything to say."""
    if message:
        sys.stderr.write(f"{program}: {message}\n")
    sys.exit(status)


def describe_end(error: BaseException, debug: bool = False) -> tuple[int, str]:
    """Return the status and the line of an expected end.

    Raise the error again where it is a bug of ours, or where debug asks for its
    traceback.
    """
    match error:
        case Interrupted():
            return error.status, str(error)
        case KeyboardInterrupt():
            return 130, "aborted"
        case _ if debug:
            raise error
        case MachineError() | MemoryError():
            return 1, str(error) or "out of memory"
        case BadInput() | OSError():
            return 2, str(error)
        case RuntimeError() if "memory" in str(error):  # torch has no class for this
            return 1, f"out of memory: {str(error).splitlines()[0]}"
    raise error
