"""From a dataclass to a command line, and from an error to a line and a status."""

import argparse
import math
import operator
import sys
import types
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from machinery.errors import BadInput, OneLineParser, describe_end, exit_with
from machinery.process import pick_device
from machinery.progress import catch_signals, received_signal

LIMITS = {
    "at_least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "at_most": ("at most", operator.le),
    "below": ("below", operator.lt),
}


def option(default: Any, help: str, **rules: Any) -> Any:
    """A dataclass field with a help text, and limits (at_least=1) or choices.

    With positional=True it is an argument that may be left out, not a flag.
    """
    return field(default=default, metadata={"help": help, **rules})


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def check(config: Any) -> None:
    """Raise BadInput for a field that breaks the rules of its option."""
    for f in fields(config):
        value = getattr(config, f.name)
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"{flag(f.name)} must be finite, got {value}")
        choices = f.metadata.get("choices")
        if choices and value not in choices:
            raise BadInput(
                f"{flag(f.name)} must be one of {', '.join(choices)}, got {value}"
            )
        for rule, (words, holds) in LIMITS.items():
            limit = f.metadata.get(rule)
            if limit is not None and not holds(value, limit):
                raise BadInput(f"{flag(f.name)} must be {words} {limit}, got {value}")


@dataclass(frozen=True)
class RunConfig:
    """What every run has; a driver adds its own options and changes defaults."""

    output_dir: str = option("outputs", "folder for figures, numbers and model")
    seed: int = option(42, "seed of everything random", at_least=0, at_most=2**32 - 1)
    device: str = option("cpu", "where to run", choices=("cpu", "cuda", "mps", "auto"))
    threads: int | None = option(
        None, "processor threads; none: one a core", at_least=1, at_most=1024
    )

    def __post_init__(self) -> None:
        check(self)


def begin(config: RunConfig) -> torch.device:
    """Seed what is random, set the threads, and return the device to run on.

    Raise BadInput for a device that this machine lacks.
    """
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    return pick_device(config.device)


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
        positional = f.metadata.get("positional")
        parser.add_argument(
            f.name if positional else flag(f.name),
            default=f.default,
            help=f"{f.metadata['help']} (default: {f.default})".replace("%", "%%"),
            **argument(f) | ({"nargs": "?", "metavar": "NAME"} if positional else {}),
        )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    values = vars(parser.parse_args(argv))
    debug = values.pop("debug")
    try:
        return config_class(**values), debug
    except BadInput as error:
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


def run(main: Callable[[Any], None], config_class: type, about: str | None) -> None:
    """Run main(config) from the command line and exit with its status."""
    config, debug = parse(config_class, about=about)
    catch_signals()
    try:
        main(config)
        signum = received_signal()
        status, message = (128 + signum if signum else 0), ""
    except (Exception, KeyboardInterrupt) as error:
        status, message = describe_end(error, debug)
    exit_with(status, message, Path(sys.argv[0]).name)
