"""What counting achieves on the same lines, alone and mixed with a transformer."""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from headlines.data import NUM_TOKEN_VALS, Corpus
from headlines.likelihood import lengths
from machinery.ngram import LineNgram

WEIGHTS = np.linspace(0, 1, 41)  # of the transformer in a mixture


@dataclass(frozen=True)
class Counted:
    """Log-probabilities (N, T - 1) of the held-out lines' targets by an n-gram.

    Its order and discounts were chosen on validation before the test set was read.
    """

    order: int
    scale: float
    log_probs: dict[str, np.ndarray]  # by split: validation, test


def count(corpus: Corpus) -> Counted:
    train, validation, test = (
        corpus.tokens[split].cpu().numpy() for split in ("train", "validation", "test")
    )
    model = LineNgram.fit(train, validation, NUM_TOKEN_VALS)
    log_probs = {
        "validation": model.log_probs(validation),
        "test": model.log_probs(test),
    }
    return Counted(model.order, model.scale, log_probs)


def measure_lines(log_probs: np.ndarray, tokens: Tensor) -> dict[str, float]:
    """Return nats a line, their standard error, and bits a character, end pads paid."""
    losses = -log_probs.astype(np.float64).sum(1)
    bits = losses.sum() / math.log(2) / int(lengths(tokens).sum())
    return mean_and_error(losses) | {"bits": float(bits)}


def mean_and_error(losses: np.ndarray) -> dict[str, float]:
    error = losses.std(ddof=1) / math.sqrt(len(losses))
    return {"nll": float(losses.mean()), "error": float(error)}


def mix(one: np.ndarray, two: np.ndarray, weight: float) -> np.ndarray:
    """Return log(weight * exp(one) + (1 - weight) * exp(two)), element by element."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(weight) + one, np.log1p(-weight) + two)


def best_weight(one: np.ndarray, two: np.ndarray) -> float:
    """Return the weight of one at which a mixture with two is likeliest."""
    return float(max(WEIGHTS, key=lambda weight: mix(one, two, weight).sum()))


def mixture(
    transformer: dict[str, np.ndarray], counted: Counted, test: Tensor
) -> dict[str, float]:
    """Mix a transformer with the n-gram; the weight comes from validation alone.

    against_ngram is its test NLL less the n-gram's in nats a line; its error is that of
    the paired difference.
    """
    ngram = counted.log_probs
    weight = best_weight(transformer["validation"], ngram["validation"])
    mixed = mix(transformer["test"], ngram["test"], weight)
    gain = mean_and_error((ngram["test"] - mixed).sum(1))
    return measure_lines(mixed, test) | {
        "weight": weight,
        "against_ngram": gain["nll"],
        "against_ngram_error": gain["error"],
    }
