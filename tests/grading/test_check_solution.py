"""The teacher's checker: planted mistakes, other styles, and code that does harm."""

import functools
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from grading import sandbox
from grading.sandbox import Row
from tests.helpers import ROOT, assert_one_line, run_driver, run_python, write_files

PLANTED = ROOT / "tests" / "planted"
MISTAKES = {
    file.stem: tomllib.loads(file.read_text())
    for file in sorted((PLANTED / "mistakes").glob("*.toml"))
}
STYLES = ("vectorised", "loops")
NUMBER = re.compile(r"\d+\.?\d*")


def hand_in(source: Path, target: Path, parts=sandbox.FILES) -> None:
    """Copy files and folders of a solution."""
    target.mkdir()
    for part in parts:
        copy = shutil.copytree if (source / part).is_dir() else shutil.copyfile
        copy(source / part, target / part)


def plant(name: str, folder: Path) -> Path:
    """Write a correct solution of that assignment with one mistake in it."""
    mistake = MISTAKES[name]
    source, target = PLANTED / mistake["solution"], folder / name
    first = Path(mistake["file"]).parts[0]
    hand_in(source, target, sandbox.FILES if first in sandbox.FILES else [first])
    file = target / mistake["file"]
    text = file.read_text()
    assert mistake["old"] in text
    file.write_text(text.replace(mistake["old"], mistake["new"], 1))
    return folder / name


def batch_of(name: str) -> str:
    """Those of a batch are checked by one process: a file's, or all of the siblings."""
    file = MISTAKES[name]["file"] if name in MISTAKES else ""
    return file if file in sandbox.FILES else ""


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> Callable[[str], list[Row]]:
    """The rows of a mistake or of a correct solution."""

    @functools.cache
    def rows_of_batch(batch: str) -> dict[str, list[Row]]:
        folder = tmp_path_factory.mktemp("planted")
        names = [name for name in MISTAKES if batch_of(name) == batch]
        folders = {name: plant(name, folder) for name in names}
        if not batch:
            folders |= {style: PLANTED / style for style in STYLES}
        rows = sandbox.run(list(folders.values()), time_limit=100)
        return {name: rows[path] for name, path in folders.items()}

    return lambda name: rows_of_batch(batch_of(name))[name]


def failed(rows: list[Row]) -> dict[str, str]:
    return {row.title: row.text for row in rows if row.outcome == "failed"}


def numbers(sentence: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(sentence)]


def test_the_exercise_s_usual_mistakes_are_planted():
    assert len(MISTAKES) >= 20
    assert len({mistake["sentence"] for mistake in MISTAKES.values()}) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_nothing_else_is_blamed(checked, name):
    mistake, found = MISTAKES[name], failed(checked(name))
    assert list(found) == [mistake["question"]]
    sentence = found[mistake["question"]]
    assert NUMBER.sub("#", sentence) == NUMBER.sub("#", mistake["sentence"])
    assert numbers(sentence) == pytest.approx(
        numbers(mistake["sentence"]), rel=0.2, abs=0.05
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_left_out_for_a_mistake_says_so(checked, name):
    for row in checked(name):
        if row.outcome == "skipped":
            assert re.match("until '|no function|no .+ in the folder$", row.text)


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_a_correct_solution_passes_in_either_style(checked, style):
    assert failed(checked(style)) == {}
    passed = [row for row in checked(style) if row.outcome == "passed"]
    assert len(passed) >= 33


@pytest.mark.slow
def test_loops_are_right_but_slow_by_a_measured_factor(checked):
    remarks = {row.title: row.remarks for row in checked("loops") if row.remarks}
    assert set(remarks) >= {"GMM sample", "UMM sample"}
    block = remarks.pop("TransformerBlock: residuals and norms")
    assert [text.partition(",")[0] for text in block] == [
        "norms come before attention and MLP"
    ]
    for title in (
        "MySelfAttention: it can be trained",
        "MyLayerNorm: statistics of a sample",
    ):
        assert re.match(r"forward loops in Python over the batch \(", remarks[title][0])
    for (text,) in remarks.values():
        factor = re.search(r": it takes (\d+) times our time", text)
        assert int(factor[1]) >= 3
    assert not any(
        row.remarks for row in checked("vectorised") if "sample" in row.title
    )


def check(folder: Path, *flags, cwd: Path):
    return run_driver("check_solution.py", folder, *flags, cwd=cwd)


@pytest.mark.slow
def test_our_own_files_pass_in_less_than_a_minute(tmp_path):
    result = check(ROOT, "--html", "page.html", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "FAILED" not in result.stdout
    assert "43 passed, 0 failed, 6 not checked" in result.stdout
    assert int(re.search(r"in (\d+) s$", result.stdout, re.M)[1]) < 60
    page = (tmp_path / "page.html").read_text()
    assert "43 passed, 0 failed, 6 not checked" in page
    assert page.count('class="passed"') == 43


@pytest.mark.slow
def test_a_mistake_ends_in_status_1_and_the_folder_is_left_alone(tmp_path):
    folder = plant("log_sigma_squared", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    result = check(folder, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert "log sigma^2 where it needs log sigma" in result.stdout
    assert "integrates to 0.31, not 1" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_pytest_itself_takes_a_solution(tmp_path):
    folder = plant("mask_missing", tmp_path)
    flags = ("-q", "-p", "no:cacheprovider", "tests/contract", f"--solution={folder}")
    result = run_python("-m", "pytest", *flags, cwd=ROOT)
    assert result.returncode == 1
    assert "position 3 changes when character 7 changes" in result.stdout
    assert "1 failed" in result.stdout.splitlines()[-1]


HARM = {
    "mixture_models.py": """
        import os, shutil, torch
        from torch import nn

        class GMM(nn.Module):
            def __init__(self, n_components):
                super().__init__()
                self.logits = nn.Parameter(torch.zeros(n_components))
                self.means = nn.Parameter(torch.randn(n_components, 2))
                self.log_variances = nn.Parameter(torch.zeros(n_components, 2))
                shutil.rmtree(os.path.dirname(__file__), ignore_errors=True)

            def forward(self, x):
                while True:
                    print("x" * 10_000)

            def loss_function(self, log_likelihood):
                os._exit(0)

            def sample(self, n_samples):
                return torch.zeros(10**10)

            def conditional_sample(self, n_samples, label):
                raise SystemExit

        class UMM(nn.Module):
            pass
    """,
    "transformer.py": """
        import matplotlib.pyplot as plt
        import tkinter
        plt.plot([1, 2])
        plt.show()
        input("press return")
    """,
    "dataset.py": "class EuropeDataset:\n    def __init__(self, file)\n",
}


@pytest.mark.slow
def test_harmful_code_fails_its_own_question_and_harms_nothing(tmp_path):
    folder = write_files(tmp_path / "harm", HARM)
    result = check(folder, cwd=tmp_path)
    assert int(re.search(r"in (\d+) s$", result.stdout)[1]) < 60
    assert (result.returncode, result.stderr) == (1, "")
    assert len(result.stdout) < 10_000
    said = " ".join(result.stdout.split())
    for sentence in (
        "number for every point takes longer than 8 seconds",
        "negative mean the program ended itself here, with exit status 0",
        "FAILED GMM sample needs more memory than a check may use",
        "conditional_sample ends the program: mixture_models.py line 24: SystemExit",
        "UMM: the parameters UMM has no __init__",
        "dataset.py line 2 is not valid Python: expected ':'",
    ):
        assert sentence in said
    assert re.search(r"importing stops: transformer.py line \d+ raises", said)
    assert {path.name for path in folder.iterdir()} == set(HARM)


EMPTY = """
    from torch import nn
    from dataset import EuropeDataset
    import pandas_of_nobody

    class GMM(nn.Module):
        pass
"""
LACKING = "needs the module pandas_of_nobody, which is not installed here and not in"


@pytest.mark.slow
def test_files_that_cannot_be_imported_get_one_sentence(tmp_path):
    endless = (
        'class GPT:\n    pass\n\nif __name__ != "__main__":\n    while True: pass\n'
    )
    files = {"mixture_models.py": EMPTY, "transformer.py": endless}
    result = check(write_files(tmp_path / "broken", files), cwd=tmp_path)
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert f"mixture_models.py {LACKING} the folder" in said
    assert "importing transformer.py takes longer than 8 seconds: what trains" in said
    assert "no dataset.py in the folder" in said
    assert said.count("FAILED") == 1


@pytest.mark.slow
def test_a_missing_module_leaves_its_questions_unchecked_and_blames_nothing(tmp_path):
    hand_in(PLANTED / "vectorised", tmp_path / "lacking")
    file = tmp_path / "lacking" / "dataset.py"
    file.write_text("import pandas_of_nobody\n" + file.read_text())
    for name in ("mixture_models.py", "transformer.py"):
        file = tmp_path / "lacking" / name
        file.write_text("from dataset import EuropeDataset\n" + file.read_text())
    result = check(tmp_path / "lacking", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    said = " ".join(result.stdout.split())
    assert said.count(f"dataset.py {LACKING} the folder") == 4  # questions on it
    assert "30 passed, 0 failed, 4 not checked" in said


@pytest.mark.slow
def test_fault_32_a_helper_named_like_ours_leaves_the_blame_where_it_belongs(tmp_path):
    folder = tmp_path / "tables"
    hand_in(PLANTED / "vectorised", folder)
    (folder / "dataset.py").write_text("import torch\nclass EuropeDataset\n")
    (folder / "tables.py").write_text("def scaled(x):\n    return 2 * x\n")
    file = folder / "mixture_models.py"
    lines = "from dataset import EuropeDataset\nfrom tables import scaled\n"
    file.write_text(lines + file.read_text())
    result = check(folder, cwd=tmp_path)
    said = " ".join(result.stdout.split())
    assert "dataset.py line 2 is not valid Python: expected ':'" in said
    assert "30 passed, 1 failed, 3 not checked" in said
    assert said.count("until 'dataset.py can be imported' passes") == 3


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nowhere"], ["FOLDER must exist", "nowhere"]),
        (["file.py"], ["must be a folder", "file.py"]),
        (["."], ["must hold one of mixture_models.py, transformer.py, dataset.py"]),
        (["above"], ["there is a models.py in ex5_123: check that folder"]),
        (["named"], ["my_models.py defines GMM: name it mixture_models.py"]),
        ([], ["required: FOLDER"]),
        (["full", "--html", "no/where.html"], ["--html", "no/where.html"]),
        (["full", "--fast"], ["--fast"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, parts):
    (tmp_path / "file.py").touch()
    write_files(tmp_path / "full", {"dataset.py": ""})
    write_files(tmp_path / "named", {"my_models.py": "class GMM:\n    pass\n"})
    (tmp_path / "above").mkdir()
    write_files(tmp_path / "above" / "ex5_123", {"models.py": ""})
    result = run_driver("check_solution.py", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert_one_line(result.stderr, "check_solution.py: ", *parts)
