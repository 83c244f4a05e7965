"""A start from the data: clusters, and their shares, means and variances."""

from typing import NamedTuple

import torch
from torch import Tensor

CLUSTERED = 8192  # points that the clusters are made of


class Clusters(NamedTuple):
    """What K clusters look like: weights (K,), means (K, D), variances (K, D)."""

    weights: Tensor
    means: Tensor
    variances: Tensor


def find_clusters(x: Tensor, k: int, generator: torch.Generator) -> Clusters:
    """Assign some of the points x (N, D) to k-means++ centres; return the moments."""
    x = x[torch.randperm(len(x), generator=generator)[:CLUSTERED]]
    nearest = torch.cdist(x, k_means_plus_plus(x, k, generator)).argmin(1)
    member = (nearest[:, None] == torch.arange(k)).to(x)  # (N, K)
    share = member / member.sum(0).clamp(min=1)
    means = share.T @ x
    variances = share.T @ x.square() - means.square()
    weights = member.mean(0).clamp(min=1e-3)
    return Clusters(weights / weights.sum(), means, variances.clamp(min=0))


def k_means_plus_plus(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Draw k centres from x (N, D), each by its squared distance to those before.

    Arthur and Vassilvitskii, 2007.
    """
    centers = x[torch.randint(len(x), (1,), generator=generator)]
    distance = (x - centers).square().sum(1)
    while len(centers) < k:
        new = x[torch.multinomial(distance, 1, generator=generator)]
        centers = torch.cat([centers, new])
        distance = torch.minimum(distance, (x - new).square().sum(1))
    return centers
