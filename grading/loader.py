"""A folder with a solution of the exercise: import its files, build its classes.

Names are matched with some tolerance: what counts is what the code computes.
"""

import ast
import contextlib
import importlib
import inspect
import os
import pkgutil
import random
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from grading.imports import FILES, OURS, ROOT, importing_from

SYNONYMS = {
    "n_components": {"k", "numcomponents", "ncomponent", "ngaussians", "components"},
    "n_dims": {"d", "dim", "ndim", "dims", "numdims", "nfeatures"},
    "n_layer": {"nlayers", "numlayers", "layers", "depth", "nblocks", "numblocks"},
    "n_head": {"nheads", "numheads", "heads", "h"},
    "n_embd": {"embd", "nembed", "embeddim", "dmodel", "embdim", "dim", "hiddendim"},
    "vocab_size": {"vocab", "vocabularysize", "nvocab", "v"},
    "block_size": {"block", "contextlength", "maxlen", "seqlen", "contextsize"},
}


# of our own solution, what does not stand at the root
IN_ROOMS = {"models.py": "sentiment.model"}


class Blame(Exception):
    """One sentence about what is wrong with a solution."""


class NotOffered(Exception):
    """The solution has nothing that this check could look at."""


class TimeLimit(BaseException):
    """A check ran for too long; nothing that a solution catches."""


def plain(name: str) -> str:
    return name.lower().replace("_", "")


class Solution:
    """The files of a folder, each imported once and when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.sources = {path: path.read_bytes() for path in self.folder.glob("*.py")}
        self.home = os.getcwd()
        self.loaded: dict[str, ModuleType | BaseException] = {}
        self.names = {found.name for found in pkgutil.iter_modules([str(self.folder)])}
        self.names.discard("__main__")
        self.own_modules: dict[str, ModuleType] = {}
        for file in FILES:
            if not self.has(file):
                self.own_modules[file.removesuffix(".py")] = OURS[file]

    def has(self, file: str) -> bool:
        own = self.folder == ROOT and file in IN_ROOMS
        return own or self.folder / file in self.sources

    def enter(self) -> None:
        """Go into the folder, and put back what the solution has deleted there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, source in self.sources.items():
            if not path.exists():
                path.write_bytes(source)
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
            with importing_from(self.folder, self.names, self.own_modules):
                yield
        finally:
            os.chdir(self.home)
            torch.set_default_dtype(dtype)

    def module(self, file: str) -> ModuleType:
        """Import a file of the folder.

        Blame says why it cannot be imported, NotOffered what it lacks here.
        """
        name = file.removesuffix(".py")
        if not self.has(file):
            raise NotOffered(f"no {file} in the folder")
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
        for node in ast.walk(ast.parse(self.sources[self.folder / file])):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = {
                    part.id
                    for argument in node.args
                    for part in ast.walk(argument)
                    if isinstance(part, ast.Name)
                }
                if re.search(pattern, node.func.id, re.I):
                    yield node.lineno, names


def build(cls: type, **wanted: int) -> Any:
    """Call a constructor, by its parameters' names or else in the exercise's order."""
    if getattr(cls, "__init__", None) is torch.nn.Module.__init__:
        raise Blame(f"{cls.__name__} has no __init__")
    parameters = list(inspect.signature(cls).parameters.values())
    required = [p for p in parameters if p.default is p.empty and p.kind < 2]
    if [p.name for p in required] in (["config"], ["cfg"], ["args"]):
        return cls(SimpleNamespace(**wanted))
    keywords = {}
    for parameter in parameters:
        for name, synonyms in SYNONYMS.items():
            known = plain(parameter.name) in synonyms | {plain(name)}
            if name in wanted and name not in keywords.values() and known:
                keywords[parameter.name] = name
                break
    if all(p.name in keywords for p in required) and keywords:
        return cls(**{mine: wanted[name] for mine, name in keywords.items()})
    try:
        inspect.signature(cls).bind(*list(wanted.values())[: max(len(required), 1)])
    except TypeError:
        raise Blame(f"{cls.__name__} takes no {' and no '.join(wanted)}") from None
    return cls(*list(wanted.values())[: max(len(required), 1)])


def tensor(value: Any, what: str) -> torch.Tensor:
    """A detached float tensor of a tensor, array or list; Blame for anything else."""
    if value is None:
        raise Blame(
            f"{what} returns None: nothing is filled in, or a return is missing"
        )
    if isinstance(value, (list, tuple)) and any(torch.is_tensor(v) for v in value):
        value = torch.stack([torch.as_tensor(v) for v in value])
    try:
        return torch.as_tensor(value).detach().float()
    except (TypeError, ValueError, RuntimeError):
        raise Blame(f"{what} returns a {type(value).__name__}, not numbers") from None
