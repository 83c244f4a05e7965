"""Question 4: what a temperature does to the distributions and to the texts."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from headlines import texts
from headlines.likelihood import CHUNK, counted, crop, lengths, similar_lengths
from headlines.model import DecoderTransformer
from machinery import workers
from machinery.training import derive_seed

TEMPERATURES = (0.01, 0.1, 0.5, 0.8, 1.0)
GRID = tuple(round(0.1 * i, 2) for i in range(1, 21))


@torch.no_grad()
def distributions(
    model: DecoderTransformer, tokens: Tensor, temperatures: Sequence[float]
) -> dict[str, list[float]]:
    """Measure the next-token distributions of held-out lines (N, T).

    entropy is their mean in bits, over the targets that count; nll the lines' mean in
    nats. One value for each temperature.
    """
    model.eval()
    entropy = torch.zeros(len(temperatures), dtype=torch.float64)
    nll = torch.zeros(len(temperatures), dtype=torch.float64)
    for rows in similar_lengths(tokens, CHUNK):
        lines = crop(tokens[rows].to(model.device))
        valid = counted(lines)
        logits = model.transformer_forward(lines)[:, :-1][valid]  # (M, V)
        target = lines[:, 1:][valid][:, None]
        for i, temperature in enumerate(temperatures):
            log_p = (logits / temperature).log_softmax(1)
            entropy[i] -= torch.xlogy(log_p.exp(), log_p.exp()).sum().item()
            nll[i] -= log_p.gather(1, target).sum().item()
    n_targets = int((lengths(tokens) + 1).clamp(max=tokens.shape[1] - 1).sum())
    return {
        "temperature": list(temperatures),
        "entropy": (entropy / n_targets / math.log(2)).tolist(),
        "nll": (nll / len(tokens)).tolist(),
    }


def drawn_at(
    model: DecoderTransformer, n: int, known: set[str], seed: int
) -> tuple[list[dict[str, float]], dict[float, list[str]]]:
    """Draw n texts at each of the assignment's temperatures: measures, and texts."""
    jobs = list(enumerate(TEMPERATURES))
    at_once = workers.how_many(len(jobs), model.device)
    with workers.each(draw_at, (model, n, seed), jobs, at_once) as found:
        drawn = dict(zip(TEMPERATURES, found, strict=True))
    rows = [{"temperature": t} | texts.measure(drawn[t], known) for t in drawn]
    return rows, drawn


def draw_at(
    model: DecoderTransformer, n: int, seed: int, job: tuple[int, float]
) -> list[str]:
    """Draw n texts at one temperature, which has a number of its own."""
    i, temperature = job
    return texts.draw(model, n, temperature, derive_seed([seed, i]))
