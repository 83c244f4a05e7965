"""Whole files or none, and text with one kind of line ending."""

import errno
import os

import pytest

from machinery.errors import BadInput, SaveError
from machinery.files import read_text, write_atomic


def test_a_file_has_its_name_only_once_it_is_whole_on_the_disk(tmp_path, monkeypatch):
    path, fsync, seen = tmp_path / "numbers.bin", os.fsync, []

    def watch(number):
        inside = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        seen.append((os.fstat(number).st_size, inside))
        fsync(number)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomic(str(path), b"whole")
    assert seen == [(5, {"numbers.bin.partial": b"whole"})]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "numbers.bin": b"whole"
    }


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, step, before):
    path = tmp_path / "model.pt"
    if before:
        path.write_bytes(before)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(SaveError) as error:
        write_atomic(path, b"new")
    kept = "; the previous one is kept" if before else ""
    assert str(error.value) == f"cannot save {path}: No space left on device{kept}"
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb\rc\n\r\n\nd", "a\nb\nc\n\n\nd"),
        ("\ufeffstraße\n".encode(), "straße\n"),
        ("a\ufeff".encode(), "a\ufeff"),  # a mark at the beginning alone is one
    ],
)
def test_a_text_is_read_with_newlines_and_without_byte_order_mark(tmp_path, data, text):
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    assert read_text(path) == read_text(str(path)) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"abc\xff", "is not UTF-8 at byte 3"),
        (b"ab\0c\0", "is not text: it has a NUL at byte 2"),
        ("ß\0".encode(), "is not text: it has a NUL at byte 2"),
    ],
)
def test_what_is_no_text_is_refused_with_the_first_byte_that_tells(
    tmp_path, data, reason
):
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    with pytest.raises(BadInput) as error:
        read_text(path)
    assert str(error.value) == f"{path} {reason}"
