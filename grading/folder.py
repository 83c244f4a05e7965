"""A folder with a solution of the exercise: its files, each imported once."""

import contextlib
import importlib
import os
import pkgutil
import random
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

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
    """A check ran for too long; nothing that a solution catches.

    renew gives what follows as much time again.
    """

    def __init__(self, seconds: float, renew: Callable = lambda: None) -> None:
        super().__init__(f"{seconds:g}")
        self.renew = renew


class Folder:
    """The files of a folder, each imported once and when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        found = sources.scan(self.folder, *[0] * (self.folder == ROOT))
        self.sources = {source.path: source for source in found}
        self.home = os.getcwd()
        self.loaded: dict[str, ModuleType | BaseException] = {}
        self.notes: list[str] = []  # on imports, to be told with the next question
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
            source.name: Notebook(source.path, source.name, source.places())
            for source in found
            if source.cells is not None
        }

    def has(self, what: str) -> bool:
        """Whether the folder has a file of that name, or one that defines it."""
        if self.folder == ROOT:
            return what in IN_ROOMS.keys() | OUR_NAMES.keys() | set(FILES)
        return bool(self.sources_of(what))

    def candidates(self, what: str) -> list[Source]:
        """The file of that name and the notebooks; or for a name, all that define it.

        A class or a function is not looked for in the files of the first exercise.
        """
        found = [
            source
            for path, source in self.sources.items()
            if path.parent != self.folder or path.name not in FILES
        ]
        if what not in STANDS_FOR:
            return [source for source in found if what in source.defines]
        file = self.sources.get(self.folder / what)
        notebooks = [source for source in found if source.cells is not None]
        return [file, *notebooks] if file else notebooks

    def sources_of(self, what: str) -> list[Source]:
        """Those candidates which are the first to define a name that is asked for."""
        left = set(STANDS_FOR.get(what, {what}))
        found = []
        for source in self.candidates(what):
            if source.defines & left or source.path == self.folder / what:
                found.append(source)
            left -= source.defines
        return found

    def doubles(self, asked: list[str]) -> list[str]:
        """Say which candidates define a name that another was asked for."""
        told: dict[tuple[Path, Path], list[str]] = {}
        for what in asked if self.folder != ROOT else ():
            for name in sorted(STANDS_FOR.get(what, {what})):
                found = [s.path for s in self.candidates(what) if name in s.defines]
                for other in found[1:]:
                    told.setdefault((found[0], other), []).append(name)
        return [
            f"{first.relative_to(self.folder)} was checked; "
            f"{other.relative_to(self.folder)} defines {' and '.join(names)} too"
            for (first, other), names in told.items()
        ]

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
        while True:
            try:
                if name in self.notebooks and name not in sys.modules:
                    return self.notebooks[name].run()
                own = self.folder == ROOT
                where = IN_ROOMS.get(f"{name}.py", name) if own else name
                return importlib.import_module(where)
            except (Exception, SystemExit, TimeLimit) as error:
                first = f"{name}.py" in FILES  # a module, and so is what it imports
                if first or not self.reads_as_notebook(error):
                    return error

    def reads_as_notebook(self, error: BaseException) -> bool:
        """Run a file's definitions alone, where its import stopped at something else.

        So are files that were exported from a notebook, and those with a script at the
        bottom.
        """
        name, source, line = self.stopped(error)
        if source is None or source.is_module_of(self.folder) or name in self.notebooks:
            return False
        script = Notebook(source.path, name, {str(source.path): source.text})
        if script.broken:
            return False
        if isinstance(error, TimeLimit):
            error.renew()
            why = f"takes longer than {error} seconds"
        else:
            why = f"stops ({self.said(error)})"
        only = (
            f"{source.path.name} line {line} {why}; only its definitions were checked"
        )
        self.notes.append(only)
        self.notebooks[name] = script
        script.run()
        return True

    def stopped(self, error: BaseException) -> tuple[str, Source | None, int]:
        """The module whose import an error ended: its name, its file and the line."""
        broken = isinstance(error, SyntaxError) and Path(error.filename or "")
        if source := self.sources.get(broken):
            return source.name, source, error.lineno or 1
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
            source = self.sources.get(Path(frame.f_code.co_filename))
            if source and frame.f_code.co_name == "<module>":
                return frame.f_globals["__name__"], source, line
        return "", None, 0

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
                    if what is None and (stopped := notebook.failed.get(error.name)):
                        return self.lacks(stopped)
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
        place = self.place(error)
        if not str(error):
            return f"{place}: {type(error).__name__}" if place else self.said(error)
        return f"{place} raises {self.said(error)}" if place else self.said(error)

    def place(self, error: BaseException) -> str:
        frame = self.frame(error)
        return f"{Path(frame.filename).name} line {frame.lineno}" if frame else ""

    def said(self, error: BaseException) -> str:
        """The kind of an error and what it says, without a copy's place."""
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        text = text.replace(str(self.folder), self.folder.name)
        text = textwrap.shorten(text, 160, placeholder=" ...")
        kind = type(error).__name__
        return f"{kind}: {text}" if text else kind
