"""Whole files or none, and one writer at a time."""

import csv
import json
import os
import platform
import time

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from machinery import run_folder
from machinery.errors import BadInput, SaveError
from machinery.files import write_atomic
from machinery.run_folder import RunFolder, versions, without_nan
from tests.helpers import ROOT, run_python


def names(folder) -> set[str]:
    """Names in a folder; a lock file may stay behind."""
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "numbers.bin"
    for data in (b"first, and longer", b"second", b""):
        write_atomic(path, data)
        assert path.read_bytes() == data
        assert names(tmp_path) == {"numbers.bin"}


def test_a_reader_of_the_old_file_keeps_it(tmp_path):
    path = tmp_path / "numbers.bin"
    write_atomic(path, b"old")
    with open(path, "rb") as reader:
        write_atomic(path, b"new")
        assert reader.read() == b"old"


FULL_DISK = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from machinery.files import SaveError, write_atomic
write_atomic("model.pt", b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_atomic(sys.argv[1], b"x" * 100_000)
except SaveError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "kept"), [("model.pt", "; the previous one is kept"), ("new.pt", "")]
)
def test_fault_6_a_full_disk_keeps_the_old_file(tmp_path, name, kept):
    pytest.importorskip("resource", reason="this system has no file size limits")
    result = run_python("-c", FULL_DISK, name, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"cannot save {name}: File too large{kept}"
    assert (tmp_path / "model.pt").read_bytes() == b"old"
    assert names(tmp_path) == {"model.pt"}


def test_a_missing_parent_is_a_save_error(tmp_path):
    with pytest.raises(SaveError, match=r"cannot save .*model\.pt: No such file"):
        write_atomic(tmp_path / "absent" / "model.pt", b"data")


def test_a_folder_is_made_with_its_parents(tmp_path):
    with RunFolder(tmp_path / "a" / "b") as folder:
        folder.write("c.txt", b"text")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"text"


def test_unfinished_files_are_cleared_and_others_kept(tmp_path):
    (tmp_path / "model.pt.partial").write_bytes(b"half")
    (tmp_path / "model.pt").write_bytes(b"whole")
    with RunFolder(tmp_path):
        assert names(tmp_path) == {"model.pt"}


def test_fault_7_a_folder_beneath_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ValueError, match="cannot write to") as error:
            RunFolder(path).__enter__()
        assert str(path) in str(error.value)


@pytest.mark.parametrize("told", ["Permission denied", None])
def test_a_folder_that_cannot_be_written_to_is_refused_with_the_reason(
    tmp_path, monkeypatch, told
):
    def refuse(path, data):
        raise OSError(13, told) if told else OSError("a bare reason")

    monkeypatch.setattr(run_folder, "write_atomic", refuse)
    with pytest.raises(BadInput) as error:
        RunFolder(tmp_path).__enter__()
    assert str(error.value) == f"cannot write to {tmp_path}: {told or 'a bare reason'}"


def test_a_folder_in_use_is_refused_at_once_and_free_afterwards(tmp_path, monkeypatch):
    def wait(seconds):
        pytest.fail("a run waits for another one")

    monkeypatch.setattr(time, "sleep", wait)
    with RunFolder(tmp_path) as folder:
        with pytest.raises(BadInput) as error:
            RunFolder(tmp_path).__enter__()
        assert str(error.value) == f"{tmp_path} is in use by another run"
        folder.write("still.txt", b"mine")
    with RunFolder(tmp_path):
        pass


IN_USE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from machinery.run_folder import RunFolder
try:
    RunFolder("run").__enter__()
except ValueError as error:
    print(error)
"""


def test_another_process_cannot_use_the_folder_either(tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        (folder.path / "model.pt.partial").write_bytes(b"being written")
        result = run_python("-c", IN_USE, cwd=tmp_path)
        assert result.stdout.strip() == "run is in use by another run"
        assert (folder.path / "model.pt.partial").exists()


def test_the_folder_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyError), RunFolder(tmp_path):
        raise KeyError("any")
    with RunFolder(tmp_path):
        pass


def test_written_files_are_listed_once_in_order(tmp_path):
    with RunFolder(tmp_path) as folder:
        for name in ("b.txt", "a.txt", "b.txt"):
            folder.write(name, b"")
    assert [path.name for path in folder.written] == ["b.txt", "a.txt"]


def test_csv_keeps_every_digit(tmp_path):
    rows = [{"epoch": 0, "loss": 0.1 + 0.2}, {"epoch": 1, "loss": 1e-300}]
    with RunFolder(tmp_path) as folder:
        folder.write_csv("metrics.csv", rows)
    data = (tmp_path / "metrics.csv").read_bytes()
    assert b"\r" not in data
    found = list(csv.DictReader(data.decode().splitlines()))
    assert [float(row["loss"]) for row in found] == [0.1 + 0.2, 1e-300]
    assert [row["epoch"] for row in found] == ["0", "1"]


def test_json_is_strict_and_readable(tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.write_json("summary.json", {"ß": [1.5, None]})
        assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == {
            "ß": [1.5, None]
        }
        with pytest.raises(ValueError, match="not JSON compliant"):
            folder.write_json("summary.json", {"loss": float("inf")})
    assert json.loads((tmp_path / "summary.json").read_text("utf-8"))


def test_a_json_file_is_lines_of_plain_letters_the_last_with_its_end(tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.write_json("a.json", {"ß": [1.5]})
    text = (tmp_path / "a.json").read_bytes().decode()
    assert text == '{\n "ß": [\n  1.5\n ]\n}\n'


def test_a_summary_holds_config_numbers_versions_and_the_seconds_of_the_process(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run_folder, "seconds_since_start", lambda: 61.75)
    with RunFolder(tmp_path) as folder:
        folder.write("b.txt", b"")
        folder.write_summary({"seed": 3}, loss=0.5, worst=float("nan"))
    assert json.loads((tmp_path / "summary.json").read_text()) == {
        "config": {"seed": 3}, "loss": 0.5, "worst": None, "seconds": 61.75,
        "versions": versions(),
    }  # fmt: skip
    files = f"{tmp_path / 'b.txt'}\n  {tmp_path / 'summary.json'}"
    assert capsys.readouterr().out == f"\n62 s; wrote\n  {files}\n"


def test_the_versions_are_those_of_the_machine_and_of_what_computes(monkeypatch):
    if not hasattr(os, "uname"):
        pytest.skip("this system has another name for itself")
    system = os.uname()
    assert versions() == {
        "machine": f"{system.sysname} {system.machine}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    assert type(versions()["torch"]) is str  # plain, for JSON


def test_only_what_is_not_a_number_becomes_none():
    nan, inf = float("nan"), float("inf")
    value = {"a": [nan, {"b": nan}, inf], "c": (1,), "nan": "nan", "d": [0.0, True]}
    expected = {
        "a": [None, {"b": None}, inf],
        "c": (1,),
        "nan": "nan",
        "d": [0.0, True],
    }
    assert without_nan(value) == expected


def test_what_has_no_value_is_a_gap(tmp_path):
    row = {"epoch": 0, "mean": float("nan")}
    with RunFolder(tmp_path) as folder:
        folder.write_json("a.json", {"rows": [row]})
        folder.write_csv("a.csv", [row])
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "rows": [{"epoch": 0, "mean": None}]
    }
    assert (tmp_path / "a.csv").read_text() == "epoch,mean\n0,\n"


def test_a_figure_is_the_same_bytes_each_time(tmp_path):
    svg = mpl.rc_context({"savefig.format": "svg"})  # whatever a user prefers
    with svg, RunFolder(tmp_path) as folder:
        for name in ("a.png", "b.png"):
            figure = Figure(figsize=(2, 1), dpi=50)
            figure.subplots().plot([1, 2])
            folder.write_figure(name, figure)
    one, two = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert one == two
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (100, 50)
        assert image.format == "PNG"
        assert "Software" not in image.info  # no version of matplotlib


def test_a_path_beneath_a_file_is_a_save_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SaveError, match="cannot save .*: Not a directory"):
        write_atomic(tmp_path / "file" / "model.pt", b"data")
