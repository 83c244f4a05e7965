"""Reviews as tensors: what a lexicon is learnt from, and what it makes of reviews."""

import numpy as np
import pytest
import torch

from sentiment import data
from sentiment.data import HEAD, TAIL, Lexicon
from sentiment.tokens import Ngrams, Vocabulary, number

# of training five, of the test two
TEXTS = ["the plot film"] * 3 + ["film superb lovely"] * 2
TEXTS += ["film superb lovely film superb lovely odd odd odd", ""]
TRAIN = np.arange(5)
ROWS = {"the": 7, "plot": 3, "film": 2, "superb": 9, "lovely": 5}


@pytest.fixture(autouse=True)
def vectors(monkeypatch):
    """A word's vector is the number of its row, fifty times."""

    def of_words(words, rows):
        return np.repeat(np.float32([[rows[word]] for word in words]), 50, 1)

    monkeypatch.setattr(data, "known_words", lambda: ROWS)
    monkeypatch.setattr(data, "of_words", of_words)


@pytest.fixture
def lexicon() -> Lexicon:
    return data.learn_lexicon(number(TEXTS), TRAIN)


def test_words_and_ngrams_are_those_that_training_meets_often_enough(lexicon):
    assert lexicon.vocabulary.words == ["the", "plot", "film", "superb", "lovely"]
    ids = lexicon.ids(number(["the plot film", "film superb lovely"]), 3, 0)
    # the, plot and film are numbers 2 to 4: of their n-grams each is met three times
    assert ids[:, 0].tolist() == [[2, 3, 4], [1, 2, 0], [1, 0, 0]]
    assert ids[:, 1].tolist() == [[4, 5, 6], [0, 0, 0], [0, 0, 0]]  # twice


def test_a_word_s_vector_stands_in_the_row_of_its_number(lexicon):
    assert lexicon.vectors.shape == (7, 50)
    assert lexicon.vectors.dtype == torch.float32
    assert lexicon.vectors.unique(dim=1)[:, 0].tolist() == [0, 0, 7, 3, 2, 9, 5]


def test_a_review_is_read_as_its_first_and_last_words_and_their_ngrams(lexicon):
    found = number(["the plot film odd the plot film superb", "film", ""])
    ids = lexicon.ids(found, 2, 3)
    assert ids.dtype == torch.int32
    assert ids[:, 0].tolist() == [[2, 3, 3, 4, 5], [1, 2, 2, 0, 0], [1, 0, 0, 0, 0]]
    assert ids[:, 1].tolist() == [[4, 0, 0, 0, 0], [0] * 5, [0] * 5]
    assert not ids[:, 2].any()
    words = lexicon.words(found, 5)
    assert words.dtype == torch.int32
    assert words.tolist() == [[2, 3, 4, 1, 2], [4, 0, 0, 0, 0], [0] * 5]


def test_of_no_word_at_all_pads_are_read(lexicon):
    empty = number(["", ""])
    assert lexicon.ids(empty, 2, 1).tolist() == [[[0] * 3] * 2] * 3
    assert lexicon.words(empty, 2).tolist() == [[0, 0]] * 2


def test_unless_told_the_head_and_the_longer_tail_are_read():
    found = number([" ".join(f"w{i}" for i in range(600))])
    none = Ngrams(np.array([], np.int64))
    lexicon = Lexicon(Vocabulary(found.words), torch.zeros(0, 2), none, none)
    read = [*range(HEAD), *range(600 - TAIL, 600)]
    assert (lexicon.ids(found)[0, 0] - 2).tolist() == read


def test_a_dataset_is_of_its_split_s_training_reviews():
    found, rows = number(TEXTS), {"train": TRAIN, "test": np.array([5, 6])}
    labels = np.array([0, 1, 1, 0, 1, 0, 1])
    made = data.make_dataset("mine", found, labels, rows, 4)
    assert (made.name, made.rows) == ("mine", rows)
    assert torch.equal(made.labels, torch.tensor([0.0, 1, 1, 0, 1, 0, 1]))
    assert made.lengths.tolist() == [3, 3, 3, 3, 3, 9, 0]
    learnt = data.learn_lexicon(found, TRAIN)
    assert made.lexicon.vocabulary == learnt.vocabulary
    assert torch.equal(made.words, learnt.words(found, 4))
    assert torch.equal(made.ids, learnt.ids(found))
