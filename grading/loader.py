"""A folder with a solution of the exercise: its files, imported and asked by name."""

import ast
import contextlib
import importlib
import os
import pkgutil
import random
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from grading import sources
from grading.classes import Blame, NotOffered
from grading.imports import FILES, OURS, ROOT, importing_from

# of our own solution, what stands in rooms and by which names
IN_ROOMS = {"models.py": "sentiment.model"}
OUR_NAMES = {
    "SelfAttention": "transformer.CausalSelfAttention",
    "MultiHeadSelfAttention": "headlines.model.MultiHeadSelfAttention",
    "TransformerBlock": "headlines.model.TransformerBlock",
}


class TimeLimit(BaseException):
    """A check ran for too long; nothing that a solution catches."""


class Solution:
    """The files of a folder, each imported once and when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        found = sources.scan(self.folder, *[0] * (self.folder == ROOT))
        self.sources = {source.path: source for source in found}
        self.home = os.getcwd()
        self.loaded: dict[str, ModuleType | BaseException] = {}
        self.names = {found.name for found in pkgutil.iter_modules([str(self.folder)])}
        self.roads = sources.roads(self.folder, found)
        above = self.folder.parent  # from there, it is called by its own name
        self.names |= {(self.folder if r == above else r).name for r in self.roads}
        self.names.discard("__main__")
        self.own_modules: dict[str, ModuleType] = {}
        for file in FILES:
            if not self.has(file):
                self.own_modules[file.removesuffix(".py")] = OURS[file]

    def has(self, what: str) -> bool:
        """Whether the folder has a file of that name, or one that defines it."""
        if self.folder == ROOT:
            return what in IN_ROOMS.keys() | OUR_NAMES.keys() | set(FILES)
        if what.endswith(".py"):
            return self.folder / what in self.sources
        return self.source_of(what) is not None

    def source_of(self, name: str) -> sources.Source | None:
        """The nearest file that defines it; those of the first exercise never do."""
        for path, source in self.sources.items():
            first = path.parent == self.folder and path.name in FILES
            if not first and name in source.defines:
                return source
        return None

    def enter(self) -> None:
        """Go into the folder, and put back what the solution has deleted there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, source in self.sources.items():
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(source.content)
        os.chdir(self.folder)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Let imports find this folder's files; leave no trace in the interpreter."""
        dtype = torch.get_default_dtype()
        if self.folder != ROOT:
            self.enter()
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(0)
        try:
            with importing_from(self.folder, self.names, self.own_modules, self.roads):
                yield
        finally:
            os.chdir(self.home)
            torch.set_default_dtype(dtype)

    def module(self, file: str) -> ModuleType:
        """Import a file of the folder.

        Blame says why it cannot be imported, NotOffered what it lacks here.
        """
        if not self.has(file):
            raise NotOffered(f"no {file} in the folder")
        return self.imported(file.removesuffix(".py"), file)

    def imported(self, name: str, file: str) -> ModuleType:
        if name not in self.loaded:
            self.loaded[name] = self.import_file(name)
        error = self.loaded[name]
        if isinstance(error, BaseException):
            if reason := self.lacks(error):
                raise NotOffered(reason)
            raise Blame(self.import_problem(file, error))
        return self.loaded[name]

    def import_file(self, name: str) -> ModuleType | BaseException:
        if name != "dataset" and self.has("dataset.py"):
            try:
                self.module("dataset.py")
            except (Blame, NotOffered):  # ours stands in: the models are still judged
                sys.modules["dataset"] = OURS["dataset.py"]
        try:
            where = IN_ROOMS.get(f"{name}.py", name) if self.folder == ROOT else name
            return importlib.import_module(where)
        except (Exception, SystemExit, TimeLimit) as error:
            return error

    def import_problem(self, file: str, error: BaseException) -> str:
        if isinstance(error, Blame):
            return str(error)
        if isinstance(error, TimeLimit):
            return (
                f"importing {file} takes longer than {error} seconds: what trains or "
                'plots belongs under if __name__ == "__main__"'
            )
        if isinstance(error, SyntaxError):
            where = Path(error.filename or file).name
            return f"{where} line {error.lineno} is not valid Python: {error.msg}"
        if isinstance(error, SystemExit):
            return f"{file} ends the program while it is being imported"
        return "importing stops: " + self.describe(error)

    def lacks(self, error: BaseException) -> str:
        """What is missing here, where that and no mistake is the cause, or nothing."""
        frame = self.frame(error)
        file = Path(frame.filename).name if frame else "the solution"
        if isinstance(error, ModuleNotFoundError) and error.name:
            return (
                f"{file} needs the module {error.name}, which is not installed here "
                "and not in the folder"
            )
        for wanted, ours in OURS.items() if self.folder != ROOT else ():
            asked = isinstance(error, AttributeError) and error.obj is ours
            if isinstance(error, ImportError):
                asked = error.path == ours.__file__
            if asked:
                why = (
                    "cannot be imported" if self.has(wanted) else "is not in the folder"
                )
                return f"{file} needs its own {wanted}, which {why}"
        return ""

    def frame(self, error: BaseException) -> traceback.FrameSummary | None:
        """Where in the solution the error arose."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            file = Path(frame.filename)
            if file.is_absolute() and file.resolve().is_relative_to(self.folder):
                return frame
        return None

    def describe(self, error: BaseException) -> str:
        """One line: where in the solution the error arose, and what it says."""
        text = str(error).replace(str(self.folder), self.folder.name)
        text = textwrap.shorten(text, 160, placeholder=" ...")
        kind = type(error).__name__
        if frame := self.frame(error):
            place = f"{Path(frame.filename).name} line {frame.lineno}"
            return f"{place} raises {kind}: {text}" if text else f"{place}: {kind}"
        return f"{kind}: {text}" if text else kind

    def find(self, name: str) -> Any:
        """A class or a function, from whichever file defines it.

        NotOffered where no file does, or where that file cannot be imported: to say why
        is a question of its own, check_imports.
        """
        if not self.has(name):
            raise NotOffered(f"no {name} in the folder")
        if self.folder == ROOT:
            where, _, name = OUR_NAMES[name].rpartition(".")
            return getattr(self.imported(where, where), name)
        source = self.source_of(name)
        try:
            return getattr(self.imported(source.name, source.path.name), name)
        except Blame:
            raise NotOffered(f"until {source.path.name} can be imported") from None

    def check_imports(self, *names: str) -> None:
        """Blame the first file with one of these names that cannot be imported."""
        for name in names if self.folder != ROOT else ():
            if source := self.source_of(name):
                self.imported(source.name, source.path.name)

    def give_up(self, files: str, why: str) -> None:
        """Import none of these files or names, 'one or another', but say why."""
        for what in files.split(" or "):
            source = self.source_of(what)
            name = source.name if source else what.removesuffix(".py")
            self.loaded[name] = Blame(why)

    def get(self, file: str, name: str) -> Any:
        found = getattr(self.module(file), name, None)
        if found is None:
            raise Blame(f"{file} has no {name}")
        return found

    def functions(self, pattern: str, files: tuple = FILES) -> Iterator[Callable]:
        """The functions and classes of these files whose names match."""
        for file in files:
            if not self.has(file):
                continue
            with contextlib.suppress(Blame, NotOffered):
                module = self.module(file)
                for name, value in vars(module).items():
                    own = getattr(value, "__module__", None) == module.__name__
                    if own and callable(value) and re.search(pattern, name, re.I):
                        yield value

    def calls(self, file: str, pattern: str) -> Iterator[tuple[int, set[str]]]:
        """Line and names among the arguments of calls to matching functions."""
        for node in ast.walk(ast.parse(self.sources[self.folder / file].content)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = {
                    part.id
                    for argument in node.args
                    for part in ast.walk(argument)
                    if isinstance(part, ast.Name)
                }
                if re.search(pattern, node.func.id, re.I):
                    yield node.lineno, names
