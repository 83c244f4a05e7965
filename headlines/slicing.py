"""Question 1.4: why forward compares position t's prediction with token t + 1."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headlines.likelihood import counted, crop
from headlines.model import DecoderTransformer
from machinery.training import fit, shuffled


def gradient_reach(model: DecoderTransformer, line: Tensor) -> np.ndarray:
    """Return |d log p(token t + 1) / d input s| for a line (T,): rows t, columns s.

    (T - 1, T) norms over the embedding; zero where s > t.
    """
    model.eval()
    embedded = model.embedding(line).detach().requires_grad_()  # (T, D)
    log_probs = forward_embedded(model, embedded)
    chosen = log_probs[:-1].gather(1, line[1:, None])[:, 0]
    rows = [
        torch.autograd.grad(value, embedded, retain_graph=True)[0].norm(dim=1)
        for value in chosen
    ]
    return torch.stack(rows).cpu().numpy()


def forward_embedded(model: DecoderTransformer, embedded: Tensor) -> Tensor:
    """Return the model's log-probabilities (T, V) of a line's embeddings (T, D)."""
    h = (embedded + model.positional_embedding.weight[: len(embedded)])[None]
    for block in model.transformer_blocks:
        h = block(h)
    if model.pre_norm:
        h = F.layer_norm(h, (model.num_emb,))
    return F.log_softmax(model.logits(h), 2)[0]


@dataclass(frozen=True)
class Leak:
    """Losses in nats a target along one training, honest and leaking."""

    honest: list[float]
    leaking: list[float]
    honest_uses: float  # validation NLL a target when it must predict the next token
    leaking_uses: float


def compare_slices(
    build, train: Tensor, validation: Tensor, epochs: int, seed: int
) -> Leak:
    """Train two small models alike but for the slice: shifted by one, or not at all.

    Without the shift a position is asked for the token that it sees. Both are judged
    at the end as they would be used: on the next token. build() makes a model.
    """
    curves, uses = [], []
    for shift in (1, 0):
        torch.manual_seed(seed)
        model = build()
        curves.append(list(losses(model, train, shift, epochs, seed)))
        with torch.no_grad():
            uses.append(slice_loss(model.eval(), validation, 1).item())
    return Leak(*curves, *uses)


def losses(
    model: DecoderTransformer, train: Tensor, shift: int, epochs: int, seed: int
) -> Iterator[float]:
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)

    def loss(model, lines: Tensor) -> Tensor:
        return slice_loss(model, lines, shift)

    for _, step_losses in fit(
        model, loss, shuffled(train, 32), optimizer, range(1, epochs + 1), seed
    ):
        yield from step_losses.tolist()


def slice_loss(model: DecoderTransformer, lines: Tensor, shift: int) -> Tensor:
    """Return the mean NLL of the real targets when predictions are shifted so far."""
    lines = crop(lines)
    log_probs = model.transformer_forward(lines)
    valid = counted(lines)  # (B, T - 1)
    targets = lines[:, 1:]
    predictions = log_probs[:, 1 - shift : lines.shape[1] - shift]
    return F.nll_loss(predictions[valid], targets[valid])
