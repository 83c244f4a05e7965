"""A uniform mixture that gradient descent can train: soft edges that sharpen.

A hard box has no gradient with respect to where it is. Here each side of a box is the
difference of two sigmoids, whose width (the temperature) falls towards zero during the
training; what is evaluated and kept is always the hard UMM. Box 0 is the background: it
spans the training data with a margin and stays where it is, so that every place has a
density.
Shapes: N points, K components, D dimensions.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.optim.lr_scheduler import CosineAnnealingLR

from machinery.training import fit, seed_epoch, shuffled, steps_per_epoch
from mixture_models import UMM
from mixtures.clusters import CLUSTERED, find_clusters

EPOCHS, BATCH_SIZE, LEARNING_RATE = 40, 2048, 0.1
HOT, COLD = 0.1, 0.001  # temperatures, in standard deviations of the data
# Held-out ninths of the training places stuck out of the other eight's bounding box by
# 3.6 % of its extent at most (360 random folds).
MARGIN = 0.04
BACKGROUND_WEIGHT = 0.01
LEAST_SIDE = 0.05  # of a box at the start, in standard deviations of the data
LEAST_USE = 0.01  # nats per place; a box that is worth less is moved
FLOOR = -80.0  # log of terms that no sum notices; exp is slow far below


def soft_component_log_prob(umm: UMM, x: Tensor, temperature: float) -> Tensor:
    """Return log p(x|k) of the softened boxes: (N, D) -> (N, K).

    Along each dimension [s((x - low) / T) - s((x - high) / T)] / size integrates to 1.
    With a = (x - low) / T and w = size / T the bracket is s(a) s(w - a) (1 - exp(-w)),
    whose logarithm loses no digits.
    """
    low, _ = umm.edges()
    width = umm.log_sizes.exp() / temperature  # (K, D)
    log_scale = (torch.log(-torch.expm1(-width)) - umm.log_sizes).sum(1)  # (K,)
    log_prob = log_scale[:, None]
    for x_d, low_d, width_d in zip(x.T, low.T, width.T, strict=True):
        a = (x_d - low_d[:, None]) / temperature  # (K, N)
        log_prob = log_prob + logsigmoid(a) + logsigmoid(width_d[:, None] - a)
    return log_prob.T


def soft_joint_log_prob(umm: UMM, x: Tensor, temperature: float) -> Tensor:
    """Return log p(k) + log p(x|k), softened: (N, D) -> (N, K)."""
    joint = umm.logits.log_softmax(0) + soft_component_log_prob(umm, x, temperature)
    return joint.clamp(min=FLOOR)


def anneal(
    umm: UMM,
    x: Tensor,
    seed: int,
    *,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    watch: Callable[[Iterable], Iterable] = iter,
) -> Iterator[float]:
    """Train the boxes on x (N, D); yield each epoch's last temperature after it.

    start_boxes comes first. The temperature falls geometrically, the learning rate as
    half a cosine. In the first six tenths of the training, boxes of little use are
    moved once a tenth. watch wraps each epoch's batches. Raise Diverged when the loss
    or a weight is no longer finite.
    """
    optimizer = torch.optim.Adam(umm.parameters(), LEARNING_RATE, fused=True)
    steps = epochs * steps_per_epoch(len(x), batch_size)
    schedule = CosineAnnealingLR(optimizer, steps)
    max_area = largest_area(umm, x)
    optimizer.register_step_post_hook(lambda *_: shrink_to(umm, max_area))

    def loss(umm: UMM, batch: Tensor) -> Tensor:
        now = temperature(schedule.last_epoch / steps)
        return -soft_joint_log_prob(umm, batch, now).logsumexp(1).mean()

    draw, draw_some = shuffled(x, batch_size), shuffled(x, 2 * CLUSTERED)
    numbers = range(1, epochs + 1)
    training = fit(
        umm, loss, lambda g: watch(draw(g)), optimizer, numbers, seed, schedule
    )
    move_after = {epochs * tenth // 10 for tenth in range(1, 7)}
    with (
        umm.centers.register_hook(hold_background),
        umm.log_sizes.register_hook(hold_background),
    ):
        for epoch, _ in training:
            last = temperature((schedule.last_epoch - 1) / steps)
            if epoch in move_after:
                some = next(iter(draw_some(seed_epoch(seed, epoch))))
                if move_idle_boxes(umm, some, last):
                    optimizer.state.clear()  # averages of boxes that have moved
            yield last


def temperature(done: float) -> float:
    """Return the temperature after a share of the steps: from hot to cold."""
    return HOT * (COLD / HOT) ** done


def hold_background(gradient: Tensor) -> Tensor:
    """Return a gradient (K, D) that leaves box 0 where it is."""
    gradient = gradient.clone()
    gradient[0] = 0
    return gradient


def largest_area(umm: UMM, x: Tensor) -> float:
    """Return the area that a box other than the background may have.

    An even tiling of the data's bounding box would give each of K boxes 1 / K of it;
    a larger box would be a second background.
    """
    return bounding_area(x) / umm.n_components


def bounding_area(x: Tensor) -> float:
    """Return the area of the box around x (N, D)."""
    return (x.amax(0) - x.amin(0)).prod().item()


@torch.no_grad()
def shrink_to(umm: UMM, max_area: float) -> None:
    """Scale every box above max_area, the background apart, back to that area."""
    excess = umm.log_sizes[1:].sum(1, keepdim=True) - math.log(max_area)
    umm.log_sizes[1:] -= excess.clamp(min=0) / umm.n_dims


@torch.no_grad()
def start_boxes(umm: UMM, x: Tensor, generator: torch.Generator) -> None:
    """Set box 0 to the background and the others to clusters of x (N, D).

    A box gets its cluster's mean, share and, with sides of sqrt(12) deviations, its
    variance.
    """
    low, high = x.amin(0), x.amax(0)
    umm.centers[0] = (low + high) / 2
    umm.log_sizes[0] = ((1 + 2 * MARGIN) * (high - low)).log()
    umm.logits[0] = math.log(BACKGROUND_WEIGHT)
    clusters = find_clusters(x, umm.n_components - 1, generator)
    umm.centers[1:] = clusters.means
    sides = (12 * clusters.variances).sqrt().clamp(min=LEAST_SIDE)
    umm.log_sizes[1:] = sides.log()
    umm.logits[1:] = ((1 - BACKGROUND_WEIGHT) * clusters.weights).log()


@torch.no_grad()
def move_idle_boxes(umm: UMM, x: Tensor, temperature: float) -> int:
    """Halve the heaviest boxes, each with a box of little use; return how many.

    A box's use is the mean log-likelihood of x (N, D) that is lost without it.
    """
    posterior = soft_joint_log_prob(umm, x, temperature).softmax(1)
    use = -torch.log1p(-posterior.clamp(max=1 - 1e-4)).mean(0)  # (K,)
    idle = use < LEAST_USE
    idle[0] = False
    order = umm.logits.argsort(descending=True)
    heavy = order[~idle[order] & (order > 0)]
    spare = idle.nonzero()[:, 0][: len(heavy)]
    heavy = heavy[: len(spare)]
    side = umm.log_sizes[heavy].argmax(1)  # halve along the longer side
    quarter = umm.log_sizes[heavy, side].exp() / 4
    umm.log_sizes[heavy, side] -= math.log(2)
    umm.logits[heavy] -= math.log(2)
    for parameter in umm.parameters():
        parameter[spare] = parameter[heavy]
    umm.centers[heavy, side] -= quarter
    umm.centers[spare, side] += quarter
    return len(spare)
