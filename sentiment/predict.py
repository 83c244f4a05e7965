"""One's own reviews, judged by a saved model."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from machinery.errors import BadInput
from machinery.files import read_text
from sentiment import inside, runs
from sentiment.network import NgramNetwork
from sentiment.tokens import number


def read_reviews(source: str) -> list[str]:
    """Return the reviews of a file, a line each; - is what is typed.

    Raise BadInput where there is none.
    """
    text = sys.stdin.read() if source == "-" else read_text(source)
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise BadInput(f"{source} has no review; one is a line of text")
    return lines


def predict(source: str, model_file: Path) -> Iterator[str]:
    """Yield a line for each review: probability of praise, and the words that moved it.

    Raise BadInput for no model, or no review.
    """
    if not model_file.exists():
        raise BadInput(
            f"{model_file} is missing: train one with python train_sentiment.py"
        )
    texts = read_reviews(source)
    model, lexicon = runs.load_model(model_file)
    if not isinstance(model, NgramNetwork):
        raise BadInput(f"{model_file} holds no n-gram network")
    for text, logit in zip(
        texts, inside.judge(model, lexicon, number(texts)), strict=True
    ):
        p = 1 / (1 + np.exp(-float(logit)))
        words = inside.moved(model, lexicon, text)
        why = ", ".join(f"{word} {change:+.2f}" for word, change in words)
        said = "praise" if logit > 0 else "blame" if logit < 0 else "undecided"
        yield f"{said} {p:6.1%}  {text[:60]}\n    {why}"
