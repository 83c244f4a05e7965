"""Whole files or none: what is written is complete under its name, or not there."""

import contextlib
import os
from pathlib import Path

TEMPORARY = ".partial"


class SaveError(OSError):
    """A file could not be written; the file of that name, if any, is the old one."""


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write to a temporary name, flush, rename: a reader never sees half a file."""
    path = Path(path)
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        kept = "; the previous one is kept" if path.exists() else ""
        raise SaveError(f"cannot save {path}: {error.strerror}{kept}") from error
