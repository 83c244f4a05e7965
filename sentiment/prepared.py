"""Tokenized reviews, kept by the hash of what they were made from."""

import hashlib
from pathlib import Path

import numpy as np

from machinery import arrays
from sentiment.reviews import Reviews
from sentiment.tokens import MENDED, TOKEN, Tokens, number


def tokens_of(reviews: Reviews, folder: Path) -> Tokens:
    """Return the reviews' tokens, from folder if they are there; else put them there.

    A damaged file, or one of another way to tokenize, is made anew.
    """
    rule = TOKEN.pattern + str(sorted(MENDED.items()))
    name = hashlib.sha256((reviews.digest + rule).encode()).hexdigest()[:24]
    path = folder / f"reviews-{name}.npz"
    found = read(path, len(reviews.texts))
    if found is None:
        found = number(reviews.texts)
        words = arrays.as_bytes(found.words)
        arrays.keep(path, ids=found.ids, begin=found.begin, words=words)
    return found


def read(path: Path, n_reviews: int) -> Tokens | None:
    """Return what a file holds, or None where it is not whole."""
    if (parts := arrays.kept(path, "ids", "begin", "words")) is None:
        return None
    ids, begin, words = parts
    try:
        found = Tokens(ids, begin, arrays.lines_of(words))
    except ValueError:
        return None
    whole = (
        begin.shape == (n_reviews + 1,)
        and begin[0] == 0
        and begin[-1] == len(ids)
        and (np.diff(begin) >= 0).all()
        and (not len(ids) or 0 <= ids.min() <= ids.max() < len(found.words))
    )
    return found if whole else None
