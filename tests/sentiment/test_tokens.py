"""Tokens, n-grams and windows, by hand and by counting."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sentiment import tokens
from sentiment.tokens import Ngrams, Vocabulary

TEXTS = ["a b c a b", "", "b c", "a b c d e f g h"]


def test_contractions_are_kept_apart():
    text = "I don't think it's GOOD... 7/10<br /><br />They're CAN'T well-made café"
    assert tokens.tokenize(text) == [
        "i", "do", "n't", "think", "it", "'s", "good", "...", "7", "/", "10",
        "they", "'re", "ca", "n't", "well", "-", "made", "café",
    ]  # fmt: skip


@given(st.text())
def test_no_letter_is_lost(text):
    def letters(s):
        return Counter(c for c in s if c.isalnum())

    plain = tokens.MARKUP.sub(" ", text.lower().translate(tokens.MENDED))
    assert letters("".join(tokens.tokenize(text))) == letters(plain)


def test_numbers_lead_back_to_words():
    found = tokens.number(TEXTS)
    assert found.begin.tolist() == [0, 5, 5, 7, 15]
    assert [found.words[i] for i in found.ids[5:7]] == ["b", "c"]
    assert found.review.tolist() == [0] * 5 + [2] * 2 + [3] * 8


def test_words_are_chosen_by_the_training_reviews_alone():
    found = tokens.number(["x y y y z", "w w w w"])
    chosen = tokens.choose_words(found, np.array([0]), known=["z", "w"])
    assert chosen.words == ["y", "z"]  # seen three times; known and seen
    assert chosen.encode(found).tolist() == [1, 2, 2, 2, 3, 1, 1, 1, 1]


def ngrams_in_loops(texts, order):
    return Counter(
        tuple(words[i : i + order])
        for words in map(str.split, texts)
        for i in range(len(words) - order + 1)
    )


def test_numbers_of_words_fit_into_a_packed_ngram(monkeypatch):
    monkeypatch.setattr(tokens, "LARGEST", 4)
    found = tokens.number(["a b c d"])
    chosen = tokens.choose_words(found, np.array([0]), known=[], at_least=1)
    assert chosen.encode(found).tolist() == [2, 3, 1, 1]


def test_a_review_may_be_empty_or_one_word():
    empty = tokens.number([""])
    encoded = Vocabulary([]).encode(empty)
    assert (empty.ids.dtype, encoded.dtype) == (np.int32, np.int64)
    assert not tokens.windows(empty, 2, 3)[1].any()
    one = tokens.number(["a"])
    place, there = tokens.windows(one, 2, 3)
    assert not one.ids[place].any()  # a place that is not there can be read
    assert there.tolist() == [[True] + [False] * 4]


def test_ngrams_are_those_within_a_review():
    found = tokens.number(TEXTS)
    encoded = Vocabulary(found.words).encode(found)
    for order in (1, 2, 3):
        packed = tokens.pack(encoded, found, order)
        counts = Counter(packed[packed > 0].tolist())
        expected = ngrams_in_loops(TEXTS, order)
        assert sorted(counts.values()) == sorted(expected.values())
        often = tokens.choose_ngrams(packed, at_least=2)
        assert len(often.keys) == sum(n >= 2 for n in expected.values())
        numbers = often.encode(packed)
        assert (np.unique(numbers[numbers > 0]) == np.arange(len(often.keys)) + 1).all()


def test_no_ngram_has_an_unknown_word():
    found = tokens.number(["a b c"])
    encoded = Vocabulary(["a", "c"]).encode(found)
    assert not tokens.pack(encoded, found, 2).any()
    assert Ngrams(np.array([], np.int64)).encode(np.array([5, 0])).tolist() == [0, 0]


def test_a_window_is_a_reviews_first_and_last_tokens():
    found = tokens.number(TEXTS)
    place, there = tokens.windows(found, 2, 3)
    shown = [
        [found.words[i] for i in found.ids[p[t]]]
        for p, t in zip(place, there, strict=True)
    ]
    assert shown == [list("abcab"), [], ["b", "c"], ["a", "b", "f", "g", "h"]]
