"""The uniform mixture with soft edges, measured: what the exercise's training misses.

Trained soft, evaluated hard, on all places of each split, for every seed.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from machinery.training import in_chunks, steps_per_epoch
from mixture_models import UMM
from mixtures import soft_umm
from mixtures.config import MixtureConfig
from mixtures.data import Places
from mixtures.runs import mean_log_likelihood

SMALL = 0.05  # share of the bounding box's area, of a box that says where places are


@dataclass(frozen=True)
class Annealed:
    """A uniform mixture trained with soft edges: before, after, and what it reaches."""

    before: UMM
    after: UMM
    measured: dict[str, float]
    snapshots: list[dict[str, Any]]  # of every epoch, with its temperature


def run_annealed(
    config: MixtureConfig,
    places: Places,
    seed: int,
    *,
    watch: Callable[[Iterable], Iterable] = iter,
) -> Annealed:
    """Train as many boxes as countries from clusters of the places."""
    began = time.perf_counter()
    places = places.to("cpu")
    before = UMM(places.n_countries, places.train.shape[1])
    generator = torch.Generator().manual_seed(seed)
    soft_umm.start_boxes(before, places.train, generator)
    after = copy.deepcopy(before)
    snapshots = [take(before, 0, soft_umm.HOT)]
    epochs = soft_umm.anneal(
        after, places.train, seed, epochs=n_epochs(config), watch=watch
    )
    for epoch, temperature in enumerate(epochs, 1):
        snapshots.append(take(after, epoch, temperature))
    measured = {
        "seed": seed,
        "train_log_likelihood": mean_log_likelihood(after, places.train),
        "test_log_likelihood": mean_log_likelihood(after, places.test),
        "test_in_small_boxes": share_in_small_boxes(after, places),
        "seconds": time.perf_counter() - began,
    }
    return Annealed(before, after, measured, snapshots)


def take(umm: UMM, epoch: int, temperature: float) -> dict[str, Any]:
    """Return the boxes as they are now, and how soft their edges are."""
    weights = {name: p.detach().clone() for name, p in umm.state_dict().items()}
    return {"epoch": epoch, "temperature": temperature, "state_dict": weights}


@torch.no_grad()
def share_in_small_boxes(umm: UMM, places: Places) -> float:
    """Return the share of the test places in a box that says where they are."""
    small = umm.log_sizes.sum(1) <= math.log(
        SMALL * soft_umm.bounding_area(places.train)
    )
    inside = in_chunks(umm.inside, places.test)  # (N, K)
    return inside[:, small].any(1).double().mean().item()


def n_epochs(config: MixtureConfig) -> int:
    """Return the epochs with soft edges: 40, or as few as the exercise's runs."""
    return min(soft_umm.EPOCHS, config.epochs)


def count_steps(config: MixtureConfig, places: Places) -> int:
    """Return the optimizer steps of all seeds."""
    per_epoch = steps_per_epoch(len(places.train), soft_umm.BATCH_SIZE)
    return config.n_seeds * n_epochs(config) * per_epoch


def describe(annealed: list[Annealed]) -> str:
    """State what the soft edges reach, over all seeds."""
    tests = [a.measured["test_log_likelihood"] for a in annealed]
    small = [a.measured["test_in_small_boxes"] for a in annealed]
    return (
        f"Soft edges that sharpen, evaluated with hard ones, K = "
        f"{annealed[0].after.n_components}, all test places, {len(annealed)} seeds:\n"
        f"  test log-likelihood {np.median(tests):.4f} (median; {min(tests):.4f} to "
        f"{max(tests):.4f}) nats per place;\n"
        f"  {np.median(small):.1%} (median; from {min(small):.1%}) of the places are "
        f"in a box of at most {SMALL:.0%} of the bounding box"
    )


def summarise(annealed: list[Annealed]) -> list[dict[str, Any]]:
    return [a.measured for a in annealed]
