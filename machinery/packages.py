"""Data files of installed packages, found without importing the package."""

from importlib import metadata
from pathlib import Path

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
