"""Numbers along the training as curves. Arrays in, Figures out: no model, no file.

E epochs, of which epoch 0 is before the training; K components.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREEN, GREY, ORANGE, WIDTH


@dataclass(frozen=True)
class Curves:
    """One quantity against epoch, (E + 1,) for each title, of both splits."""

    label: str
    train: Sequence[np.ndarray]
    test: Sequence[np.ndarray]


def learning_curves(titles: Sequence[str], quantities: Sequence[Curves]) -> Figure:
    """A row of panels per quantity, a panel per title, epoch 0 before training."""
    rows, columns = len(quantities), len(titles)
    figure = Figure(
        figsize=(WIDTH / 2 * columns, 1.9 * rows + 0.8), layout="constrained", dpi=130
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    for panels, quantity in zip(grid, quantities, strict=True):
        for axes, train, test in zip(
            panels, quantity.train, quantity.test, strict=True
        ):
            axes.plot(train, color=BLUE, label="training set")
            axes.plot(test, color=ORANGE, linestyle="--", label="test set")
            axes.grid(alpha=0.3)
            axes.legend(loc="best")
        panels[0].set_ylabel(quantity.label)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("epoch (0: before training)")
    return figure


def starts(names: Sequence[str], curves: np.ndarray, seeds: Sequence[int]) -> Figure:
    """Test log-likelihoods (2 starts, seeds, E + 1) and the second start's lead."""
    figure = Figure(figsize=(WIDTH, 3), layout="constrained", dpi=130)
    left, right = figure.subplots(1, 2)
    lead = curves[1] - curves[0]
    draw_each_start(left, names, curves, seeds)
    draw_lead(right, lead)
    right.set(title=f"{names[1]} minus {names[0]}", ylabel="nats per place")
    for axes, values in ((left, curves), (right, lead)):
        # the first epochs differ so much that they would hide all that follows
        late = values[..., values.shape[-1] // 10 :]
        margin = 0.05 * np.ptp(late) + 1e-6
        axes.set_ylim(late.min() - margin, late.max() + margin)
        axes.set_xlabel("epoch (0: before training)")
        axes.grid(alpha=0.3)
    return figure


def draw_each_start(
    axes: Axes, names: Sequence[str], curves: np.ndarray, seeds: Sequence[int]
) -> None:
    """Draw a line per start and seed, the first seed's in colour."""
    epochs = np.arange(curves.shape[2])
    for name, start, color, style in zip(
        names, curves, (BLUE, ORANGE), ("-", "--"), strict=True
    ):
        axes.plot(epochs, start[1:].T, color=GREY, linestyle=style, linewidth=0.8)
        axes.plot(epochs, start[0], color=color, linestyle=style, zorder=3,
                  label=f"{name}, seed {seeds[0]}")  # fmt: skip
    if len(seeds) > 1:
        axes.plot([], [], color=GREY, label=f"seeds {seeds[1]} to {seeds[-1]}")
    axes.legend(loc="best")
    label = "mean log-likelihood\n(nats per place, standardised)"
    axes.set(title="Test set", ylabel=label)


def draw_lead(axes: Axes, lead: np.ndarray) -> None:
    """Draw a lead (seeds, E + 1): each seed's and their mean."""
    epochs = np.arange(lead.shape[1])
    axes.axhline(0, color="black", linewidth=0.8)
    axes.plot(epochs, lead.T, color=GREY, linewidth=0.8)
    axes.plot(epochs, lead.mean(0), color=GREEN, label=f"mean of {len(lead)} seeds")
    axes.plot([], [], color=GREY, label="each seed")
    axes.legend(loc="best")


@dataclass(frozen=True)
class Trend:
    """What the boxes of a uniform mixture did, standardised units."""

    support: np.ndarray  # (E + 1,), area that any box covers
    sides: np.ndarray  # (E + 1, 2 K)
    moved: np.ndarray  # (E + 1, K), distance of each centre from where it started


def trends(by_start: dict[str, Trend]) -> Figure:
    """A row of panels per start: support, sides and the centres' way, against epoch."""
    size = (WIDTH, 2 * len(by_start) + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=130)
    grid = figure.subplots(len(by_start), 3, sharex=True, sharey="col", squeeze=False)
    for (start, trend), panels in zip(by_start.items(), grid, strict=True):
        panels[0].plot(trend.support, color=BLUE)
        panels[1].plot(trend.sides, color=GREY, linewidth=0.6)
        panels[1].plot([], [], color=GREY, label="each of them")
        panels[1].plot(np.median(trend.sides, axis=1), color=BLUE, label="median")
        panels[1].legend(loc="lower left")
        panels[2].plot(trend.moved, color=BLUE)
        panels[0].set_ylabel(f"{start} start\nstandardised units")
    titles = ("area of the support", "lengths of the sides", "way of the centres")
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
        axes.set_ylim(bottom=0)
    grid[0, 2].set_ylim(-0.05, 1)
    for axes in grid.flat:
        axes.grid(alpha=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("epoch (0: before training)")
    return figure
