"""What a norm over (T, d) costs, and what happens to words that are zeroed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sentiment import fused
from sentiment.config import Config
from sentiment.data import Dataset
from sentiment.model import PAD, MyTransformer
from sentiment.recipes import Job
from sentiment.runs import Run


@torch.no_grad()
def moved_padding(model: MyTransformer, words: Tensor) -> Tensor:
    """Return by how much logits change when reviews (n, T) follow their pads: (n,).

    Neither the words nor the number of pads change, nor, without positions, what the
    attention makes of them.
    """
    lengths = (words != PAD).sum(1)
    T = words.shape[1]
    source = (torch.arange(T) - (T - lengths)[:, None]) % T
    behind = words.gather(1, source)
    model.eval()
    return (model(behind.long()) - model(words.long())).abs()


@torch.no_grad()
def reach_of_a_word(model: MyTransformer, words: Tensor) -> float:
    """Return how far the first word's normed vector moves when a pad turns a word.

    The attention is left out: what is left goes through the norm alone. Relative to the
    vector's length.
    """
    norm, x = model.blocks[0].norm1, model.embedding(words.long())
    other = words.clone()
    lengths = (words != PAD).sum(1)
    rows = torch.arange(len(words))[lengths < words.shape[1]]
    other[rows, lengths[rows]] = other[rows, 0]
    before = fused.layer_norm(norm, x)[rows, 0]
    after = fused.layer_norm(norm, model.embedding(other.long()))[rows, 0]
    return ((after - before).norm(dim=1) / before.norm(dim=1)).mean().item()


def short_reviews(dataset: Dataset, length: int, n: int = 200) -> Tensor:
    """Return the words (n, T) of test reviews that leave at least half to pads."""
    rows = dataset.rows["test"]
    short = rows[dataset.lengths[rows].numpy() <= length // 2][:n]
    return dataset.words[torch.from_numpy(short)]


def jobs(config: Config) -> list[Job]:
    """Return the trainings that settle both questions, on the random split."""
    norms = [
        Job("assignment", "random", seed, norm=norm)
        for norm in ("sample", "token")
        for seed in config.seeds
    ]
    return [*norms, Job("best", "random", 0), Job("best", "random", 0, hide="zero")]


def assess(runs: dict[str, Run], dataset: Dataset) -> dict[str, Any]:
    """Return accuracies of both norms, and of both ways to hide words, by epoch."""
    labels, found = dataset.labels.numpy(), {"norms": {}, "hiding": {}}
    for run in runs.values():
        if run.job.recipe == "best":
            found["hiding"][run.job.hide] = {
                "validation": [row["validation_accuracy"] for row in run.rows],
                "training": [row["train_loss"] for row in run.rows],
            }
            continue
        rows = dataset.rows["test"]
        right = (run.logits.numpy()[rows] > 0) == (labels[rows] > 0.5)
        found["norms"].setdefault(run.job.norm, []).append(float(right.mean()))
    return found


def sentences(found: dict[str, Any]) -> list[str]:
    norms = {name: np.array(values) for name, values in found["norms"].items()}
    hiding = found["hiding"]
    said = [
        f"norm over (T, d): test accuracy {norms['sample'].mean():.2%}; one for each "
        f"token: {norms['token'].mean():.2%} (seeds: {len(norms['token'])})",
        f"the pads of a review moved to its front change its logit by "
        f"{found['moved']['sample']:.3f} with the norm over (T, d), by "
        f"{found['moved']['token']:.1e} with one for each token",
        f"one more word moves the first word's normed vector by "
        f"{found['reach']['sample']:.2%} of its length, and by "
        f"{found['reach']['token']:.2%} with one norm for each token",
    ]
    if len(hiding) == 2:
        mask, zero = (
            {name: values[-1] for name, values in hiding[how].items()}
            for how in ("mask", "zero")
        )
        looks_better = zero["training"] < mask["training"]
        trap = looks_better and zero["validation"] < mask["validation"]
        said.append(
            f"words hidden by masking: validation {mask['validation']:.2%}; by zeroed "
            f"vectors: {zero['validation']:.2%}, {'though' if trap else 'and'} its "
            f"training loss is {zero['training']:.3f} against {mask['training']:.3f}"
        )
    return said
