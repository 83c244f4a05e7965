"""What of a folder is copied before it runs."""

import sys

import pytest

from grading import sandbox
from tests.helpers import write_files


def test_a_copy_holds_no_links_no_hidden_and_no_large_files(tmp_path):
    source = write_files(tmp_path / "source", {"dataset.py": "x", ".hidden": "x"})
    (source / ".git").mkdir()
    (source / "data").mkdir()
    (source / "data" / "train.csv").write_text("1")
    (source / "link").symlink_to(tmp_path)
    with open(source / "large", "wb") as file:
        file.truncate(sandbox.LARGEST_FILE + 1)
    sandbox.copy_folder(source, tmp_path / "copy")
    found = {p.relative_to(tmp_path / "copy") for p in (tmp_path / "copy").rglob("*")}
    assert set(map(str, found)) == {"dataset.py", "data", "data/train.csv"}


def test_checks_that_never_start_are_the_machine_s_fault_and_no_empty_page(
    tmp_path, monkeypatch
):
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(sandbox, "command", lambda folders, results: asleep)
    folder = write_files(tmp_path / "mine", {"dataset.py": "x"})
    with pytest.raises(sandbox.CheckError, match="no check did start within 1 s"):
        sandbox.run([folder], time_limit=1)
