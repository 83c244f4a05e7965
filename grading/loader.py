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
from grading.notebooks import Notebook
from grading.sources import STANDS_FOR, Source

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
            if self.folder / file not in self.sources:
                self.own_modules[file.removesuffix(".py")] = OURS[file]
        self.notebooks = {
            source.name: Notebook(source.path, source.name, source.cells)
            for source in found
            if source.cells is not None
        }

    def has(self, what: str) -> bool:
        """Whether the folder has a file of that name, or one that defines it."""
        if self.folder == ROOT:
            return what in IN_ROOMS.keys() | OUR_NAMES.keys() | set(FILES)
        return bool(self.sources_of(what))

    def sources_of(self, what: str) -> list[Source]:
        """The file of that name, or the notebooks in its stead; or what defines it.

        Of a class or a function, the nearest source, and no file of the first exercise.
        """
        if file := self.sources.get(self.folder / what):
            return [file]
        found = [
            source
            for path, source in self.sources.items()
            if path.parent != self.folder or path.name not in FILES
        ]
        if names := STANDS_FOR.get(what):
            return [s for s in found if s.cells is not None and s.defines & names]
        return [source for source in found if what in source.defines][:1]

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
        """Import a file of the folder, or the first notebook that stands for it.

        Blame says why it cannot be imported, NotOffered what it lacks here.
        """
        return self.modules(file)[0]

    def modules(self, file: str) -> list[ModuleType]:
        if not self.has(file):
            raise NotOffered(f"no {file} in the folder")
        found = [] if self.folder == ROOT else self.sources_of(file)
        names = [(source.name, source.path.name) for source in found]
        names = names or [(file.removesuffix(".py"), file)]
        return [self.imported(*name) for name in names]

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
        if name != "dataset" and self.folder / "dataset.py" in self.sources:
            try:
                self.module("dataset.py")
            except (Blame, NotOffered):  # ours stands in: the models are still judged
                sys.modules["dataset"] = OURS["dataset.py"]
        try:
            if notebook := self.notebooks.get(name):
                return notebook.run()
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
                there = self.folder / wanted in self.sources
                why = "cannot be imported" if there else "is not in the folder"
                return f"{file} needs its own {wanted}, which {why}"
        if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
            for notebook in self.notebooks.values():
                if frame and frame.filename in notebook.trees:
                    what = notebook.absent.get(error.name)
                    return f"{file} needs {what}" if what else ""
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
        try:
            return self.definition(name)
        except Blame:
            file = self.sources_of(name)[0].path.name
            raise NotOffered(f"until {file} can be imported") from None

    def definition(self, name: str) -> Any:
        if not self.has(name):
            raise NotOffered(f"no {name} in the folder")
        if self.folder == ROOT:
            where, _, name = OUR_NAMES[name].rpartition(".")
            return getattr(self.imported(where, where), name)
        (source,) = self.sources_of(name)
        module = self.imported(source.name, source.path.name)
        return self.attribute(module, name, source.path.name)

    def attribute(self, module: ModuleType, name: str, file: str) -> Any:
        """What a module has by that name; Blame says what stopped its definition."""
        found = getattr(module, name, None)
        if found is None and (notebook := self.notebooks.get(module.__name__)):
            error = notebook.failed.get(name)
            if error and (reason := self.lacks(error)):
                raise NotOffered(reason)
            if error:
                raise Blame(self.import_problem(file, error))
        return found

    def check_imports(self, *files: str, remark: Callable) -> None:
        """Blame the first of these files, or files with these names, that is broken.

        A notebook's broken cells are left out, with a remark.
        """
        notes: dict[str, None] = {}
        for what in filter(self.has, files):
            self.modules(what) if what.endswith(".py") else self.definition(what)
            for source in self.sources_of(what):
                notebook = self.notebooks.get(source.name)
                for error in notebook.broken if notebook else ():
                    notes[self.import_problem(what, error)] = None
        for note in notes:
            remark(f"{note}: the cell is left out")

    def give_up(self, files: str, why: str) -> None:
        """Import none of these files or names, 'one or another', but say why."""
        for what in files.split(" or "):
            names = [source.name for source in self.sources_of(what)]
            for name in names or [what.removesuffix(".py")]:
                self.loaded[name] = Blame(why)

    def get(self, file: str, name: str) -> Any:
        for module in self.modules(file):
            if (found := self.attribute(module, name, file)) is not None:
                return found
        if self.folder != ROOT and self.folder / file not in self.sources:
            raise NotOffered(f"no {name} in the folder")
        raise Blame(f"{file} has no {name}")

    def functions(self, pattern: str, files: tuple = FILES) -> Iterator[Callable]:
        """The functions and classes of these files whose names match."""
        modules: dict[str, ModuleType] = {}  # a notebook may stand for many files
        for file in files:
            with contextlib.suppress(Blame, NotOffered):
                modules |= {module.__name__: module for module in self.modules(file)}
        for module in modules.values():
            for name, value in list(vars(module).items()):
                own = getattr(value, "__module__", None) == module.__name__
                if own and callable(value) and re.search(pattern, name, re.I):
                    yield value

    def calls(self, file: str, pattern: str) -> Iterator[tuple[str, set[str]]]:
        """Place and names among the arguments of calls to matching functions."""
        for source in self.sources_of(file):
            trees = {str(source.path): source.content}
            if notebook := self.notebooks.get(source.name):
                trees = notebook.trees  # what trains as well: nothing is run
            for place, tree in trees.items():
                tree = tree if isinstance(tree, ast.AST) else ast.parse(tree)
                for node in ast.walk(tree):
                    if not isinstance(node, ast.Call):
                        continue
                    if re.search(pattern, getattr(node.func, "id", "\0"), re.I):
                        where = f"{Path(place).name} line {node.lineno}"
                        yield where, names_within(node.args)


def names_within(nodes: list[ast.expr]) -> set[str]:
    parts = (part for node in nodes for part in ast.walk(node))
    return {part.id for part in parts if isinstance(part, ast.Name)}
