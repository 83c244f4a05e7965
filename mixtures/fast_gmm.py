"""The same mixture and the same gradient descent, in a second: start, step and batch.

What the exercise's settings lack is a start from the data, a large step that decays to
zero, and smaller batches.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from machinery.training import fit, shuffled, steps_per_epoch
from mixture_models import GMM
from mixtures.clusters import find_clusters
from mixtures.config import MixtureConfig
from mixtures.data import Places
from mixtures.runs import GAUSSIANS, Run, batch_loss, evaluate

EPOCHS, BATCH_SIZE, LEARNING_RATE = 15, 2048, 0.1
LEAST_VARIANCE = 1e-4  # of a cluster of equal points


def fit_fast(
    n_components: int,
    x: Tensor,
    seed: int,
    *,
    epochs: int = EPOCHS,
    watch: Callable[[Iterable], Iterable] = iter,
) -> GMM:
    """Return a mixture fitted to x (N, D); watch wraps each epoch's batches.

    Raise Diverged when the loss or a weight is no longer finite.
    """
    gmm = GMM(n_components, x.shape[1])
    start_from_data(gmm, x, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(gmm.parameters(), LEARNING_RATE, fused=True)
    steps = epochs * steps_per_epoch(len(x), BATCH_SIZE)
    decay = CosineAnnealingLR(optimizer, steps)
    draw = shuffled(x, BATCH_SIZE)
    for _ in fit(
        gmm,
        batch_loss,
        lambda generator: watch(draw(generator)),
        optimizer,
        range(1, epochs + 1),
        seed,
        decay,
    ):
        pass
    return gmm


@torch.no_grad()
def start_from_data(gmm: GMM, x: Tensor, generator: torch.Generator) -> None:
    """Give each component the share, mean and variance of a cluster of x (N, D)."""
    clusters = find_clusters(x, gmm.n_components, generator)
    gmm.logits.copy_(clusters.weights.log())
    gmm.means.copy_(clusters.means)
    gmm.log_variances.copy_(clusters.variances.clamp(min=LEAST_VARIANCE).log())


def run_fast(
    config: MixtureConfig,
    places: Places,
    seed: int,
    *,
    watch: Callable[[Iterable], Iterable] = iter,
) -> Run:
    """Fit to as many components as countries; measure as the exercise's runs are."""
    places = places.to("cpu")
    began = time.perf_counter()
    gmm = fit_fast(
        places.n_countries, places.train, seed, epochs=n_epochs(config), watch=watch
    )
    run = Run(gmm, "clusters", seed, seconds=time.perf_counter() - began)
    which = {"n_components": gmm.n_components, "start": run.start, "seed": seed}
    run.rows.append(which | evaluate(GAUSSIANS, gmm, places))
    return run


def n_epochs(config: MixtureConfig) -> int:
    """Return the epochs of the fast fit: 15, or as few as the exercise's runs."""
    return min(EPOCHS, config.epochs)


def count_steps(config: MixtureConfig, places: Places) -> int:
    """Return the optimizer steps of the fast fits of all seeds."""
    per_epoch = steps_per_epoch(len(places.train), BATCH_SIZE)
    return config.n_seeds * n_epochs(config) * per_epoch


def describe(runs: list[Run]) -> str:
    """State what the fast fit reaches, over all seeds."""
    tests = [run.rows[-1]["test_log_likelihood"] for run in runs]
    seconds = np.median([run.seconds for run in runs])
    return (
        f"Fast fit (clusters to start from, a large step that decays), "
        f"K = {runs[0].model.n_components}, {len(runs)} seeds:\n"
        f"  test log-likelihood {np.median(tests):.4f} (median; {min(tests):.4f} to "
        f"{max(tests):.4f}) nats per place, in {seconds:.1f} s"
    )


def summarise(runs: list[Run]) -> list[dict[str, Any]]:
    return [run.rows[-1] | {"seconds": run.seconds} for run in runs]
