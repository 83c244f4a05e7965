"""Tokenized reviews, kept by the hash of what they were made from."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from machinery.files import write_atomic
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
        buffer = io.BytesIO()
        words = np.frombuffer("\n".join(found.words).encode(), np.uint8)
        np.savez(buffer, ids=found.ids, begin=found.begin, words=words)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, buffer.getvalue())
    return found


def read(path: Path, n_reviews: int) -> Tokens | None:
    """Return what a file holds, or None where it is not whole."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            ids, begin, words = (file[name] for name in ("ids", "begin", "words"))
        found = Tokens(ids, begin, words.tobytes().decode().split("\n"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = (
        begin.shape == (n_reviews + 1,)
        and begin[0] == 0
        and begin[-1] == len(ids)
        and (np.diff(begin) >= 0).all()
        and (not len(ids) or 0 <= ids.min() <= ids.max() < len(found.words))
    )
    return found if whole else None
