"""The places of Europe as tensors, and the coasts and borders around them.

N places, C countries, D = 2 dimensions: longitude and latitude.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dataset import DATA_DIR, Standardization, class_means, load_europe


@dataclass(frozen=True)
class Places:
    """Both splits (N, D), standardised by the training set's mean and deviation."""

    train: Tensor
    test: Tensor
    country_means: Tensor  # (C, D), standardised, of the training set
    standardization: Standardization

    @property
    def n_countries(self) -> int:
        return len(self.country_means)

    def to(self, device: torch.device | str) -> "Places":
        moved = (x.to(device) for x in (self.train, self.test, self.country_means))
        return Places(*moved, self.standardization)

    def in_degrees(self, x: Tensor) -> np.ndarray:
        return self.standardization.inverse_transform(x.detach().cpu()).numpy()


def load_places(data_dir: str | None, device: torch.device) -> Places:
    """Read, check and standardise train.csv and test.csv, of data/ where it is None.

    Raise BadInput naming file and line for what is no place, OSError for a file that
    cannot be read.
    """
    train, test = load_europe(data_dir or DATA_DIR)
    scale = Standardization.fit(train.features)
    means = class_means(train.features, train.labels)
    splits = (train.features, test.features, means)
    return Places(*(scale.transform(x) for x in splits), scale).to(device)


def load_outlines() -> np.ndarray:
    """Return Europe's coasts and borders, (P, 2) degrees, NaN rows between lines."""
    return np.load(DATA_DIR / "outlines.npy")
