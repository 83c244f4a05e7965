"""Files to tensors: the places of Europe, and Shakespeare."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from machinery.errors import BadInput
from machinery.files import read_text
from machinery.tables import read_columns, require

DATA_DIR = Path(__file__).parent / "data"
DEGREES = {"long": 180.0, "lat": 90.0}  # largest absolute value of each coordinate
LARGEST_CLASS = 2**31  # country numbers beyond this are surely not classes


class EuropeDataset(Dataset):
    """Places and their countries, from a CSV file with columns long, lat, country.

    features (N, 2) float32 [long, lat] in degrees; labels (N,) int64. Other columns
    (the course's unnamed index) are ignored. Raise BadInput naming file and line for
    anything that is not a place, OSError for a file that cannot be read.
    """

    def __init__(self, csv_file: str | Path) -> None:
        table = read_columns(csv_file, ("long", "lat", "country"))
        for name, limit in DEGREES.items():
            valid = np.abs(table[name]) <= limit  # nan is not
            require(csv_file, name, table[name], valid, f"within ±{limit:g} degrees")
        country = table["country"]
        valid = (country >= 0) & (country < LARGEST_CLASS) & (country % 1 == 0)
        require(csv_file, "country", country, valid, "an integer of at least 0")
        features = np.stack([table["long"], table["lat"]], axis=1, dtype=np.float32)
        self.features = torch.from_numpy(features)
        self.labels = torch.from_numpy(country.astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> list[Tensor]:
        return [self.features[i], self.labels[i]]


@dataclass(frozen=True)
class Standardization:
    """The map from degrees to mean zero and standard deviation one, and back.

    mean (D,) and std (D,) are those of the training set, for every split: a test set
    that is standardised by itself is shifted against the model.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> "Standardization":
        """Measure (N, D) features; raise BadInput where a coordinate never varies."""
        std = features.double().std(0, correction=0)
        if not (std > 0).all():
            raise BadInput(f"every coordinate must vary, got std {std.tolist()}")
        return cls(features.double().mean(0).float(), std.float())

    def transform(self, features: Tensor) -> Tensor:
        return (features - self.mean.to(features)) / self.std.to(features)

    def inverse_transform(self, features: Tensor) -> Tensor:
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
        raise BadInput(
            f"{Path(data_dir) / 'test.csv'}: country {unknown[0]} is not in train.csv"
        )
    return train, test


class Vocabulary:
    """Characters and their ids, 0 for the first of characters."""

    end: int | None = None  # the token that ends a text: these have no end

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._id = {character: i for i, character in enumerate(characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """Raise BadInput for a character that is not in the vocabulary."""
        try:
            return [self._id[character] for character in text]
        except KeyError:
            unknown = next(c for c in text if c not in self._id)
            raise BadInput(
                f"{unknown!r} is not in the vocabulary "
                f"({len(self)} characters: {self.characters!r})"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.characters[i] for i in ids)

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return the ids of a prompt, at least one.

        An empty one is a new line or, where there are none, the first character.
        """
        return self.encode(prompt or ("\n" if "\n" in self._id else self.characters[0]))


class ShakespeareDataset(Dataset):
    """Every window of block_size characters, and the same window one character later.

    Raise BadInput when the text is shorter than one window and one character.
    """

    def __init__(
        self, text: str, block_size: int, encoder: Callable[[str], list[int]]
    ) -> None:
        if len(text) <= block_size:
            raise BadInput(
                f"the text has {len(text)} characters; "
                f"block_size {block_size} needs at least {block_size + 1}"
            )
        self.block_size = block_size
        self.ids = torch.tensor(encoder(text))  # (characters,)

    def __len__(self) -> int:
        return len(self.ids) - self.block_size

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= i < len(self):
            raise IndexError(f"window {i} of {len(self)}")
        start = i % len(self)
        window = self.ids[start : start + self.block_size + 1]
        return window[:-1], window[1:]

    def windows(self, starts: Tensor) -> Tensor:
        """Return the windows (B, block_size + 1) that begin at starts (B,)."""
        offsets = torch.arange(self.block_size + 1, device=starts.device)
        return self.ids[starts[:, None] + offsets]


class DataHandler:
    """The two splits of a text; the vocabulary is the training text's, sorted.

    Raise BadInput for a file that is not text, is too short for block_size, or tests
    with characters that training lacks; OSError for one that cannot be read.
    """

    def __init__(
        self,
        train_filename: str | Path,
        test_filename: str | Path | None = None,
        block_size: int = 10,
    ) -> None:
        if block_size < 1:
            raise BadInput(f"block_size must be at least 1, got {block_size}")
        self.block_size = block_size
        self.files = {"train": train_filename, "test": test_filename}
        self.text = {
            split: read_text(file) for split, file in self.files.items() if file
        }
        self.vocabulary = Vocabulary("".join(sorted(set(self.text["train"]))))
        self.encoder = self.vocabulary.encode
        self.decoder = self.vocabulary.decode
        unknown = sorted(
            set(self.text.get("test", "")) - set(self.vocabulary.characters)
        )
        if unknown:
            raise BadInput(
                f"{test_filename} has characters that {train_filename} lacks: "
                + ", ".join(map(repr, unknown))
            )

    def get_vocab_size(self) -> int:
        return len(self.vocabulary)

    def get_dataset(self, split: str) -> ShakespeareDataset:
        """Return the windows of "train" or "test"; BadInput where there is none."""
        if split not in self.text:
            raise BadInput(f"there is no {split!r} text, only {', '.join(self.text)}")
        try:
            return ShakespeareDataset(self.text[split], self.block_size, self.encoder)
        except BadInput as error:
            raise BadInput(f"{self.files[split]}: {error}") from None
