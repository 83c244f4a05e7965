"""A solution's imports: its own files and none of ours."""

import importlib.machinery
import pkgutil
import sys
from pathlib import Path

import pytest

import dataset
from grading import imports
from grading.imports import FILES
from grading.loader import Solution
from tests.helpers import ROOT, write_files


def names_of_ours() -> list[str]:
    """All that an import finds in our folders, but for the exercise's files."""
    folders = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "contract")]
    found = {module.name for module in pkgutil.iter_modules(folders)}
    assert found >= {"check_solution", "grading", "machinery", "conftest", "contract"}
    return sorted(found - {Path(file).stem for file in FILES})


def test_fault_32_helpers_named_like_any_of_our_modules_are_found(tmp_path):
    names = names_of_ours()
    helpers = {f"{name}.py": f"of = 'theirs, {name}'" for name in names}
    lines = f"import {', '.join(names)}\nfound = [m.of for m in ({', '.join(names)})]"
    solution = Solution(
        write_files(tmp_path / "a", helpers | {"mixture_models.py": lines})
    )
    with solution.active():
        found = solution.module("mixture_models.py").found
    assert found == [f"theirs, {name}" for name in names]


class EditableFinder:
    """Finds our modules off the path, as pip install -e lets them be found."""

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.PathFinder.find_spec(name, [str(ROOT)])


ASKS = """
    import importlib
    found = []
    for name in {names}:
        try:
            found.append(importlib.import_module(name))
        except ModuleNotFoundError:
            pass
"""


@pytest.mark.parametrize("here", [ROOT, ROOT / "tests", Path("/")])
def test_a_solution_finds_none_of_our_modules(tmp_path, monkeypatch, here):
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(".")
    finder = EditableFinder()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    files = {"mixture_models.py": ASKS.format(names=names_of_ours())}
    solution = Solution(write_files(tmp_path / "a", files))
    with solution.active():
        assert solution.module("mixture_models.py").found == []
    assert finder in sys.meta_path


@pytest.mark.parametrize("others", [{}, {"dataset.py": "def load(\n"}])
def test_ours_stands_in_for_a_dataset_that_is_absent_or_broken(tmp_path, others):
    lines = "import dataset as first\ndef late(): import dataset; return dataset"
    solution = Solution(
        write_files(tmp_path / "a", {"mixture_models.py": lines} | others)
    )
    for _ in range(3):
        with solution.active():
            module = solution.module("mixture_models.py")
            assert module.first is module.late() is dataset


def test_two_solutions_with_helpers_of_one_name_do_not_meet(tmp_path):
    lines = "def late(): import shown.it; return shown.it"
    solutions = []
    for name in ("a", "b"):
        folder = write_files(tmp_path / name, {"mixture_models.py": lines})
        write_files(folder / "shown", {"__init__.py": "", "it.py": f"x = {name!r}"})
        solutions.append(Solution(folder))
    seen = []
    for solution in 2 * solutions:
        with solution.active():
            seen.append(solution.module("mixture_models.py").late())
    assert [module.x for module in seen] == ["a", "b", "a", "b"]
    assert seen[0] is seen[2]  # each is imported once


def test_what_is_installed_inside_a_folder_is_not_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(imports, "ENVIRONMENT", tmp_path / ".venv")
    files = {"gpt/runs.py": True, ".venv/lib/torch.py": False}
    for file, expected in files.items():
        path = str(tmp_path / file)
        assert imports.lies_in(path, str(tmp_path)) is expected
    # torch.ops calls itself a file of that name, which lies nowhere
    assert not imports.lies_in("_ops.py", str(tmp_path))


def test_a_solution_leaves_no_trace_in_the_interpreter(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    files = {"mixture_models.py": "import sys, cli, queue; sys.path.append('x')"}
    files |= {"cli.py": "", "queue.py": "mine = 1"}
    solution = Solution(write_files(tmp_path / "a", files))
    before = dict(sys.modules), sys.path[:], sys.meta_path[:]
    with solution.active():
        assert solution.module("mixture_models.py").queue.mine == 1
        hidden = {name for name in before[0] if name not in sys.modules}
    assert (dict(sys.modules), sys.path, sys.meta_path) == before
    assert {"tests.helpers", "grading.loader"} <= hidden
    assert not any(name.startswith(("torch", "pytest", "_pytest")) for name in hidden)
