"""The folder of one run: whole files or none, and one writer at a time."""

import csv
import io
import json
import math
import platform
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from matplotlib.figure import Figure

from machinery.errors import BadInput
from machinery.files import TEMPORARY, write_atomic
from machinery.process import seconds_since_start


def versions() -> dict[str, str]:
    """Return the machine and the versions that a run's numbers depend on."""
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


class RunFolder:
    """outputs/<name>/: created, locked and cleared of unfinished files on entering.

    Raise BadInput when the folder cannot be made or written to, or when another run
    is using it: before any training.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.written: list[Path] = []

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock = filelock.FileLock(self.path / ".lock")
            self.lock.acquire(timeout=0)
            for leftover in self.path.glob(f"*{TEMPORARY}"):
                leftover.unlink()
            write_atomic(self.path / f".probe{TEMPORARY}", b"")
            (self.path / f".probe{TEMPORARY}").unlink()
        except filelock.Timeout:
            raise BadInput(f"{self.path} is in use by another run") from None
        except OSError as error:
            reason = error.strerror or error
            raise BadInput(f"cannot write to {self.path}: {reason}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def write(self, name: str, data: bytes) -> None:
        path = self.path / name
        write_atomic(path, data)
        if path not in self.written:
            self.written.append(path)

    def write_figure(self, name: str, figure: Figure) -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        self.write(name, buffer.getvalue())

    def write_csv(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write dicts with equal keys as a table; floats keep every digit."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(without_nan(rows))
        self.write(name, text.getvalue().encode())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        value = without_nan(value)
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        self.write(name, (text + "\n").encode())

    def write_summary(self, config: dict[str, Any], **numbers: Any) -> None:
        """Write summary.json, the numbers that a report quotes, and name all files.

        Its seconds are those of the whole process, from its start.
        """
        seconds = seconds_since_start()
        summary = {"config": config, **numbers, "seconds": seconds}
        self.write_json("summary.json", summary | {"versions": versions()})
        print(f"\n{seconds:.0f} s; wrote", *self.written, sep="\n  ")


def without_nan(value: Any) -> Any:
    """Return plain data with None for every nan: JSON has none, CSV leaves a gap."""
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, list):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
