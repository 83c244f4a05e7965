"""Question 1.3: does sampling draw from the distribution that the model states?"""

from collections.abc import Sequence

import numpy as np
import torch

from headlines.data import NUM_TOKEN_VALS, Tokenizer
from headlines.model import DecoderTransformer


def first_characters(
    model: DecoderTransformer, drawn: Sequence[str], data: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return three distributions (29,) of a text's first token.

    What the model states, what drawn texts begin with, what the data's do.
    """
    with torch.no_grad():
        start = torch.tensor([[NUM_TOKEN_VALS - 1]], device=model.device)
        stated = model.eval().transformer_forward(start)[0, -1].exp().cpu().numpy()
    return {"model": stated, "drawn": shares(drawn), "data": shares(data)}


def shares(texts: Sequence[str]) -> np.ndarray:
    """Return how often each token comes first: (29,). An empty text begins with pad."""
    first = Tokenizer(1).encode(texts)[:, 1]
    return np.bincount(first, minlength=NUM_TOKEN_VALS) / len(texts)


def compare(first: dict[str, np.ndarray], n: int, n_simulated: int = 2000) -> dict:
    """Compare n drawn texts with what the model states, by total variation.

    expected and most are the mean and the 99th percentile of n_simulated sets of n
    draws from the stated distribution itself: more would mean that sampling is wrong.
    """
    p = first["model"].astype(np.float64)
    p = p / p.sum()
    simulated = np.random.default_rng(0).multinomial(n, p, n_simulated) / n
    by_chance = np.abs(simulated - p).sum(1) / 2
    return {
        "drawn_to_model": float(np.abs(first["drawn"] - p).sum() / 2),
        "expected": float(by_chance.mean()),
        "most": float(np.quantile(by_chance, 0.99)),
        "data_to_model": float(np.abs(first["data"] - p).sum() / 2),
    }
