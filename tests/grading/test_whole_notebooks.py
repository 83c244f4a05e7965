"""Whole solutions as notebooks: right ones pass, mistakes are named as in files."""

import re
import shutil
from pathlib import Path

import pytest

from grading import sandbox
from tests.grading.test_check_solution import MISTAKES, PLANTED, check, failed, plant
from tests.grading.test_notebooks import notebook

OWN_IMPORT = re.compile(r"^from (dataset|submission\S*|\.\S*) import .*$", re.M)
BEFORE = "%matplotlib inline\n!pip install -q torch\nprint('hello')"
AFTER = "while True:\n    train(model)\n"


def converted(source: Path, target: Path, together: bool) -> Path:
    """Make notebooks of a folder's files, one of each or one of all."""
    target.mkdir()
    files = sorted(source.rglob("*.py"), key=lambda p: (p.stem != "likelihood", p))
    texts = {
        path.stem: OWN_IMPORT.sub("", path.read_text())
        for path in files
        if path.stem != "__init__"
    }
    groups = {"all of it": texts} if together else {n: {n: t} for n, t in texts.items()}
    for name, some in groups.items():
        cells = (BEFORE, *some.values(), AFTER)
        (target / f"{name}.ipynb").write_text(notebook(*cells))
    return target


@pytest.mark.slow
def test_a_whole_folder_as_one_notebook_passes_in_less_than_a_minute(tmp_path):
    converted(PLANTED / "vectorised", tmp_path / "whole", together=True)
    result = check(tmp_path / "whole", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "60 passed, 0 failed, 0 not checked" in result.stdout
    assert int(re.search(r"in (\d+) s$", result.stdout, re.M)[1]) < 60


IN_NOTEBOOKS = (
    "log_sigma_squared", "mask_missing", "targets_not_shifted", "norm_of_the_sample",
    "homework_softmax_over_queries", "block_norm_missing", "likelihood_is_a_mean",
    "temperature_of_the_second_token_before_the_joint", "threshold_too_high",
)  # fmt: skip


@pytest.mark.slow
def test_a_mistake_in_a_notebook_is_named_as_in_a_file(tmp_path):
    folders = {}
    for name in IN_NOTEBOOKS:
        folder = plant(name, tmp_path)
        folders[name] = converted(
            folder, tmp_path / f"{name} as notebook", together=True
        )
        shutil.rmtree(folder)
    folders["right"] = converted(PLANTED / "loops", tmp_path / "right", together=False)
    rows = sandbox.run(list(folders.values()), time_limit=100)
    found = {name: failed(rows[folder]) for name, folder in folders.items()}
    assert found.pop("right") == {}
    for name, blamed in found.items():
        mistake = MISTAKES[name]
        assert list(blamed) == [mistake["question"]]
        sentence = re.sub(r"\d", "", blamed[mistake["question"]])
        assert sentence == re.sub(r"\d", "", mistake["sentence"])
