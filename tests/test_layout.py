"""Imports go down only: drivers, playground, rooms, models and data, machinery."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.helpers import ROOT

FLOORS = ("machinery", "models", "room", "playground", "driver")
MODELS = {"mixture_models", "transformer", "dataset"}
LONGEST = 300  # lines of a file that is read from top to bottom
SCRIPTS = {".js", ".css", ".html"}
NO_ROOMS = {"machinery", "playground", "tests"}
ROOMS = {p.parent.name for p in ROOT.glob("*/__init__.py")} - NO_ROOMS
DRIVERS = {p.stem for p in ROOT.glob("*.py")} - MODELS
PLACES = {"machinery": "machinery"} | dict.fromkeys(MODELS, "models")
PLACES |= dict.fromkeys(ROOMS, "room") | dict.fromkeys(DRIVERS, "driver")
PLACES |= {"playground": "playground", "bench": "driver", "report": "driver"}
ABOVE_ALL = {"bench", "report"}


def sources() -> list[Path]:
    """Every Python file of the product: no tests, nothing that is ignored."""
    folders = (*sorted(ROOMS), "machinery", "playground", "bench", "report")
    files = [path for name in folders for path in sorted((ROOT / name).glob("*.py"))]
    return [*sorted(ROOT.glob("*.py")), *files]


def imported(source: str) -> set[str]:
    """Return the dotted names that a source imports, wherever it does so."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def wrong_arrows(path: str, source: str) -> list[str]:
    """Return the imports of a file (path from the root) that go up or sideways."""
    here = Path(path).parts[0].removesuffix(".py")
    wrong = []
    for name in sorted(imported(source)):
        there, *inside = name.split(".")
        if there not in PLACES or there == here:
            continue
        up = FLOORS.index(PLACES[there]) - FLOORS.index(PLACES[here])
        judged = here == "grading" and inside[:1] == ["model"]
        above = here in ABOVE_ALL and there not in ABOVE_ALL
        if up > 0 or (up == 0 and not judged and not above):
            wrong.append(f"{path} imports {name}")
    return wrong


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_import_goes_up_or_from_room_to_room():
    wrong = [w for p in sources() for w in wrong_arrows(relative(p), p.read_text())]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("machinery/cli.py", "import dataset"),
        ("machinery/cli.py", "from gpt.runs import train"),
        ("transformer.py", "def f():\n    from gpt import runs"),
        ("dataset.py", "import mixture_models"),
        ("gpt/runs.py", "from mixtures import maps"),
        ("gpt/runs.py", "import train_gpt"),
        ("gpt/runs.py", "from bench import scaling"),
        ("grading/loader.py", "from gpt.runs import train"),
        ("train_gpt.py", "import train_gmm"),
        ("bench/scaling.py", "from report import build"),
        ("gpt/runs.py", "from playground import pack"),
        ("playground/gpt.py", "import export_playground"),
    ],
)
def test_a_wrong_arrow_is_found(path, source):
    assert len(wrong_arrows(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("train_gpt.py", "from gpt import runs\nimport transformer, torch"),
        ("gpt/runs.py", "from gpt.data import load\nfrom machinery import cli"),
        ("grading/loader.py", "from sentiment.model import MyLayerNorm"),
        ("grading/loader.py", "from sentiment import model"),
        ("bench/bench_gpt.py", "import train_gpt\nfrom gpt import runs"),
        ("playground/gpt.py", "from gpt import runs\nfrom playground import pack"),
        ("export_playground.py", "from playground import bundle"),
    ],
)
def test_a_right_arrow_is_let_through(path, source):
    assert wrong_arrows(path, source) == []


def test_models_import_torch_only():
    for name in ("mixture_models", "transformer"):
        used = {n.split(".")[0] for n in imported((ROOT / f"{name}.py").read_text())}
        assert used <= {"torch", "math", "abc", "collections"}, name


def test_no_file_is_too_long_to_read():
    page = [p for p in (ROOT / "playground").iterdir() if p.suffix in SCRIPTS]
    files = [*sources(), *page]
    lengths = {relative(p): len(p.read_text().splitlines()) for p in files}
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}


def test_everything_at_the_root_and_every_room_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = project["tool"]["setuptools"]
    assert set(installed["py-modules"]) == MODELS | DRIVERS
    assert set(installed["packages"]) == ROOMS | {"machinery", "playground"}


def test_what_mutants_toml_says_is_about_the_code_as_it_is():
    table = tomllib.loads((ROOT / "tests/mutants.toml").read_text("utf-8"))
    assert [module for module in table["tests"] if not (ROOT / module).exists()] == []
    for entry in table["equivalent"]:
        module = entry["where"].partition(":")[0]
        assert module in table["tests"], entry
        source = " ".join((ROOT / module).read_text("utf-8").split())
        assert " ".join(entry["was"].split()) in source, entry
        assert entry["why"]
