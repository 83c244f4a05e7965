"""Whole files or none: what is written is complete under its name, or not there."""

import contextlib
import os
from pathlib import Path

from machinery.errors import BadInput, SaveError

TEMPORARY = ".partial"


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write to a temporary name, flush, rename: a reader never sees half a file.

    Raise SaveError where that fails; the file that was there is kept.
    """
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


def read_text(path: str | Path) -> str:
    """Return a UTF-8 file's text without byte-order mark, lines ending in newlines.

    Raise BadInput for a file that is not text.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")  # a byte-order mark
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 at byte {error.start}") from None
    if b"\0" in data:
        raise BadInput(f"{path} is not text: it has a NUL at byte {data.index(0)}")
    return text.replace("\r\n", "\n").replace("\r", "\n")
