"""Reviews as tensors: what the two recipes read of them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sentiment.model import PAD, UNKNOWN
from sentiment.reviews import Split
from sentiment.tokens import (
    Ngrams,
    Tokens,
    Vocabulary,
    choose_ngrams,
    choose_words,
    pack,
    select,
    windows,
)
from sentiment.vectors import DIMENSIONS, known_words, of_words

HEAD, TAIL = 128, 384  # tokens that the bonus reads: how a review ends says more
AT_LEAST = 3  # times that an n-gram must be seen


@dataclass(frozen=True)
class Lexicon:
    """What a model knows of language: its words, their vectors, its n-grams."""

    vocabulary: Vocabulary
    vectors: Tensor  # (2 + words, 50)
    bigrams: Ngrams
    trigrams: Ngrams

    def ids(self, tokens: Tokens, head: int = HEAD, tail: int = TAIL) -> Tensor:
        """Return words, bigrams and trigrams of reviews: (3, N, head + tail) int32."""
        encoded = self.vocabulary.encode(tokens)
        place, there = windows(tokens, head, tail)
        parts = [encoded]
        for order, ngrams in ((2, self.bigrams), (3, self.trigrams)):
            parts.append(ngrams.encode(pack(encoded, tokens, order)))
        return torch.from_numpy(np.stack([take(part, place, there) for part in parts]))

    def words(self, tokens: Tokens, length: int) -> Tensor:
        """Return the first words of reviews: (N, length) int32."""
        place, there = windows(tokens, length, 0)
        encoded = self.vocabulary.encode(tokens)
        return torch.from_numpy(take(encoded, place, there))


def take(part: np.ndarray, place: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return what stands at some places, int32, pads where there is nothing."""
    part = np.append(part, PAD)  # there may be no token at all
    return np.where(there, part[place], PAD).astype(np.int32)


def learn_lexicon(tokens: Tokens, train: np.ndarray) -> Lexicon:
    """Choose words and n-grams by the training reviews alone."""
    rows = known_words()
    vocabulary = choose_words(tokens, train, rows)
    encoded, inside = vocabulary.encode(tokens), select(tokens, train)
    bigrams, trigrams = (
        choose_ngrams(pack(encoded, tokens, order)[inside], AT_LEAST)
        for order in (2, 3)
    )
    special = np.zeros((UNKNOWN + 1, DIMENSIONS), np.float32)
    vectors = np.concatenate([special, of_words(vocabulary.words, rows)])
    return Lexicon(vocabulary, torch.from_numpy(vectors), bigrams, trigrams)


@dataclass(frozen=True)
class Dataset:
    """One split's tensors."""

    name: str
    rows: Split
    labels: Tensor  # (N,) float
    lengths: Tensor  # (N,) of the whole reviews
    words: Tensor  # (N, T) for the assignment
    ids: Tensor  # (3, N, HEAD + TAIL) for the bonus
    lexicon: Lexicon


def make_dataset(
    name: str, tokens: Tokens, labels: np.ndarray, rows: Split, length: int
) -> Dataset:
    lexicon = learn_lexicon(tokens, rows["train"])
    return Dataset(
        name,
        rows,
        torch.from_numpy(labels).float(),
        torch.from_numpy(tokens.lengths),
        lexicon.words(tokens, length),
        lexicon.ids(tokens),
        lexicon,
    )
