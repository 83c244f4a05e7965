"""The likelihood of lines, computed no further than they reach.

A line's targets are its characters and the one pad that ends it; the model is causal,
so what comes after changes none of them, and leaving it out is exact.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from headlines.model import PAD, DecoderTransformer

CHUNK = 512  # tokens that are evaluated at a time: wide MLPs stay in the cache


def lengths(tokens: Tensor) -> Tensor:
    """Return the number of characters of each of the lines (N, T): (N,)."""
    return (tokens[:, 1:] != PAD).sum(1)


def crop(tokens: Tensor) -> Tensor:
    """Return lines (N, T) as far as the pad that ends the longest of them."""
    return tokens[:, : int(lengths(tokens).max()) + 2]


def counted(tokens: Tensor) -> Tensor:
    """Say of each target of lines (N, T) whether it counts: (N, T - 1).

    Those are the characters and, where there is room for one, the first pad.
    """
    targets = torch.arange(tokens.shape[1] - 1, device=tokens.device)
    return targets <= lengths(tokens)[:, None]


def target_log_probs(log_probs: Tensor, tokens: Tensor) -> Tensor:
    """Return what log_probs (N, T, V) give to tokens after the first: (N, T - 1)."""
    return log_probs[:, :-1].gather(2, tokens[:, 1:, None]).squeeze(2)


def similar_lengths(tokens: Tensor, chunk: int) -> Iterator[Tensor]:
    """Return the lines' numbers (n,), shortest first, about chunk tokens at a time."""
    longest = lengths(tokens) + 2
    order = longest.argsort(stable=True)
    batch: list[int] = []
    for i, length in zip(order.tolist(), longest[order].tolist(), strict=True):
        if batch and (len(batch) + 1) * length > chunk:
            yield torch.tensor(batch)
            batch = []
        batch.append(i)
    yield torch.tensor(batch)


@torch.no_grad()
def per_target(model: DecoderTransformer, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probability and top-1 hit of every target of lines (N, T).

    Each is (N, T - 1), zero where the target does not count.
    """
    model.eval()
    shape = len(tokens), tokens.shape[1] - 1
    log_probs = torch.zeros(shape, dtype=torch.float64)
    hits = torch.zeros(shape, dtype=torch.bool)
    for rows in similar_lengths(tokens, CHUNK):
        lines = crop(tokens[rows].to(model.device))
        found = model.transformer_forward(lines)
        valid, width = counted(lines), lines.shape[1] - 1
        right = found[:, :-1].argmax(2) == lines[:, 1:]
        log_probs[rows, :width] = (
            (target_log_probs(found, lines) * valid).double().cpu()
        )
        hits[rows, :width] = (right & valid).cpu()
    return log_probs, hits


def line_losses(model: DecoderTransformer, tokens: Tensor) -> Tensor:
    """Return the NLL of each of the lines (N, T) in nats: (N,) float64."""
    return -per_target(model, tokens)[0].sum(1)


def evaluate(model: DecoderTransformer, tokens: Tensor) -> dict[str, float]:
    """Return the mean NLL of lines (N, T) in nats and per character, and top-1.

    bits is the lines' whole NLL, end pads included, over their characters; top1 is the
    share of the characters, without the pads, that the model finds likeliest.
    """
    log_probs, hits = per_target(model, tokens)
    n_characters = int(lengths(tokens).sum())
    total = -log_probs.sum().item()
    characters = tokens[:, 1:] != PAD
    return {
        "nll": total / len(tokens),
        "bits": total / math.log(2) / n_characters,
        "top1": (hits & characters).sum().item() / n_characters,
    }


@torch.no_grad()
def evaluate_padded(model: DecoderTransformer, tokens: Tensor) -> dict[str, float]:
    """Return the notebook's numbers: all 149 targets count, whatever they are.

    Its recall starts its sum over the lines at 1.0; so does this.
    """
    model.eval()
    loss, hits = 0.0, 1.0
    for lines in tokens.to(model.device).split(max(CHUNK // tokens.shape[1], 1)):
        log_probs = model.transformer_forward(lines)
        loss -= target_log_probs(log_probs, lines).sum().item()
        right = log_probs[:, :-1].argmax(2) == lines[:, 1:]
        hits += right.float().mean(1).sum().item()
    return {"padded_nll": loss / len(tokens), "padded_rec": hits / len(tokens)}


def training_loss(model: DecoderTransformer, lines: Tensor, inputs: Tensor) -> Tensor:
    """Return the mean over lines (B, T) of the NLL of a line's targets in nats: ().

    Those are the targets that count; every one weighs the same, in whatever batch its
    line comes. inputs (B, T) are the lines as the model is shown them.
    """
    log_probs = model.transformer_forward(inputs)[:, :-1]
    valid = counted(lines)
    total = F.nll_loss(log_probs[valid], lines[:, 1:][valid], reduction="sum")
    return total / len(lines)
