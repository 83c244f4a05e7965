"""Counted baselines for a character model: interpolated Kneser-Ney n-grams."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class NgramLosses:
    """Mean losses on a test text in nats per character.

    by_context[t - 1] is that of the characters at position t of every window of
    max_context characters and one more, which have t characters of context.
    """

    unigram: float
    bigram: float
    by_context: tuple[float, ...]

    @property
    def best(self) -> float:
        """The loss where all of max_context characters are known."""
        return self.by_context[-1]


class _Grams(NamedTuple):
    """The distinct strings of n + 1 characters: a context of n and one more."""

    at: np.ndarray  # at[t]: number of the gram that starts at t
    context: np.ndarray  # number of each gram's first n characters
    ending: np.ndarray  # number of each gram's last n characters, as a shorter gram


def _number_grams(text: np.ndarray, vocab_size: int, max_context: int) -> list[_Grams]:
    """Number the grams of every order, each from the order before, by sorting."""
    context, shorter, orders = np.zeros(len(text), np.int64), None, []
    for n in range(max_context + 1):
        keys, at = np.unique(context * vocab_size + text[n:], return_inverse=True)
        ending = np.zeros(len(keys), np.int32)
        if shorter is not None:
            ending[at] = shorter[1:]
        orders.append(_Grams(at, keys // vocab_size, ending))
        context, shorter = at[:-1], at
    return orders


def _discounts(counts: np.ndarray, n: int) -> np.ndarray:
    """What each count gives up to the shorter contexts (Chen and Goodman, 1999)."""
    n1, n2, n3, n4 = (max(np.count_nonzero(counts == k), 1) for k in (1, 2, 3, 4))
    d = n1 / (n1 + 2 * n2)
    if n == 0:
        # One discount for all leaves the counted frequencies of a full vocabulary.
        return np.where(counts > 0, d, 0.0)
    steps = np.array([1 - 2 * d * n2 / n1, 2 - 3 * d * n3 / n2, 3 - 4 * d * n4 / n3])
    # Something always, so that nothing is impossible; never the whole count.
    steps = np.clip(steps, 0.01, [0.99, 1.99, 2.99])
    return np.append(0.0, steps)[np.minimum(counts, 3)]


def _mix(
    counts: np.ndarray,
    grams: _Grams,
    seen: np.ndarray,
    shorter: np.ndarray,
    n: int,
    scale: float = 1.0,
) -> np.ndarray:
    """Probabilities of the grams `seen`, from those that shorter contexts give."""
    given_up = np.minimum(scale * _discounts(counts, n), counts)
    total = np.bincount(grams.context, counts)[grams.context[seen]]
    free = np.bincount(grams.context, given_up)[grams.context[seen]]
    mixed = ((counts - given_up)[seen] + free * shorter) / np.maximum(total, 1)
    return np.where(total > 0, mixed, shorter)  # a new context has nothing to add


def _losses(
    orders: list[_Grams], begin: int, end: int, vocab_size: int
) -> Iterator[np.ndarray]:
    """For each order n, losses at begin + n, ..., end - 1 after counting [0, begin)."""
    counts = [
        np.bincount(grams.at[: begin - n], minlength=len(grams.context))
        for n, grams in enumerate(orders)
    ]
    shorter = np.full(end - begin, 1 / vocab_size)
    for n, grams in enumerate(orders):
        seen = grams.at[begin : end - n]
        yield -np.log(_mix(counts[n], grams, seen, shorter, n))
        if n + 1 < len(orders):
            # Below its top order, Kneser-Ney counts the characters met before a gram.
            endings = orders[n + 1].ending[counts[n + 1] > 0]
            variety = np.bincount(endings, minlength=len(grams.context))
            shorter = _mix(variety, grams, seen, shorter, n)[1:]


def _choose_orders(orders: list[_Grams], size: int, vocab_size: int) -> list[int]:
    """For 1, 2, ... characters of context, the order that does best.

    It may well be shorter than the context. Chosen on the last tenth of the text's
    first size characters, which are the training text, alone.
    """
    max_context = len(orders) - 1
    tenth = _losses(orders, size * 9 // 10, size, vocab_size)
    heldout = [x[max_context - n :].mean() for n, x in enumerate(tenth)]
    return [int(np.argmin(heldout[: t + 1])) for t in range(1, max_context + 1)]


def ngram_losses(
    train: np.ndarray, test: np.ndarray, vocab_size: int, max_context: int = 10
) -> NgramLosses:
    """Losses on test of the orders that are chosen on train alone."""
    if not 1 <= max_context < min(len(train) // 10, len(test)):
        raise ValueError(f"max_context={max_context} does not fit train and test")
    text = np.concatenate([train, test])
    if text.dtype.kind not in "iu" or not 0 <= text.min() <= text.max() < vocab_size:
        raise ValueError(f"train and test must be integers from 0 to {vocab_size - 1}")
    orders = _number_grams(text, vocab_size, max_context)
    chosen = _choose_orders(orders, len(train), vocab_size)
    losses = list(_losses(orders, len(train), len(text), vocab_size))
    windows = len(test) - max_context
    by_context = tuple(
        float(losses[n][t - n :][:windows].mean()) for t, n in enumerate(chosen, 1)
    )
    return NgramLosses(float(losses[0].mean()), float(losses[1].mean()), by_context)


SCALES = (0.85, 0.95, 1.0, 1.05, 1.1, 1.15, 1.25)


@dataclass(frozen=True)
class LineNgram:
    """A Kneser-Ney n-gram of lines, each of which begins anew and comes to an end.

    Lines are tokens (N, T): a start symbol, the characters, pads (0), of which the
    first ends the line. No context reaches across a line's start.
    """

    train: np.ndarray  # the lines one after the other, without further pads
    vocab_size: int
    order: int  # tokens of context
    scale: float  # of all discounts

    @classmethod
    def fit(
        cls,
        train: np.ndarray,
        validation: np.ndarray,
        vocab_size: int,
        max_order: int = 10,
    ) -> "LineNgram":
        """Count train; choose order and scale on validation."""
        found = {}
        start = np.asarray(train)[0, 0]
        lines, held_out = (_stream(t, start, vocab_size) for t in (train, validation))
        longest = min(max_order, len(lines) - 1)  # tokens that one may come after
        orders = _number_grams(np.append(lines, held_out), vocab_size, longest)
        for scale in SCALES:
            probabilities = _line_probabilities(
                lines, held_out, orders, vocab_size, scale
            )
            for order, p in enumerate(probabilities):
                found[order, scale] = np.log(p).sum()
        return cls(lines, vocab_size, *max(found, key=found.get))

    def log_probs(self, tokens: np.ndarray) -> np.ndarray:
        """Return the log-probability of each target of lines (N, T): (N, T - 1).

        Up to the pad that ends a line; zero after it. ValueError for tokens that are
        no such lines.
        """
        lines = _stream(tokens, self.train[0], self.vocab_size)
        both = np.append(self.train, lines)
        orders = _number_grams(both, self.vocab_size, self.order)
        *_, p = _line_probabilities(
            self.train, lines, orders, self.vocab_size, self.scale
        )
        found = np.zeros(np.shape(tokens))
        found[_in_line(tokens)] = np.log(p)
        return found[:, 1:]


def _in_line(tokens: np.ndarray) -> np.ndarray:
    """Say of lines (N, T) which tokens belong to them: all up to the first pad."""
    tokens = np.asarray(tokens)
    return np.cumsum(tokens == 0, axis=1) - (tokens == 0) == 0


def _stream(tokens: np.ndarray, start: int, vocab_size: int) -> np.ndarray:
    """Return lines (N, T) one after the other, each up to its first pad."""
    tokens = np.asarray(tokens)
    if (
        tokens.dtype.kind not in "iu"
        or not 0 <= tokens.min() <= tokens.max() < vocab_size
    ):
        raise ValueError(f"lines must be integers from 0 to {vocab_size - 1}")
    stream = tokens[_in_line(tokens)]
    # where a line begins is known by its start alone
    if (tokens[:, 0] != start).any() or np.count_nonzero(stream == start) > len(tokens):
        raise ValueError(f"lines must begin with {start} and have it nowhere else")
    return stream


def _line_probabilities(
    train: np.ndarray,
    lines: np.ndarray,
    orders: list[_Grams],
    vocab_size: int,
    scale: float,
) -> Iterator[np.ndarray]:
    """For each order, the probability of each token of lines after counting train.

    orders are the grams of both, one after the other. A line's start has probability
    one. Its first tokens, which have too little context, keep the longest they have.
    """
    text, begin, start = np.append(train, lines), len(train), train[0]
    at = np.arange(len(text))
    starts = at[text == start]
    depth = at - starts[np.searchsorted(starts, at, "right") - 1]  # tokens before it
    counts = [
        # a gram within one line ends deeper than it is long
        np.bincount(g.at[: begin - n][depth[n:begin] >= n], minlength=len(g.context))
        for n, g in enumerate(orders)
    ]
    counts[0][orders[0].at[0]] = 0  # the start is never predicted
    # every token but the start, met or not: what is asked for must not change a share
    shorter = np.full(len(lines), 1 / (vocab_size - 1))
    for n, grams in enumerate(orders):
        seen = grams.at[begin - n :]
        deep = depth[begin:] >= n
        p = np.where(deep, _mix(counts[n], grams, seen, shorter, n, scale), shorter)
        yield np.where(depth[begin:] == 0, 1.0, p)
        if n + 1 == len(orders):
            break
        longer = orders[n + 1].ending[counts[n + 1] > 0]
        variety = np.bincount(longer, minlength=len(grams.context))
        # nothing comes before a line's start: what begins there is counted as it is
        first = grams.at[starts[starts < len(text) - n]]
        variety[first] = counts[n][first]
        mixed = _mix(variety, grams, seen, shorter, n, scale)
        shorter = np.where(deep, mixed, shorter)
