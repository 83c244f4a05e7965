"""Whose modules an import finds while a solution runs: its own, and none of ours.

Our modules and all that they import are loaded before; they keep what they hold while
they are hidden. Only the exercise's own files stand in for those that a folder lacks.
"""

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from grading.sandbox import FILES, ROOT

ENVIRONMENT = Path(sys.prefix).resolve()


@functools.cache  # and of strings: there are thousands of modules for every question
def lies_in(path: str, folder: str) -> bool:
    """Whether a file is in a folder, and not in a Python environment within it."""
    if not os.path.isabs(path):  # torch.ops and the like: modules without a file
        return False
    real = Path(path).resolve()
    if ENVIRONMENT.is_relative_to(folder) and real.is_relative_to(ENVIRONMENT):
        return False
    return real.is_relative_to(folder)


def is_from(module: ModuleType, folder: str) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:  # a folder without __init__.py has a path only
        return any(lies_in(path, folder) for path in getattr(module, "__path__", ()))
    return lies_in(file, folder)


@functools.cache
def finds_us(finder: object) -> bool:
    """Whether it finds this module off the path, as an editable install's does.

    To be asked while the path does not lead to us.
    """
    spec = finder.find_spec(__name__.partition(".")[0], None)
    return bool(spec and spec.origin) and lies_in(spec.origin, str(ROOT))


def ours(name: str) -> ModuleType:
    """Import a module with our folder first on the path."""
    before = sys.path[:]
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:] = before


OURS = {file: ours(file.removesuffix(".py")) for file in FILES}


FOREIGN: dict[str, ModuleType] = {}  # looked at and not ours: there are thousands


def modules_from_us() -> dict[str, ModuleType]:
    """Return the loaded modules whose files are ours."""
    ours = {}
    for name, module in sys.modules.items():
        if FOREIGN.get(name) is not module:
            (ours if is_from(module, str(ROOT)) else FOREIGN)[name] = module
    return ours


def modules_named(names: set[str]) -> dict[str, ModuleType]:
    """Return the loaded modules of these top-level names, with what is in them."""
    tops = tuple(f"{name}." for name in names & sys.modules.keys())
    return {
        name: module
        for name, module in sys.modules.items()
        if name in names or name.startswith(tops)
    }


@contextlib.contextmanager
def importing_from(
    folder: Path,
    names: set[str],
    own: dict[str, ModuleType],
    roads: Iterable[Path] = (),
) -> Iterator[None]:
    """Let imports find the modules of a folder, whose names these are, and not ours.

    own holds what was imported from it before, and holds afterwards all that is. roads
    are further folders of the solution, asked after everything that is installed.
    """
    root, home = str(ROOT), str(folder)
    hidden = modules_from_us() | modules_named(names)
    others = sys.modules.keys() - hidden.keys()
    path, finders = sys.path[:], sys.meta_path[:]
    try:
        for name in hidden:
            del sys.modules[name]
        sys.path[:] = [p for p in path if not lies_in(os.path.abspath(p), root)]
        sys.meta_path[:] = [finder for finder in finders if not finds_us(finder)]
        sys.path[:] = [home, *sys.path, *map(str, roads)]
        sys.modules.update(own)
        yield
    finally:
        own.clear()
        for name in sys.modules.keys() - others:
            if is_from(sys.modules[name], home) or is_from(sys.modules[name], root):
                own[name] = sys.modules.pop(name)
        sys.modules.update(hidden)
        sys.path[:] = path
        added = [finder for finder in sys.meta_path if finder not in finders]
        sys.meta_path[:] = added + finders
