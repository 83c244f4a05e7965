"""Prepared arrays, kept in a file that is named after what they were made from."""

import io
import zipfile
from pathlib import Path

import numpy as np

from machinery.files import write_atomic


def keep(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays into a file; its folder is made. SaveError where that fails."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())


def kept(path: Path, *names: str) -> tuple[np.ndarray, ...] | None:
    """Return the arrays of a file, or None where there is none that is whole.

    What they hold is for the caller to check.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return tuple(file[name] for name in names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def as_bytes(lines: list[str]) -> np.ndarray:
    """Return lines without line breaks as an array, which lines_of turns back."""
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def lines_of(array: np.ndarray) -> list[str]:
    """Raise ValueError for bytes that are no text."""
    return array.tobytes().decode().split("\n")
