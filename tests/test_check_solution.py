"""The teacher's checker: planted mistakes, other styles, and code that does harm."""

import importlib.machinery
import pkgutil
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, assert_one_line, run_driver, run_python
from contract import data_probe

import dataset
import solution_imports
import solution_report
import solution_run
from solution_imports import FILES
from solution_loader import Blame, NotOffered, Solution, build, tensor
from solution_run import Row

PLANTED = ROOT / "tests" / "planted"
MISTAKES = {
    file.stem: tomllib.loads(file.read_text())
    for file in sorted((PLANTED / "mistakes").glob("*.toml"))
}
STYLES = ("vectorised", "loops")
NUMBER = re.compile(r"\d+\.?\d*")


def plant(name: str, folder: Path) -> Path:
    """Write the correct solution with one mistake in it."""
    mistake = MISTAKES[name]
    shutil.copytree(PLANTED / mistake["solution"], folder / name)
    file = folder / name / mistake["file"]
    text = file.read_text()
    assert mistake["old"] in text
    file.write_text(text.replace(mistake["old"], mistake["new"], 1))
    return folder / name


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> dict[str, list[Row]]:
    """The rows of both correct solutions and of every mistake, in one process."""
    folder = tmp_path_factory.mktemp("planted")
    folders = {name: plant(name, folder) for name in MISTAKES}
    folders |= {style: PLANTED / style for style in STYLES}
    rows = solution_run.run(list(folders.values()), time_limit=100)
    return {name: rows[path] for name, path in folders.items()}


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
    mistake, found = MISTAKES[name], failed(checked[name])
    assert list(found) == [mistake["question"]]
    sentence = found[mistake["question"]]
    assert NUMBER.sub("#", sentence) == NUMBER.sub("#", mistake["sentence"])
    assert numbers(sentence) == pytest.approx(
        numbers(mistake["sentence"]), rel=0.2, abs=0.05
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_left_out_for_a_mistake_says_so(checked, name):
    for row in checked[name]:
        if row.outcome == "skipped":
            assert row.text.startswith(("until '", "no function"))


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_a_correct_solution_passes_in_either_style(checked, style):
    assert failed(checked[style]) == {}
    passed = [row for row in checked[style] if row.outcome == "passed"]
    assert len(passed) >= 33


@pytest.mark.slow
def test_loops_are_right_but_slow_by_a_measured_factor(checked):
    remarks = {row.title: row.remarks for row in checked["loops"] if row.remarks}
    assert set(remarks) >= {"GMM sample", "UMM sample"}
    for (text,) in remarks.values():
        factor = re.fullmatch(r"\w+ is slow: it takes (\d+) times our time", text)
        assert int(factor[1]) >= 3
    assert not any(
        row.remarks for row in checked["vectorised"] if "sample" in row.title
    )


def check(folder: Path, *flags, cwd: Path):
    return run_driver("check_solution.py", folder, *flags, cwd=cwd)


@pytest.mark.slow
def test_our_own_files_pass_in_less_than_a_minute(tmp_path):
    result = check(ROOT, "--html", "page.html", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "FAILED" not in result.stdout
    assert "33 passed, 0 failed, 1 not checked" in result.stdout
    assert int(re.search(r"in (\d+) s$", result.stdout, re.M)[1]) < 60
    page = (tmp_path / "page.html").read_text()
    assert "33 passed, 0 failed, 1 not checked" in page
    assert page.count('class="passed"') == 33


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
    folder = write(tmp_path / "harm", HARM)
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


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        indent = re.match(r"\n( *)", text)
        lines = text.replace(f"\n{indent[1]}", "\n") if indent else text
        (folder / name).write_text(lines)
    return folder


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
    result = check(write(tmp_path / "broken", files), cwd=tmp_path)
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert f"mixture_models.py {LACKING} the folder" in said
    assert "importing transformer.py takes longer than 8 seconds: what trains" in said
    assert "no dataset.py in the folder" in said
    assert said.count("FAILED") == 1


@pytest.mark.slow
def test_a_missing_module_leaves_its_questions_unchecked_and_blames_nothing(tmp_path):
    shutil.copytree(PLANTED / "vectorised", tmp_path / "lacking")
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


def not_offered(folder: Path, file: str) -> str:
    """The reason for which a file of a folder is not checked."""
    solution = Solution(folder)
    with solution.active(), pytest.raises(NotOffered) as reason:
        solution.module(file)
    return str(reason.value)


def test_a_helper_that_was_not_handed_in_is_named_and_no_mistake(tmp_path):
    files = {"mixture_models.py": "import shown", "shown.py": "import my_plots"}
    assert not_offered(write(tmp_path / "a", files), "mixture_models.py") == (
        "shown.py needs the module my_plots, which is not installed here and not in "
        "the folder"
    )


@pytest.mark.parametrize(
    "line", ["from dataset import load_places", "import dataset; dataset.load_places"]
)
def test_what_builds_on_a_broken_dataset_is_not_blamed(tmp_path, line):
    files = {"dataset.py": "def load_places(\n", "mixture_models.py": line}
    assert not_offered(write(tmp_path / "a", files), "mixture_models.py") == (
        "mixture_models.py needs its own dataset.py, which cannot be imported"
    )


EUROPE = """
    import pandas as pd
    import torch

    class EuropeDataset:
        {kept} = None

        def __init__(self, csv_file{parameters}):
            table = pd.read_csv(csv_file)
            x = torch.tensor(table[["long", "lat"]].values).float()
            self.labels = torch.tensor(table["country"].values)
            {line}

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            return self.x[i], self.labels[i]
"""


def europe(folder: Path, line: str, parameters: str = "", kept: str = "kept"):
    """What is said of an EuropeDataset with this line: (of places, of both files)."""
    text = EUROPE.format(line=line, parameters=parameters, kept=kept)
    solution = Solution(write(folder / "europe", {"dataset.py": text}))
    remarks = [], []
    with solution.active():
        data_probe.check_places(solution, folder / "places.csv", remarks[0].append)
        judged = data_probe.check_inside_dataset(solution, folder, remarks[1].append)
    return *remarks, judged


INSIDE = ["the places are standardised inside the dataset"]
BY_ITSELF = (
    "EuropeDataset standardises the test set by itself: its mean becomes 0.00, with "
    "the training set's mean and standard deviation it is "
)


def test_places_in_degrees_are_left_to_the_other_functions(tmp_path):
    assert europe(tmp_path, "self.x = x") == ([], [], False)


@pytest.mark.parametrize(
    "line",
    [
        "self.x = (x - torch.tensor([12.0, 49.0])) / torch.tensor([9.0, 6.0])",
        # what the first file of a process measures holds for every other
        "EuropeDataset.kept = EuropeDataset.kept or (x.mean(0), x.std(0)); "
        "self.x = (x - EuropeDataset.kept[0]) / EuropeDataset.kept[1]",
    ],
)
def test_places_standardised_inside_the_dataset_are_right(tmp_path, line):
    assert europe(tmp_path, line) == (INSIDE, [], True)


def test_a_test_file_standardised_by_itself_is_blamed(tmp_path):
    with pytest.raises(Blame, match=BY_ITSELF):
        europe(tmp_path, "self.x = (x - x.mean(0)) / x.std(0)")


def test_a_test_file_scaled_by_itself_is_blamed(tmp_path):
    sentence = (
        "gives the test set a mean of 0.66, treated as the training set it has 0.76"
    )
    with pytest.raises(Blame, match=sentence):
        europe(tmp_path, "self.x = (x - x.amin(0)) / (x.amax(0) - x.amin(0))")


@pytest.mark.parametrize(
    "told", [{"parameters": ", mean=None, std=None"}, {"kept": "mean"}]
)
def test_statistics_that_may_come_from_outside_are_a_remark_only(tmp_path, told):
    line = "self.x = (x - x.mean(0)) / x.std(0)"
    places, (remark,), judged = europe(tmp_path, line, **told)
    assert (places, judged) == (INSIDE, True)
    assert remark.startswith(BY_ITSELF)
    assert remark.endswith("; see that it is given those")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("self.x = x.flip(1)", "the features are (lat, long), they"),
        ("self.x = (x.flip(1) - 9) / 7", "the features are (lat, long), they"),
        ("self.x = -x", "place 0 is read as [8.5, -41.25] of country 2, the file has"),
        ("self.x = x; x[2] += 1", "place 2 is read as [11.125, 46] of country 1, the"),
        ("self.x = x; self.labels -= 1", "place 0 is read as [-8.5, 41.25] of country"),
        ("self.x = x[1:]", "len(EuropeDataset) is 3 for a file with 4 places"),
    ],
)
def test_places_that_are_read_wrongly_are_named(tmp_path, line, sentence):
    with pytest.raises(Blame, match=re.escape(sentence)):
        europe(tmp_path, line)


def test_an_unknown_parameter_of_the_dataset_leaves_it_unchecked(tmp_path):
    with pytest.raises(NotOffered, match="needs mean, std beside the file"):
        europe(tmp_path, "self.x = (x - mean) / std", ", mean, std")


def test_a_name_that_its_own_dataset_lacks_is_a_mistake(tmp_path):
    files = {"dataset.py": "x = 1", "mixture_models.py": "from dataset import y"}
    solution = Solution(write(tmp_path / "a", files))
    with solution.active(), pytest.raises(Blame, match="cannot import name 'y'"):
        solution.module("mixture_models.py")


@pytest.mark.slow
def test_fault_32_a_helper_named_like_ours_leaves_the_blame_where_it_belongs(tmp_path):
    folder = tmp_path / "tables"
    shutil.copytree(PLANTED / "vectorised", folder)
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


def names_of_ours() -> list[str]:
    """All that an import finds in our folders, but for the exercise's files."""
    folders = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "contract")]
    found = {module.name for module in pkgutil.iter_modules(folders)}
    assert found >= {"check_solution", "conftest", "contract", Solution.__module__}
    return sorted(found - {Path(file).stem for file in FILES})


def test_fault_32_helpers_named_like_any_of_our_modules_are_found(tmp_path):
    names = names_of_ours()
    helpers = {f"{name}.py": f"of = 'theirs, {name}'" for name in names}
    lines = f"import {', '.join(names)}\nfound = [m.of for m in ({', '.join(names)})]"
    solution = Solution(write(tmp_path / "a", helpers | {"mixture_models.py": lines}))
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
    solution = Solution(write(tmp_path / "a", files))
    with solution.active():
        assert solution.module("mixture_models.py").found == []
    assert finder in sys.meta_path


@pytest.mark.parametrize("others", [{}, {"dataset.py": "def load(\n"}])
def test_ours_stands_in_for_a_dataset_that_is_absent_or_broken(tmp_path, others):
    lines = "import dataset as first\ndef late(): import dataset; return dataset"
    solution = Solution(write(tmp_path / "a", {"mixture_models.py": lines} | others))
    for _ in range(3):
        with solution.active():
            module = solution.module("mixture_models.py")
            assert module.first is module.late() is dataset


def test_two_solutions_with_helpers_of_one_name_do_not_meet(tmp_path):
    lines = "def late(): import shown.it; return shown.it"
    solutions = []
    for name in ("a", "b"):
        folder = write(tmp_path / name, {"mixture_models.py": lines})
        write(folder / "shown", {"__init__.py": "", "it.py": f"x = {name!r}"})
        solutions.append(Solution(folder))
    seen = []
    for solution in 2 * solutions:
        with solution.active():
            seen.append(solution.module("mixture_models.py").late())
    assert [module.x for module in seen] == ["a", "b", "a", "b"]
    assert seen[0] is seen[2]  # each is imported once


def test_what_is_installed_inside_a_folder_is_not_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(solution_imports, "ENVIRONMENT", tmp_path / ".venv")
    files = {"gpt/runs.py": True, ".venv/lib/torch.py": False}
    for file, expected in files.items():
        path = str(tmp_path / file)
        assert solution_imports.lies_in(path, str(tmp_path)) is expected
    # torch.ops calls itself a file of that name, which lies nowhere
    assert not solution_imports.lies_in("_ops.py", str(tmp_path))


def test_a_solution_leaves_no_trace_in_the_interpreter(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    files = {"mixture_models.py": "import sys, cli, queue; sys.path.append('x')"}
    files |= {"cli.py": "", "queue.py": "mine = 1"}
    solution = Solution(write(tmp_path / "a", files))
    before = dict(sys.modules), sys.path[:], sys.meta_path[:]
    with solution.active():
        assert solution.module("mixture_models.py").queue.mine == 1
        hidden = {name for name in before[0] if name not in sys.modules}
    assert (dict(sys.modules), sys.path, sys.meta_path) == before
    assert {"conftest", "contract.data_probe"} <= hidden
    assert not any(name.startswith(("torch", "pytest", "_pytest")) for name in hidden)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nowhere"], ["FOLDER must exist", "nowhere"]),
        (["file.py"], ["must be a folder", "file.py"]),
        (["."], ["must hold one of mixture_models.py, transformer.py, dataset.py"]),
        ([], ["required: FOLDER"]),
        (["full", "--html", "no/where.html"], ["--html", "no/where.html"]),
        (["full", "--fast"], ["--fast"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, parts):
    (tmp_path / "file.py").touch()
    write(tmp_path / "full", {"dataset.py": ""})
    result = run_driver("check_solution.py", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert_one_line(result.stderr, "check_solution.py: ", *parts)


def test_a_copy_holds_no_links_no_hidden_and_no_large_files(tmp_path):
    source = write(tmp_path / "source", {"dataset.py": "x", ".hidden": "x"})
    (source / ".git").mkdir()
    (source / "data").mkdir()
    (source / "data" / "train.csv").write_text("1")
    (source / "link").symlink_to(tmp_path)
    with open(source / "large", "wb") as file:
        file.truncate(solution_run.LARGEST_FILE + 1)
    solution_run.copy_folder(source, tmp_path / "copy")
    found = {p.relative_to(tmp_path / "copy") for p in (tmp_path / "copy").rglob("*")}
    assert set(map(str, found)) == {"dataset.py", "data", "data/train.csv"}


def test_the_page_escapes_what_a_solution_says():
    rows = [Row("GPT", "top-k sampling", "failed", "<script>", ["a & b"])]
    page = solution_report.page("<b>", rows)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page


SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 3, "vocab_size": 4, "block_size": 5}


@pytest.mark.parametrize(
    ("constructor", "order"),
    [
        (lambda n_layer, n_head, n_embd, vocab_size, block_size: 0, None),
        (lambda vocab_size, d_model, num_heads, num_layers, max_len=7: 0, None),
        (lambda config: 0, None),
        (lambda a, b, c, d, e: 0, None),
    ],
)
def test_constructors_are_called_by_name_or_by_order(constructor, order):
    assert build(constructor, **SIZES) == 0


def test_names_decide_where_a_constructor_has_another_order():
    found = build(
        lambda vocab_size, heads, emb_dim=9: (vocab_size, heads, emb_dim), **SIZES
    )
    assert found == (4, 2, 3)


@pytest.mark.parametrize("value", [[1.0, 2.0], (1, 2)])
def test_lists_and_tuples_are_numbers_too(value):
    assert tensor(value, "it").tolist() == [1, 2]
