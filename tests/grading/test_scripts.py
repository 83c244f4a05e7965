"""Files that are like notebooks: where their import stops, their definitions count."""

from pathlib import Path

import pytest

from grading.classes import Blame, NotOffered
from grading.folder import TimeLimit
from grading.loader import Solution
from tests.helpers import write_files

MINE = "class SelfAttention:\n    size = 3\n"


def checked(folder: Path, files: dict[str, str]) -> tuple[object, list[str]]:
    """The class that files define, and what is remarked on their import."""
    solution, remarks = Solution(write_files(folder / "a", files)), []
    with solution.active():
        solution.check_imports("SelfAttention", remark=remarks.append)
        return solution.find("SelfAttention"), remarks


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("get_ipython().system('ls')", "",
         "line 1 stops (NameError: name 'get_ipython' is not defined)"),
        ("!pip install torch\n%matplotlib inline", "",
         "line 1 stops (SyntaxError: invalid syntax)"),
        ("import module_of_nobody, math", "size = math.sqrt(9)",
         "line 1 stops (ModuleNotFoundError: No module named 'module_of_nobody')"),
        ("from dataset import nothing", "",
         "line 1 stops (ImportError: cannot import name 'nothing' from 'dataset' "),
        ("", "def load():\n    open('/no/data.bin')\nload()",
         "line 6 stops (FileNotFoundError: [Errno 2] No such file or directory: "),
        ("", "raise SystemExit", "line 4 stops (SystemExit)"),
    ],
)  # fmt: skip
def test_what_stops_an_import_leaves_the_definitions(tmp_path, before, after, why):
    cls, (remark,) = checked(tmp_path, {"hw.py": f"{before}\n{MINE}{after}\n"})
    assert cls.size == 3
    assert remark.startswith(f"hw.py {why}")
    assert remark.endswith("; only its definitions were checked")


def test_a_helper_that_stops_is_read_in_the_same_way(tmp_path):
    helper = "SIZE = 3\nopen('/no/data.bin')\n"
    mine = "from parts import SIZE\n" + MINE.replace("3", "SIZE")
    cls, (remark,) = checked(tmp_path, {"hw.py": mine, "parts.py": helper})
    assert cls.size == 3
    assert remark.startswith("parts.py line 2 stops (FileNotFoundError: ")


def test_training_at_the_bottom_is_left_out_after_its_time(tmp_path, monkeypatch):
    renewed = []
    files = {"hw.py": f"import clock\n{MINE}clock.run()\n"}
    files["clock.py"] = "def run():\n    raise stop\n"
    solution = Solution(write_files(tmp_path / "a", files))
    with solution.active():
        clock = solution.imported("clock", "clock.py")
        clock.stop = TimeLimit(8, lambda: renewed.append(1))
        assert solution.find("SelfAttention").size == 3
    assert renewed == [1]
    assert solution.notes == [
        "hw.py line 4 takes longer than 8 seconds; only its definitions were checked"
    ]


def test_a_class_that_cannot_be_made_is_blamed_all_the_same(tmp_path):
    blame = r"importing stops: hw.py line 2 raises ZeroDivisionError"
    with pytest.raises(Blame, match=blame):
        checked(tmp_path, {"hw.py": MINE.replace("3", "1 / 0")})


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("import module_of_nobody as m", "needs the module module_of_nobody, which is"),
        ("from dataset import m", "needs its own dataset.py, which is not in the"),
        ("m = open('/no/x')", "needs m, which line 1 makes: only definitions are run"),
    ],
)
def test_a_class_that_needs_what_is_not_here_is_no_mistake(tmp_path, first, reason):
    with pytest.raises(NotOffered, match=f"hw.py {reason}"):
        checked(tmp_path, {"hw.py": f"{first}\n{MINE.replace('3', 'm.x')}"})


def test_the_first_assignment_s_files_must_be_modules(tmp_path):
    files = {"transformer.py": "class GPT:\n    pass\nopen('/no/x')\n"}
    solution = Solution(write_files(tmp_path / "a", files))
    with solution.active(), pytest.raises(Blame, match=r"transformer.py line 3 raises"):
        solution.module("transformer.py")
