"""Greedy density-estimation tree: a piecewise-constant density on a partition."""

import heapq

import numpy as np


def leaf_score(count, area, total):
    """Training log-likelihood (nats, summed) of leaves with these counts and areas."""
    return count * np.log(count / (total * area))


def best_split(points, lo, hi, total, min_leaf):
    """(gain, dimension, threshold) of the best cut of the box [lo, hi].

    points: (n, D). Thresholds are midpoints between neighbouring distinct
    values that leave at least `min_leaf` points on both sides.
    """
    n, dims = points.shape
    area = np.prod(hi - lo)
    best = (0.0, -1, 0.0)
    left = np.arange(min_leaf, n - min_leaf + 1)
    for d in range(dims if len(left) else 0):
        v = np.sort(points[:, d])
        keep = left[v[left - 1] < v[left]]
        cut = (v[keep - 1] + v[keep]) / 2
        share = (cut - lo[d]) / (hi[d] - lo[d])
        gain = (
            leaf_score(keep, area * share, total)
            + leaf_score(n - keep, area * (1 - share), total)
            - leaf_score(n, area, total)
        )
        if len(gain) and gain.max() > best[0]:
            i = int(gain.argmax())
            best = (float(gain[i]), d, float(cut[i]))
    return best


def fit_tree(points, lo, hi, leaves=33, min_leaf=50):
    """Grow a tree by the largest gain first; points (N, D), outer box lo, hi (D,).

    Returns weights (L,), lows (L, D), highs (L, D): leaves partition [lo, hi].
    """
    total = len(points)

    def entry(pts, a, b):
        gain, d, cut = best_split(pts, a, b, total, min_leaf)
        return (-gain, next(ticket), d, cut, pts, a, b)

    ticket = iter(range(4 * leaves))
    heap = [entry(points, lo, hi)]
    while len(heap) < leaves and heap[0][0] < 0:
        _, _, d, cut, pts, a, b = heapq.heappop(heap)
        below = pts[:, d] < cut
        mid_hi, mid_lo = b.copy(), a.copy()
        mid_hi[d] = mid_lo[d] = cut
        heapq.heappush(heap, entry(pts[below], a, mid_hi))
        heapq.heappush(heap, entry(pts[~below], mid_lo, b))
    weights = np.array([len(e[4]) / total for e in heap])
    return weights, np.stack([e[5] for e in heap]), np.stack([e[6] for e in heap])


def tree_log_prob(x, weights, lows, highs):
    """Log-density (N,) of x (N, D); -inf outside the outer box."""
    inside = ((x[:, None] >= lows) & (x[:, None] <= highs)).all(-1)
    density = weights / np.prod(highs - lows, axis=1)
    owner = inside.argmax(1)
    return np.where(inside.any(1), np.log(density[owner]), -np.inf)
