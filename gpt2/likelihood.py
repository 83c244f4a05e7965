"""The log-likelihood of texts, question 6d, and telling texts apart by it, 6e."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from transformer import GPT

CHUNK = 2048  # tokens that are evaluated at once


def windows(n_tokens: int, block_size: int, stride: int) -> list[tuple[int, int, int]]:
    """Cut a text's targets, tokens 1 to n_tokens - 1, into what one context sees.

    (begin, first, end): tokens begin .. end - 2 are read, first .. end - 1 scored. Each
    target is scored once; after the first window, with block_size - stride or more
    tokens before it.
    """
    found, scored, begin = [], 1, 0
    while scored < n_tokens:
        end = min(begin + block_size + 1, n_tokens)
        found.append((begin, scored, end))
        scored, begin = end, begin + stride
    return found


@torch.no_grad()
def token_log_probs(
    model: GPT, texts: Sequence[Sequence[int]], stride: int | None = None
) -> list[Tensor]:
    """Return log p of each token after a text's first: (n - 1,) float64 in nats each.

    Texts longer than the context are read in windows that overlap, stride apart (three
    quarters of the context by default); no token is left out. ValueError for a text of
    no token.
    """
    model.eval()
    for i, text in enumerate(texts):
        if not len(text):
            raise ValueError(f"text {i} has no token")
    step = stride or max(1, model.block_size * 3 // 4)
    found = [torch.zeros(len(text) - 1, dtype=torch.float64) for text in texts]
    jobs = [
        (i, *window)
        for i, text in enumerate(texts)
        for window in windows(len(text), model.block_size, step)
    ]
    jobs.sort(key=lambda job: job[3] - job[1])
    device = next(model.parameters()).device
    while jobs:
        longest = jobs[-1][3] - jobs[-1][1]
        n = max(1, CHUNK // longest)
        batch, jobs = jobs[-n:], jobs[:-n]
        ids = torch.zeros(len(batch), longest, dtype=torch.int64)
        for row, (i, begin, _, end) in enumerate(batch):
            ids[row, : end - begin] = torch.as_tensor(texts[i][begin:end])
        h = model.features(ids[:, :-1].to(device), [None] * len(model.h))  # (B, T, C)
        for row, (i, begin, first, end) in enumerate(batch):
            # a token that was scored before needs no logits
            asked = h[row, first - begin - 1 : end - begin - 1]
            logits = model.lm_head(asked).float()  # (n, V)
            target = ids[row, first - begin : end - begin].to(device)
            log_p = logits.gather(1, target[:, None])[:, 0] - logits.logsumexp(1)
            found[i][first - 1 : end - 1] = log_p.double().cpu()
    return found


def log_likelihood(model: GPT, ids: Sequence[Sequence[int]]) -> Tensor:
    """Return log p of each text in nats, its first token left out: (N,) float64."""
    return torch.stack([log_p.sum() for log_p in token_log_probs(model, ids)])


def area(negative: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC: how often a positive scores higher; ties half."""
    both = np.concatenate([negative, positive])
    _, place = np.unique(both, return_inverse=True)
    counts = np.bincount(place)
    rank = (counts.cumsum() - (counts - 1) / 2)[place]  # mean rank of ties, from 1
    n = len(positive)
    return float((rank[len(negative) :].sum() - n * (n + 1) / 2) / n / len(negative))


def roc(negative: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (false, true) positive rates at every threshold, from none to all."""
    levels = np.append(np.inf, np.unique(np.concatenate([negative, positive]))[::-1])
    return tuple(
        (scores[None] >= levels[:, None]).mean(1) for scores in (negative, positive)
    )


def threshold(negative: np.ndarray, positive: np.ndarray) -> float:
    """Return the threshold with the fewest mistakes: the middle of the widest such."""
    values = np.unique(np.concatenate([negative, positive]))
    middles = (values[:-1] + values[1:]) / 2 if len(values) > 1 else values
    wrong = [(negative >= t).sum() + (positive < t).sum() for t in middles]
    best = np.flatnonzero(wrong == np.min(wrong))
    gaps = np.diff(values)[best] if len(values) > 1 else np.ones(1)
    return float(middles[best[gaps.argmax()]])


def classify(negative: np.ndarray, positive: np.ndarray) -> dict[str, object]:
    """Choose a threshold on every other text and test it on the rest."""
    t = threshold(negative[::2], positive[::2])
    table = [
        [int((scores[1::2] < t).sum()), int((scores[1::2] >= t).sum())]
        for scores in (negative, positive)
    ]
    right = table[0][0] + table[1][1]
    return {
        "threshold": t,
        "table": table,  # rows: negative, positive; columns: called so
        "accuracy": right / sum(map(sum, table)),
        "area": area(negative[1::2], positive[1::2]),
    }


def scores(
    model: GPT, encode: Callable[[str], list[int]], texts: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return three scores of each text: its sum, per token, and bits per character."""
    ids = [encode(text) for text in texts]
    total = log_likelihood(model, ids).numpy()
    n_tokens = np.array([len(i) - 1 for i in ids])
    n_characters = np.array([max(len(text), 1) for text in texts])
    return {
        "sum": total,
        "per_token": total / np.maximum(n_tokens, 1),
        "bits": -total / n_characters / np.log(2),
        "n_tokens": n_tokens,
    }
