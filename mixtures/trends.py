"""What the boxes of a uniform mixture do along the exercise's training, and why."""

import numpy as np
import torch

from mixtures.plots import Trend
from mixtures.runs import Run

WHY = """\
  Why: inside a box log p(x|k) = -log s1 - log s2 holds no centre, and where the point
  is outside it is a constant; only the step at the edge depends on the centre, and
  that step has no derivative. So centres get no gradient at all, every covered point
  makes its boxes smaller, and an uncovered one gives no signal to come back for it.
  A Gaussian is positive everywhere and falls off smoothly: each point, however far,
  pulls the mean towards itself and the variance to its squared distance."""


@torch.no_grad()
def trend(run: Run) -> Trend:
    """Measure the boxes of every epoch, in standardised units."""
    models = [run.at(epoch) for epoch in range(run.last_epoch + 1)]
    edges = [umm.edges() for umm in models]
    centers = torch.stack([umm.centers for umm in models])
    sides = torch.stack([umm.log_sizes.exp() for umm in models])
    support = [union_area(low.numpy(), high.numpy()) for low, high in edges]
    return Trend(
        support=np.array(support),
        sides=sides.flatten(1).numpy(),
        moved=(centers - centers[0]).norm(dim=2).numpy(),
    )


def union_area(low: np.ndarray, high: np.ndarray) -> float:
    """Return the area that boxes with corners low and high (K, 2) cover together."""
    x, y = (np.unique([low[:, d], high[:, d]]) for d in (0, 1))
    # between neighbouring edges a cell is covered wholly or not at all
    cells = np.stack(np.meshgrid(x[:-1], y[:-1], indexing="ij"), -1)[:, :, None]
    covered = ((low <= cells) & (cells < high)).all(-1).any(-1)
    return float(np.diff(x) @ covered @ np.diff(y))


def summarise(trend: Trend) -> dict[str, float]:
    steps = np.diff(trend.sides, axis=0)  # (E, 2 K), from epoch to epoch
    return {
        "support_first": float(trend.support[0]),
        "support_last": float(trend.support[-1]),
        "side_first": float(np.median(trend.sides[0])),
        "side_last": float(np.median(trend.sides[-1])),
        "n_sides": steps.shape[1],
        "sides_that_ever_grew": int((steps > 0).any(axis=0).sum()),
        "largest_center_move": float(trend.moved.max()),
    }


def describe(summaries: dict[str, dict[str, float]]) -> str:
    """Answer the exercise's question about trends with what was measured."""
    lines = ["What the boxes do (standardised units):"]
    for start, s in summaries.items():
        lines += [
            f"  {start} start: the support covers {s['support_first']:.2f} before and "
            f"{s['support_last']:.2f} after training; the median side goes from "
            f"{s['side_first']:.3f} to {s['side_last']:.3f};",
            f"    {s['sides_that_ever_grew']} of {s['n_sides']} sides ever grew from "
            f"epoch to epoch; the farthest that a centre moved is "
            f"{s['largest_center_move']:g}.",
        ]
    lines.append(WHY)
    return "\n".join(lines)
