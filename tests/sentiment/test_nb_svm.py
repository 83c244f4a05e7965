"""The yardstick by hand: which n-grams it takes, its features, its score."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from sentiment import nb_svm
from sentiment.nb_svm import NbSvm
from sentiment.tokens import Ngrams, Vocabulary, choose_ngrams, number, pack


def encode(texts):
    found = number(texts)
    return Vocabulary(found.words).encode(found), found


def ngrams_of(encoded, found, at_least=1) -> list[Ngrams]:
    return [choose_ngrams(pack(encoded, found, n), at_least) for n in nb_svm.ORDERS]


def words_alone(encoded, found) -> list[Ngrams]:
    none = Ngrams(np.array([], np.int64))
    return [choose_ngrams(pack(encoded, found, 1), 1), none, none]


def test_presence_has_a_row_for_every_review_and_a_column_for_every_ngram():
    first = ngrams_of(*encode(["a b c"]))  # a, b, c | a b, b c | a b c
    found = number(["a", "b a a", ""])
    encoded = Vocabulary(["a", "b", "c"]).encode(found)
    present = nb_svm.presence(first, encoded, found)
    assert present.toarray().tolist() == [
        [1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6,
    ]  # fmt: skip
    assert present.dtype == np.float32  # of millions


def test_each_order_has_its_ngrams():
    encoded, found = encode(["a b"])
    with pytest.raises(ValueError, match="argument"):
        nb_svm.presence(ngrams_of(encoded, found)[:2], encoded, found)


def test_log_ratios_are_of_shares_that_begin_at_one():
    encoded, found = encode(["a", "a b", "b", "c", "c"])
    present = nb_svm.presence(words_alone(encoded, found), encoded, found)
    ratios = nb_svm.log_ratios(present, np.array([1, 1, 0, 0, 0]))
    praise, blame = np.array([3, 2, 1]) / 6, np.array([1, 2, 3]) / 6
    assert ratios == pytest.approx(np.log(praise / blame))


def test_a_review_s_features_have_length_one_and_a_word_that_says_nothing_none():
    encoded, found = encode(["a b", "b", "c", "a b c", ""])
    present = nb_svm.presence(words_alone(encoded, found), encoded, found)
    scaled = nb_svm.scale(present, np.float32([0.03, -0.04, 0]))
    assert scaled.toarray() == pytest.approx(
        np.array([[0.6, -0.8, 0], [0, -1, 0], [0, 0, 0], [0.6, -0.8, 0], [0, 0, 0]])
    )


def test_a_score_by_hand():
    encoded, found = encode(["a b", "b", ""])
    ngrams = words_alone(encoded, found)
    svm = NbSvm(ngrams, np.float32([3, 4]), np.array([5.0, 10.0]), 0.25, 1.0)
    assert svm.score(encoded, found) == pytest.approx([3 + 8 + 0.25, 10.25, 0.25])


def test_ngrams_are_those_that_training_has_met_twice():
    encoded, found = encode(["a b", "a c", "d e", "d e", "d e"])
    labels = np.array([1, 0, 1, 0, 1])
    svm = nb_svm.fit(encoded, found, labels, np.array([0, 1]), np.array([2, 3, 4]))
    assert [known.keys.tolist() for known in svm.ngrams] == [[encoded[0]], [], []]
    svm = nb_svm.fit(encoded, found, labels, np.array([0, 1]), np.array([2]), 1)
    assert [len(known.keys) for known in svm.ngrams] == [3, 2, 0]


def test_the_yardstick_is_a_support_vector_machine_on_those_features():
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(list("abcdef"), n)) for n in draw.integers(1, 9, 60)]
    labels = np.array([text.count("a") > text.count("b") for text in texts]).astype(int)
    labels[::7] ^= 1
    encoded, found = encode(texts)
    train, validation = np.arange(40), np.arange(40, 60)
    svm = nb_svm.fit(encoded, found, labels, train, validation)
    features = nb_svm.scale(nb_svm.presence(svm.ngrams, encoded, found), svm.ratios)
    tries = [
        LinearSVC(C=c, random_state=0).fit(features[train], labels[train])
        for c in nb_svm.STRENGTHS
    ]
    hits = [(t.predict(features) == labels)[validation].mean() for t in tries]
    best = tries[hits.index(max(hits))]
    assert svm.strength == best.C
    assert len({t.decision_function(features)[0] for t in tries}) == len(tries)
    assert svm.score(encoded, found) == pytest.approx(
        best.decision_function(features), abs=1e-12
    )
    assert (svm.weights == best.coef_[0]).all()  # its seed is 0, whatever is drawn
