"""The real reviews and vectors: their numbers, where the extra is installed."""

import numpy as np
import pytest

from sentiment import reviews, tokens, vectors

pytestmark = pytest.mark.packages


def test_the_reviews_and_the_vectors_are_those_that_were_measured():
    found = reviews.load(None)
    assert (len(found.texts), found.labels.sum()) == (24904, 12472)
    assert "96 copies" in found.notes[0]
    some = tokens.number(found.texts[::25])
    rows = vectors.known_words()
    assert len(rows) == 400_000
    inside = np.array([word in rows for word in some.words])
    assert inside[some.ids].mean() > 0.996
    assert inside[some.ids[:1]].all()


def test_near_words_have_near_vectors():
    rows = vectors.known_words()
    good, great, bread = vectors.of_words(["good", "great", "bread"], rows)

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    assert cosine(good, great) > cosine(good, bread) + 0.2
    assert not vectors.of_words(["xqzzt"], rows).any()
