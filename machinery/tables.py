"""CSV files to columns of numbers, with errors that name the file and the line."""

import csv
import itertools
from pathlib import Path

import numpy as np

from machinery.errors import BadInput


def read_columns(csv_file: str | Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the named columns of a CSV file with a header line, each (N,) float64."""
    rows = read_rows(csv_file)
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in names if name not in header]
    if missing:
        raise BadInput(f"{csv_file} has no column {missing[0]}; found {header}")
    if len(rows) == 1:
        raise BadInput(f"{csv_file} has a header and no rows")
    if set(map(len, rows)) != {len(header)}:
        i = next(i for i, row in enumerate(rows) if len(row) != len(header))
        raise BadInput(
            f"{csv_file} line {line_of(csv_file, i)} has {len(rows[i])} fields; "
            f"the header has {len(header)}"
        )
    columns = list(zip(*rows[1:], strict=True))
    return {
        name: parse_numbers(csv_file, name, columns[header.index(name)])
        for name in names
    }


def read_rows(csv_file: str | Path) -> list[list[str]]:
    """Return the rows of a CSV file; empty lines at its end do not count."""
    try:
        with open(csv_file, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        raise BadInput(f"{csv_file} is not UTF-8 at byte {error.start}") from error
    except csv.Error as error:
        raise BadInput(f"{csv_file} is not CSV: {error}") from error
    while rows and not rows[-1]:
        rows.pop()
    return rows


def line_of(csv_file: str | Path, i: int) -> int:
    """Return the line on which row i of a CSV file ends: a field may hold several."""
    with open(csv_file, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(itertools.islice(reader, i, None))
        return reader.line_num


def parse_numbers(
    csv_file: str | Path, name: str, texts: tuple[str, ...]
) -> np.ndarray:
    """Return the numbers of one column, (N,) float64."""
    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        for i, text in enumerate(texts, 1):
            try:
                float(text)
            except ValueError:
                line = line_of(csv_file, i)
                raise BadInput(
                    f"{csv_file} line {line}: {name} is {text[:40]!r}, not a number"
                ) from None
        raise


def require(csv_file, name: str, values: np.ndarray, valid: np.ndarray, rule: str):
    """Raise BadInput with the lines of the values (N,) that are not valid (N,)."""
    wrong = np.flatnonzero(~valid)
    if len(wrong):
        more = f" (and {len(wrong) - 1} more lines)" if len(wrong) > 1 else ""
        raise BadInput(
            f"{csv_file} line {line_of(csv_file, wrong[0] + 1)}: {name} is "
            f"{values[wrong[0]]:g}; it must be {rule}{more}"
        )


def align(rows: list[list[str]]) -> str:
    """Return rows of cells as lines of text, each column right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)
