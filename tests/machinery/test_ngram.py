"""Tests of the counted baselines against a slow model made of dictionaries."""

from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinery.ngram import (
    SCALES,
    LineNgram,
    NgramLosses,
    _choose_orders,
    _discounts,
    _losses,
    _number_grams,
    ngram_losses,
)

V = 5
M = 4


def sample(length, seed):
    """Characters 0 to 3 that depend on the one before; 4 never occurs."""
    rng = np.random.default_rng(seed)
    text = [0]
    while len(text) < length:
        text.append(int((text[-1] + rng.choice(4, p=[0.1, 0.6, 0.2, 0.1])) % 4))
    return np.array(text)


class Oracle:
    """Interpolated modified Kneser-Ney, one probability at a time."""

    def __init__(self, train, order, vocab_size):
        train, self.order, self.vocab_size = tuple(map(int, train)), order, vocab_size
        grams = [
            Counter(train[i : i + n + 1] for i in range(len(train) - n))
            for n in range(order + 1)
        ]
        self.counts = [Counter(g[1:] for g in longer) for longer in grams[1:]]
        self.counts.append(grams[order])
        self.discounts = [self._discounts(n) for n in range(order + 1)]

    def _discounts(self, n):
        met = list(self.counts[n].values())
        n1, n2, n3, n4 = (max(met.count(k), 1) for k in (1, 2, 3, 4))
        d = n1 / (n1 + 2 * n2)
        if n == 0:
            return d, d, d
        steps = 1 - 2 * d * n2 / n1, 2 - 3 * d * n3 / n2, 3 - 4 * d * n4 / n3
        return [min(max(s, 0.01), k - 0.01) for k, s in enumerate(steps, 1)]

    def probability(self, context, char, n=None):
        n = min(self.order, len(context)) if n is None else n
        if n < 0:
            return 1 / self.vocab_size
        history = tuple(int(c) for c in context[len(context) - n :])
        shorter = self.probability(context, char, n - 1)
        counts = {c: self.counts[n][(*history, c)] for c in range(self.vocab_size)}
        if not any(counts.values()):
            return shorter
        given_up = {
            c: self.discounts[n][min(k, 3) - 1] if k else 0 for c, k in counts.items()
        }
        kept = counts[char] - given_up[char]
        return (kept + sum(given_up.values()) * shorter) / sum(counts.values())


def vectorised(train, test, max_context=M):
    text = np.concatenate([train, test])
    orders = _number_grams(text, V, max_context)
    return list(_losses(orders, len(train), len(text), V))


def chosen(train, test, max_context=M):
    orders = _number_grams(np.concatenate([train, test]), V, max_context)
    return _choose_orders(orders, len(train), V)


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize(
    "counts", [[0] + 1000 * [1] + [2], 1000 * [2], 1000 * [3], [0, 1, 1, 2, 3, 4, 9]]
)
def test_what_was_met_gives_up_something_but_never_all_of_its_count(counts, n):
    counts = np.array(counts)
    given_up = _discounts(counts, n)
    assert (given_up[counts == 0] == 0).all()
    assert (given_up[counts > 0] > 0).all()
    if n > 0:  # the shortest is one number for all counts
        assert (counts - given_up)[counts > 0].min() >= 0.01 - 1e-9


@pytest.mark.parametrize("length", [30, 100, 400])
def test_every_character_and_order_agrees_with_the_oracle(length):
    train, test = sample(length, 1), sample(60, 2)
    test[[20, 40]] = 4  # a character that training never met
    for n, losses in enumerate(vectorised(train, test)):
        oracle = Oracle(train, n, V)
        slow = [
            -log(oracle.probability(test[:t], test[t])) for t in range(n, len(test))
        ]
        np.testing.assert_allclose(losses, slow, rtol=1e-12)


def test_probabilities_are_positive_and_sum_to_one():
    train = sample(200, 3)
    contexts = [train[50:54], np.array([1, 1, 1, 1]), np.array([4, 0, 1, 2])]
    for context in contexts:
        tests = [np.append(context, char) for char in range(V)]
        p = np.exp(-np.array([[x[-1] for x in vectorised(train, t)] for t in tests]))
        assert (p > 0).all()
        np.testing.assert_allclose(p.sum(0), 1, rtol=1e-12)


def test_unigram_is_the_counted_formula_when_every_character_occurs():
    train, test = np.append(sample(300, 4), 4), sample(80, 5)
    frequency = np.bincount(train) / len(train)
    expected = -np.log(frequency[test]).mean()
    assert ngram_losses(train, test, V, M).unigram == pytest.approx(expected, rel=1e-12)


def test_losses_by_context_are_means_over_every_window():
    train, test = sample(400, 6), sample(50, 7)
    found = ngram_losses(train, test, V, M)
    oracles = [Oracle(train, n, V) for n in range(M + 1)]
    for t, n in enumerate(chosen(train, test), 1):
        slow = [
            -log(oracles[n].probability(test[i : i + t], test[i + t]))
            for i in range(len(test) - M)
        ]
        assert found.by_context[t - 1] == pytest.approx(np.mean(slow), rel=1e-12)
    assert len(found.by_context) == M
    assert found.best == found.by_context[-1]


def test_bigram_is_the_loss_with_one_character_of_context():
    train, test = sample(400, 6), sample(50, 7)
    oracle = Oracle(train, 1, V)
    slow = [-log(oracle.probability(test[:t], test[t])) for t in range(1, len(test))]
    found = ngram_losses(train, test, V, M).bigram
    assert found == pytest.approx(np.mean(slow), rel=1e-12)


@pytest.mark.parametrize(("length", "begin"), [(401, 360), (80, 72)])
def test_orders_are_chosen_on_the_last_tenth_of_training(length, begin):
    train, test = sample(length, 8), sample(50, 9)
    fit, held = train[:begin], train[begin:]
    heldout = [x[M - n :].mean() for n, x in enumerate(vectorised(fit, held))]
    best = [int(np.argmin(heldout[: t + 1])) for t in range(1, M + 1)]
    assert chosen(train, test) == best
    assert len(set(best)) > 1  # there is something to choose
    assert chosen(train, sample(70, 10)) == best


@pytest.mark.parametrize(
    ("train", "test", "max_context", "rule"),
    [
        (sample(49, 1), sample(40, 1), 4, "max_context=4 "),
        (sample(100, 1), sample(4, 1), 4, "max_context=4 "),
        (sample(100, 1), sample(40, 1), 0, "max_context=0 "),
        (sample(100, 1), np.full(40, V), 4, "integers from 0 to 4$"),
        (sample(100, 1), np.full(40, -1), 4, "integers from 0 to 4$"),
        (sample(100, 1), sample(40, 1) / 2, 4, "integers from 0 to 4$"),
    ],
)
def test_unusable_arguments_are_refused(train, test, max_context, rule):
    with pytest.raises(ValueError, match=rule):
        ngram_losses(train, test, V, max_context)


@pytest.mark.parametrize(
    ("train", "test", "max_context"), [(50, 40, 4), (200, 5, 4), (20, 2, 1)]
)
def test_the_longest_context_that_fits_is_taken(train, test, max_context):
    found = ngram_losses(sample(train, 1), sample(test, 2), V, max_context)
    assert len(found.by_context) == max_context


def test_a_text_of_one_character_surprises_nobody():
    found = ngram_losses(np.zeros(110, int), np.zeros(11, int), vocab_size=1)
    assert found == NgramLosses(0, 0, (0,) * 10)


class LineOracle:
    """Kneser-Ney for lines with dictionaries, one probability at a time."""

    def __init__(self, lines, order, vocab_size, scale):
        self.order, self.size, self.scale = order, vocab_size, scale
        self.counts = [Counter() for _ in range(order + 1)]
        before = [{} for _ in range(order + 1)]
        for line in lines:
            for end in range(1, len(line)):
                for n in range(min(order, end) + 1):
                    gram = tuple(line[end - n : end + 1])
                    self.counts[n][gram] += 1
                    if end > n:
                        before[n].setdefault(gram, set()).add(line[end - n - 1])
        start = lines[0][0]
        self.variety = [
            Counter({
                gram: count if gram[0] == start else len(before[n].get(gram, ()))
                for gram, count in counts.items()
            })
            for n, counts in enumerate(self.counts)
        ]  # fmt: skip

    def probability(self, context, token, n=None):
        top = n is None
        n = min(self.order, len(context)) if top else n
        if n < 0:
            return 1 / (self.size - 1)
        shorter = self.probability(context, token, n - 1)
        whole = top and n == self.order
        table = self.counts[n] if whole else self.variety[n]
        history = tuple(context[len(context) - n :])
        if sum(v for g, v in table.items() if g[:-1] == history) == 0:
            return shorter
        met = [v for v in table.values() if v]
        n1, n2, n3, n4 = (max(met.count(k), 1) for k in (1, 2, 3, 4))
        d = n1 / (n1 + 2 * n2)
        steps = [1 - 2 * d * n2 / n1, 2 - 3 * d * n3 / n2, 3 - 4 * d * n4 / n3]
        steps = [min(max(s, 0.01), k - 0.01) for k, s in enumerate(steps, 1)]
        kept = total = free = 0.0
        for gram, v in table.items():
            if gram[:-1] != history or not v:
                continue
            give = self.scale * (d if n == 0 else steps[min(v, 3) - 1])
            give = min(give, v)
            total, free = total + v, free + give
            kept += (v - give) * (gram[-1] == token)
        return (kept + free * shorter) / total


START, END = 5, 0


def line_tokens(n, seed, width=9):
    rng = np.random.default_rng(seed)
    tokens = np.zeros((n, width), np.int64)
    tokens[:, 0] = START
    for row in tokens:
        length = rng.integers(0, width)  # as long as there is room, with no end
        row[1 : length + 1] = rng.choice([1, 2, 3, 4], length, p=[0.5, 0.3, 0.1, 0.1])
    return tokens


def cut(tokens):
    return [
        list(row[: 1 + list(row).index(END)]) if END in row else list(row)
        for row in tokens.tolist()
    ]


@pytest.mark.parametrize("scale", [1.0, 1.3])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_line_model_is_the_oracle(order, scale):
    train, test = line_tokens(40, 0), line_tokens(12, 1)
    train[train == 3] = 4  # a character that training never meets
    test[-1, 1:] = END  # a line without characters
    stream = np.array([t for line in cut(train) for t in line])
    found = LineNgram(stream, 6, order, scale).log_probs(test)
    oracle = LineOracle(cut(train), order, 6, scale)
    for line, row in zip(cut(test), found, strict=True):
        expected = [
            log(oracle.probability(line[:t], line[t])) for t in range(1, len(line))
        ]
        assert row[: len(expected)] == pytest.approx(expected)
        assert (row[len(expected) :] == 0).all()


MET = line_tokens(200, 0)  # less the character 3, which training never meets
LEARNT = LineNgram.fit(np.where(MET == 3, 4, MET), line_tokens(50, 1), 6, max_order=4)


@pytest.mark.parametrize("n_lines", [1, 2, 3, 4])
def test_no_order_is_longer_than_what_was_read(n_lines):
    lines = np.array([[3, 1, 0]] * n_lines)
    few = LineNgram.fit(lines, lines[:1], 4)
    longest = LineNgram.fit(lines, lines[:1], 4, max_order=3 * n_lines - 1)
    assert (few.order, few.scale) == (longest.order, longest.scale)
    assert few.order < len(few.train) == 3 * n_lines
    assert n_lines > 1 or few.order == 2  # the whole line, which is asked for again
    assert np.isfinite(few.log_probs(lines)).all()


@given(st.lists(st.integers(1, 4), max_size=8))
def test_after_any_context_the_probabilities_sum_to_one(characters):
    """Each token is asked for on its own: the end, and four characters."""
    rows = [np.array([[START, *characters, token]]) for token in range(5)]
    p = np.exp([LEARNT.log_probs(row)[0, -1] for row in rows])
    assert p.sum() == pytest.approx(1)
    assert (p > 0).all()


def test_neither_other_lines_nor_what_follows_its_end_change_a_line():
    line, ended = [START, 1, 2, 4, END, END], [START, 1, 2, 4, END, 2]
    found = LEARNT.log_probs(np.array([line, ended, [START, 3, 3, 1, END, END]]))
    alone = LEARNT.log_probs(np.array([line]))[0]
    np.testing.assert_array_equal(found[:2], [alone, alone])


@pytest.mark.parametrize(
    "line",
    [[4, 2, 0], [START, START, 0], [START, 6, 0], [START, -1, 0], [START, 0.5, 0]],
)
def test_what_is_no_line_is_refused(line):
    tokens = np.array([[START, 1, END], line])
    rule = "lines must begin with 5 and|lines must be integers from 0 to 5$"
    with pytest.raises(ValueError, match=rule):
        LEARNT.log_probs(tokens)
    with pytest.raises(ValueError, match=rule):
        LineNgram.fit(tokens, tokens[:1], 6, max_order=2)


def test_one_line_of_nothing_but_its_start_is_a_line():
    line = np.array([[START]])
    assert LEARNT.log_probs(line).shape == (1, 0)


def test_ten_tokens_of_context_are_looked_at_unless_more_are_asked_for():
    """The token before an end is the one that the line began with, eleven before."""
    lines = np.array([[START, a, *[3] * 10, a, END] for a in (1, 2)] * 20)
    ten, eleven = LineNgram.fit(lines, lines, 6), LineNgram.fit(lines, lines, 6, 11)
    assert np.exp(ten.log_probs(lines)[:, 11]) == pytest.approx(1 / 2, abs=0.1)
    assert (np.exp(eleven.log_probs(lines)[:, 11]) > 0.9).all()


def test_no_context_reaches_into_the_line_before():
    """A line's probability is the same whatever lines stand before and after it."""
    train, test = line_tokens(100, 0), line_tokens(20, 1)
    model = LineNgram.fit(train, line_tokens(30, 2), 6, max_order=5)
    alone = np.concatenate([model.log_probs(row[None]) for row in test])
    assert model.log_probs(test) == pytest.approx(alone)
    swapped = LineNgram(
        np.array([t for line in cut(train[::-1]) for t in line]), 6, model.order,
        model.scale,
    )  # fmt: skip
    assert swapped.log_probs(test) == pytest.approx(alone)


def test_order_and_discounts_are_the_best_on_validation():
    train, validation = line_tokens(200, 0), line_tokens(60, 1)
    chosen = LineNgram.fit(train, validation, 6, max_order=3)
    best = chosen.log_probs(validation).sum()
    for order in range(4):
        for scale in SCALES:
            other = LineNgram(chosen.train, 6, order, scale)
            assert other.log_probs(validation).sum() <= best + 1e-9
