"""Files to tensors: the places of Europe."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

DATA_DIR = Path(__file__).parent / "data"
DEGREES = {"long": 180.0, "lat": 90.0}  # largest absolute value of each coordinate
LARGEST_CLASS = 2**31  # country numbers beyond this are surely not classes


class EuropeDataset(Dataset):
    """Places and their countries, from a CSV file with columns long, lat, country.

    features (N, 2) float32 [long, lat] in degrees; labels (N,) int64. Other columns
    (the course's unnamed index) are ignored. Raise ValueError naming file and line for
    anything that is not a place, OSError for a file that cannot be read.
    """

    def __init__(self, csv_file: str | Path) -> None:
        table = read_columns(csv_file, ("long", "lat", "country"))
        for name, limit in DEGREES.items():
            bad = ~(np.abs(table[name]) <= limit)  # so that nan is bad as well
            refuse(csv_file, name, table[name], bad, f"within ±{limit:g} degrees")
        country = table["country"]
        bad = ~((country >= 0) & (country < LARGEST_CLASS) & (country % 1 == 0))
        refuse(csv_file, "country", country, bad, "an integer of at least 0")
        features = np.stack([table["long"], table["lat"]], axis=1, dtype=np.float32)
        self.features = torch.from_numpy(features)
        self.labels = torch.from_numpy(country.astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> list[Tensor]:
        return [self.features[i], self.labels[i]]


def read_columns(csv_file: str | Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the named columns of a CSV file with a header line, each (N,) float64."""
    rows = read_rows(csv_file)
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in names if name not in header]
    if missing:
        raise ValueError(f"{csv_file} has no column {missing[0]}; found {header}")
    if len(rows) == 1:
        raise ValueError(f"{csv_file} has a header and no rows")
    if set(map(len, rows)) != {len(header)}:
        line = next(i for i, row in enumerate(rows, 1) if len(row) != len(header))
        raise ValueError(
            f"{csv_file} line {line} has {len(rows[line - 1])} fields; "
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
        raise ValueError(f"{csv_file} is not UTF-8 at byte {error.start}") from error
    except csv.Error as error:
        raise ValueError(f"{csv_file} is not CSV: {error}") from error
    while rows and not rows[-1]:
        rows.pop()
    return rows


def parse_numbers(
    csv_file: str | Path, name: str, texts: tuple[str, ...]
) -> np.ndarray:
    """Return the numbers of one column, (N,) float64."""
    try:
        return np.array(texts).astype(np.float64)
    except ValueError:
        for line, text in enumerate(texts, 2):
            try:
                float(text)
            except ValueError:
                raise ValueError(
                    f"{csv_file} line {line}: {name} is {text!r}, not a number"
                ) from None
        raise


def refuse(csv_file, name: str, values: np.ndarray, bad: np.ndarray, rule: str) -> None:
    """Raise ValueError with the lines where bad (N,) is true."""
    lines = np.flatnonzero(bad) + 2
    if len(lines):
        more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
        raise ValueError(
            f"{csv_file} line {lines[0]}: {name} is {values[lines[0] - 2]:g}; "
            f"it must be {rule}{more}"
        )


@dataclass(frozen=True)
class Standardization:
    """The map from degrees to mean zero and standard deviation one, and back.

    mean (D,) and std (D,) are those of the training set, for every split: a test set
    that is standardised by itself is shifted against the model.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Standardization":
        """Measure (N, D) features; raise ValueError where a coordinate never varies."""
        std = features.double().std(0, correction=0)
        if not (std > 0).all():
            raise ValueError(f"every coordinate must vary, got std {std.tolist()}")
        return cls(features.double().mean(0).float(), std.float())

    def apply(self, features: Tensor) -> Tensor:
        return (features - self.mean.to(features)) / self.std.to(features)

    def undo(self, features: Tensor) -> Tensor:
        return features * self.std.to(features) + self.mean.to(features)


def class_means(features: Tensor, labels: Tensor) -> Tensor:
    """Return the mean (C, D) of each of the C classes in labels, in their order."""
    classes, index = labels.unique(return_inverse=True)
    sums = torch.zeros(len(classes), features.shape[1], dtype=torch.float64)
    sums.index_add_(0, index, features.double())
    return (sums / index.bincount()[:, None]).to(features.dtype)


def load_europe(data_dir: str | Path) -> tuple[EuropeDataset, EuropeDataset]:
    """Read train.csv and test.csv of a folder; every test class must be trained on."""
    train, test = (
        EuropeDataset(Path(data_dir) / f"{s}.csv") for s in ("train", "test")
    )
    unknown = sorted(set(test.labels.tolist()) - set(train.labels.tolist()))
    if unknown:
        raise ValueError(
            f"{Path(data_dir) / 'test.csv'}: country {unknown[0]} is not in train.csv"
        )
    return train, test
