"""The yardstick: a linear classifier over n-grams (Wang and Manning 2012).

Which n-grams a review has, each weighted by the log-ratio of how often the two labels
use it. No order beyond three words, no vectors, seconds of training.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from sentiment.tokens import Ngrams, Tokens, choose_ngrams, pack, select

ORDERS = (1, 2, 3)
STRENGTHS = (0.1, 0.3, 1.0, 3.0)  # of the data against the penalty


@dataclass(frozen=True)
class NbSvm:
    """What n-grams say; the score is above zero for praise."""

    ngrams: list[Ngrams]  # of each order
    ratios: np.ndarray  # (n_ngrams,), order after order
    weights: np.ndarray  # (n_ngrams,)
    bias: float
    strength: float

    def score(self, encoded: np.ndarray, tokens: Tokens) -> np.ndarray:
        """Return the score of each review: (n_reviews,)."""
        found = presence(self.ngrams, encoded, tokens)
        return scale(found, self.ratios) @ self.weights + self.bias


def presence(ngrams: list[Ngrams], encoded: np.ndarray, tokens: Tokens) -> csr_matrix:
    """Say which n-grams each review has: (n_reviews, n_ngrams) of ones."""
    rows, columns, offset = [], [], 0
    review = tokens.review
    for order, known in zip(ORDERS, ngrams, strict=True):
        number = known.encode(pack(encoded, tokens, order))
        there = number > 0
        rows.append(review[there])
        columns.append(number[there] - 1 + offset)
        offset += len(known.keys)
    shape = len(tokens.lengths), offset
    row, column = np.concatenate(rows), np.concatenate(columns)
    ones = np.ones(len(row), np.float32)
    counts = csr_matrix((ones, (row, column)), shape=shape)
    counts.data[:] = 1.0  # equal places have been summed
    return counts


def log_ratios(found: csr_matrix, labels: np.ndarray) -> np.ndarray:
    """Return the log-ratio of each n-gram's share in praise and in blame, plus one."""
    praise = 1 + np.asarray(found[labels == 1].sum(0)).ravel()
    blame = 1 + np.asarray(found[labels == 0].sum(0)).ravel()
    return np.log(praise / praise.sum()) - np.log(blame / blame.sum())


def scale(found: csr_matrix, ratios: np.ndarray) -> csr_matrix:
    """Return rows of ratios, each of length one: long reviews count no more."""
    scaled = found.copy()
    scaled.data = ratios[found.indices]
    squares = np.asarray(scaled.multiply(scaled).sum(1)).ravel()
    norms = np.sqrt(squares).clip(min=1e-12)
    scaled.data /= np.repeat(norms, np.diff(scaled.indptr))
    return scaled


def fit(
    encoded: np.ndarray, tokens: Tokens, labels: np.ndarray,
    train: np.ndarray, validation: np.ndarray, at_least: int = 2,
) -> NbSvm:  # fmt: skip
    """Train on rows of the reviews; the strength is the best one on validation."""
    from sklearn.svm import LinearSVC

    inside = select(tokens, train)
    ngrams = [
        choose_ngrams(pack(encoded, tokens, order)[inside], at_least)
        for order in ORDERS
    ]
    found = presence(ngrams, encoded, tokens)
    ratios = log_ratios(found[train], labels[train])
    scaled = scale(found, ratios)
    tries = [
        LinearSVC(C=strength, random_state=0).fit(scaled[train], labels[train])
        for strength in STRENGTHS
    ]
    accuracies = [svm.score(scaled[validation], labels[validation]) for svm in tries]
    best = int(np.argmax(accuracies))
    weights, bias = tries[best].coef_[0], float(tries[best].intercept_[0])
    return NbSvm(ngrams, ratios, weights, bias, STRENGTHS[best])
