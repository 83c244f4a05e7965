"""Reviews to numbers: words with n't and 's kept apart, and runs of up to three."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sentiment.model import PAD, UNKNOWN

TOKEN = re.compile(r"\w+?(?=n't\b)|n't\b|'(?:s|m|d|ll|re|ve)\b|\w+|\.\.\.|--|[^\w\s]")
MARKUP = re.compile(r"<br\s*/?>")
# what a Windows code page has left in some reviews, and other apostrophes
MENDED = str.maketrans({
    "\x85": "...", "\x91": "'", "\x92": "'", "\x93": '"', "\x94": '"', "\x96": "--",
    "\x97": "--", "’": "'", "´": "'", "`": "'",
})  # fmt: skip
BITS = 20  # of a packed n-gram for each word
LARGEST = 2**BITS


def tokenize(text: str) -> list[str]:
    """Return a review's tokens in lower case, as GloVe knows them."""
    return TOKEN.findall(MARKUP.sub(" ", text.lower().translate(MENDED)))


@dataclass(frozen=True)
class Tokens:
    """Reviews as the numbers of their words, one after the other."""

    ids: np.ndarray  # (n_tokens,) int32, into words
    begin: np.ndarray  # (n_reviews + 1,) int64
    words: list[str]

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.begin)

    @property
    def review(self) -> np.ndarray:
        """The number of each token's review."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def number(texts: Iterable[str]) -> Tokens:
    """Tokenize reviews and number their words as they are met."""
    words: dict[str, int] = {}
    ids: list[int] = []
    begin = [0]
    for text in texts:
        ids += [words.setdefault(word, len(words)) for word in tokenize(text)]
        begin.append(len(ids))
    return Tokens(np.array(ids, np.int32), np.array(begin), list(words))


@dataclass(frozen=True)
class Vocabulary:
    """The words that a model knows: number 2 and up; 0 pads, 1 is any other word."""

    words: Sequence[str]

    def encode(self, tokens: Tokens) -> np.ndarray:
        """Return the number of each token: (n_tokens,) int64."""
        numbers = {word: i for i, word in enumerate(self.words, UNKNOWN + 1)}
        table = [numbers.get(word, UNKNOWN) for word in tokens.words]
        return np.array(table, np.int64)[tokens.ids]


def choose_words(
    tokens: Tokens, rows: np.ndarray, known: Iterable[str], at_least: int = 3
) -> Vocabulary:
    """Return the words of the given reviews that are known, or seen often enough."""
    counts = np.bincount(tokens.ids[select(tokens, rows)], minlength=len(tokens.words))
    known = set(known)
    words = [
        word
        for word, count in zip(tokens.words, counts, strict=True)
        if count >= at_least or (count and word in known)
    ]
    return Vocabulary(words[: LARGEST - 2])


def select(tokens: Tokens, rows: np.ndarray) -> np.ndarray:
    """Say of every token whether its review is among rows: (n_tokens,)."""
    chosen = np.zeros(len(tokens.lengths), bool)
    chosen[rows] = True
    return np.repeat(chosen, tokens.lengths)


def pack(encoded: np.ndarray, tokens: Tokens, order: int) -> np.ndarray:
    """Return the n-gram that begins at each token, as one number: (n_tokens,).

    It is 0 where the review ends sooner or a word is unknown.
    """
    packed = encoded.copy()
    whole = encoded > UNKNOWN
    for shift in range(1, order):
        later = np.full_like(encoded, PAD)
        later[:-shift] = encoded[shift:]
        packed = packed << BITS | later
        whole &= later > UNKNOWN
    end = np.repeat(tokens.begin[1:], tokens.lengths)
    whole &= np.arange(len(encoded)) + order <= end
    return np.where(whole, packed, 0)


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of one order that a model knows: number 1 and up; 0 is none."""

    keys: np.ndarray  # sorted packed n-grams

    def encode(self, packed: np.ndarray) -> np.ndarray:
        """Return the number of each packed n-gram."""
        if not len(self.keys):
            return np.zeros_like(packed)
        place = np.searchsorted(self.keys, packed).clip(max=len(self.keys) - 1)
        return np.where(self.keys[place] == packed, place + 1, 0)


def choose_ngrams(packed: np.ndarray, at_least: int) -> Ngrams:
    """Return the n-grams among packed ones that come often enough."""
    keys, counts = np.unique(packed, return_counts=True)
    return Ngrams(keys[(counts >= at_least) & (keys > 0)])


def windows(tokens: Tokens, head: int, tail: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (where a review's first and last tokens are, which are there at all).

    Both are (n_reviews, head + tail); a review that is short enough is taken whole.
    """
    t, n = np.arange(head + tail), tokens.lengths[:, None]
    inside = np.where((t < head) | (n <= len(t)), t, n - len(t) + t)
    there = t < n
    last = max(len(tokens.ids) - 1, 0)
    return (tokens.begin[:-1, None] + inside).clip(max=last), there
