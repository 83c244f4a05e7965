"""A solution of the exercise: a folder's classes and functions, asked for by name."""

import ast
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from grading.classes import Blame, NotOffered
from grading.folder import OUR_NAMES, Folder
from grading.imports import FILES, ROOT


class Solution(Folder):
    """A folder's definitions, and what is wrong with those that cannot be made."""

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
        asked = [what for what in files if self.has(what)]
        left_out: dict[str, None] = {}
        for what in asked:
            self.modules(what) if what.endswith(".py") else self.definition(what)
            for source in self.sources_of(what):
                notebook = self.notebooks.get(source.name)
                for error in notebook.broken if notebook else ():
                    problem = self.import_problem(what, error)
                    left_out[f"{problem}: the cell is left out"] = None
        for text in (*left_out, *self.doubles(asked), *self.notes):
            remark(text)
        self.notes.clear()

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
