"""Jupyter notebooks, and files that are like them, read for their definitions.

Imports, functions, classes and simple constants are run, a statement at a time; what
trains, prints, plots or asks the shell is not. Cells with code count from 1.
"""

import __future__

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from machinery.errors import BadInput

DEFINED = re.compile(r"^(?:class|def)\s+(\w+)", re.M)
MAGIC = re.compile(r"\s*[%!?]|[\w.,\s\[\]'\"]*=\s*[%!]|.*\?\s*$")
# what a cell's first line may ask for when the rest of it is Python
PYTHON_CELL = re.compile(r"%%(time|timeit|capture|prun|python3?|writefile\s.*\.py\s*$)")
DEFINITIONS = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom,
)  # fmt: skip
# what a constant may be made of, and the functions that it may call
SIMPLE = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred,
    ast.Tuple, ast.List, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Lambda, ast.arguments, ast.arg, ast.keyword, ast.Call,
    ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp, ast.comprehension,
    ast.JoinedStr, ast.FormattedValue, ast.expr_context, ast.operator, ast.unaryop,
    ast.boolop, ast.cmpop,
)  # fmt: skip
HARMLESS = re.compile(
    r"math\.\w+|(np|numpy|torch)\.(log|sqrt|array|tensor|pi|device)|Path"
    r"|(torch\.)?nn\.(Softmax|Dropout|ReLU|GELU)"
    r"|torch\.(cuda|backends\.mps)\.is_available|partial|namedtuple|TypeVar"
    r"|len|range|int|float|str|bool|list|tuple|dict|set|sorted|reversed|enumerate|zip"
    r"|min|max|sum|abs|round|chr|ord"
)


def read(path: Path, raw: bytes) -> list[str]:
    """Return the text of each cell with code; BadInput for what is no notebook."""
    try:
        content = json.loads(raw)
        parts = content.get("worksheets", [content])  # as they were before format 4
        cells = [cell for part in parts for cell in part["cells"]]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return ["".join(cell.get("source", cell.get("input"))) for cell in code]
    except (ValueError, RecursionError) as error:
        why = str(error)
    except (TypeError, KeyError, AttributeError):
        why = "it has no cells"
    raise BadInput(f"{path.name} must be a Jupyter notebook, it is damaged: {why}")


def parse(cell: str) -> ast.Module:
    """Parse a cell without its magics and shell lines; SyntaxError for a broken one."""
    lines = cell.replace("\r\n", "\n").split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        if not PYTHON_CELL.match(lines[first]):
            return ast.Module([], [])
        lines[first] = ""
    while True:
        try:
            return ast.parse("\n".join(lines))
        except SyntaxError as error:
            i = (error.lineno or 1) - 1
            if i >= len(lines) or not MAGIC.match(lines[i]):
                raise
            silence(lines, i)
        except (ValueError, RecursionError) as error:  # a NUL, too many brackets
            raise SyntaxError(str(error), ("", 1, 1, "")) from None


def silence(lines: list[str], i: int) -> None:
    """Put a pass where a magic stands, as far to the right; empty where it goes on."""
    goes_on = lines[i].rstrip().endswith("\\")
    lines[i] = re.match(r"\s*", lines[i])[0] + "pass"
    while goes_on and i + 1 < len(lines):
        i += 1
        goes_on = lines[i].rstrip().endswith("\\")
        lines[i] = ""


def is_harmless(call: ast.Call, classes: set[str]) -> bool:
    """Whether a constant may call this: a known function, a class by its defaults."""
    name = ast.unparse(call.func)
    by_default = name in classes and not call.args and not call.keywords
    return by_default or HARMLESS.fullmatch(name) is not None


def is_simple(expression: ast.expr, classes: set[str]) -> bool:
    """Whether it is a constant, or made of constants and names by harmless calls."""
    for node in ast.walk(expression):
        if not isinstance(node, SIMPLE):
            return False
        if isinstance(node, ast.Call) and not is_harmless(node, classes):
            return False
    return True


def kept(node: ast.stmt, classes: set[str]) -> ast.stmt | None:
    """Return a statement that defines something, or what in an if or a try does.

    classes are those that the notebook defines.
    """

    def filled(body: list[ast.stmt]) -> list[ast.stmt]:
        """Those that are kept of a block, which must not be empty."""
        return all_kept(body) or [ast.Pass()]

    def all_kept(body: list[ast.stmt]) -> list[ast.stmt]:
        return [found for part in body if (found := kept(part, classes))]

    if isinstance(node, DEFINITIONS):
        return node
    if isinstance(node, ast.Assign | ast.AnnAssign):
        simple = node.value is not None and is_simple(node.value, classes)
        return node if simple else None
    if isinstance(node, ast.If) and is_simple(node.test, classes):
        found = ast.If(node.test, filled(node.body), filled(node.orelse))
    elif isinstance(node, ast.Try):
        handlers = [
            ast.copy_location(ast.ExceptHandler(h.type, h.name, filled(h.body)), h)
            for h in node.handlers
        ]
        after, last = all_kept(node.orelse), filled(node.finalbody)
        found = ast.Try(filled(node.body), handlers, after, last)
    else:
        return None
    return ast.fix_missing_locations(ast.copy_location(found, node))


def separate(node: ast.stmt | None) -> list[ast.stmt]:
    """Split an import of several modules, so that each may be missing by itself."""
    if isinstance(node, ast.Import):
        return [ast.copy_location(ast.Import([alias]), node) for alias in node.names]
    return [] if node is None else [node]


def names_of(node: ast.AST) -> Iterator[str]:
    """The names that a statement gives a value to."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    for part in ast.iter_child_nodes(node):
        yield from names_of(part)


class Notebook:
    """A notebook's definitions as a module, and what became of all the rest.

    cells holds the text of each by its place, "path cell 1"; of a file it is the path.
    """

    def __init__(self, path: Path, name: str, cells: dict[str, str]) -> None:
        self.module = ModuleType(name)
        self.module.__file__ = str(path)
        self.module.__package__ = name.rpartition(".")[0]  # for "from . import"
        self.broken: list[SyntaxError] = []
        self.failed: dict[str, BaseException] = {}  # names whose statement stopped
        self.absent: dict[str, str] = {}  # names that nothing made, and what they are
        self.trees: dict[str, ast.Module] = {}
        for place, cell in cells.items():
            try:
                self.trees[place] = parse(cell)
            except SyntaxError as error:
                error.filename = place
                self.broken.append(error)
                self.failed |= dict.fromkeys(DEFINED.findall(cell), error)

    def run(self) -> ModuleType:
        """Run the definitions, each by itself: where one stops, the others go on."""
        sys.modules[self.module.__name__] = self.module
        flags = 0
        statements = [node for tree in self.trees.values() for node in tree.body]
        classes = {n.name for n in statements if isinstance(n, ast.ClassDef)}
        for place, tree in self.trees.items():
            for node in tree.body:
                if not isinstance(node, DEFINITIONS):
                    cell = place.removeprefix(self.module.__file__).strip()
                    cell = cell or f"line {node.lineno}"
                    made = f"which {cell} makes: only definitions are run"
                    self.absent |= {name: f"{name}, {made}" for name in names_of(node)}
                if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                    for alias in node.names:
                        flags |= getattr(__future__, alias.name).compiler_flag
                for found in separate(kept(node, classes)):
                    self.run_one(found, place, flags)
        for name in vars(self.module):
            self.failed.pop(name, None)
            self.absent.pop(name, None)
        return self.module

    def run_one(self, node: ast.stmt, place: str, flags: int) -> None:
        try:
            code = compile(ast.Module([node], []), place, "exec", flags, True)
            exec(code, vars(self.module))
        except (Exception, SystemExit) as error:
            for name in names_of(node):
                self.failed[name] = error
                if isinstance(error, ModuleNotFoundError):
                    self.absent[name] = (
                        f"the module {error.name}, which is not installed here and not "
                        "in the folder"
                    )
