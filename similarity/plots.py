"""Figures of the room: arrays in, figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from machinery.plotting import BLUE, ORANGE, WIDTH

RULE_MARKS = {True: "✓", False: "✗"}


def image_and_kernels(
    image: np.ndarray, kernels: np.ndarray, names: Sequence[str]
) -> Figure:
    """The image (h, w, 3), and each kernel's colour (k, 3)."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    ax = left.subplots()
    ax.imshow(image)
    ax.set(xlabel="column: hue", ylabel="row: from bright to dark")
    ax.set_title("image", fontsize=10)
    for panel, color, name in zip(
        right.subplots(2, len(kernels) // 2).flat, kernels, names, strict=True
    ):
        panel.imshow(color[None, None])
        panel.set_title(name, fontsize=10)
        panel.set(xticks=[], yticks=[])
    return figure


def maps(
    values: np.ndarray, kernels: np.ndarray, names: Sequence[str], label: str
) -> Figure:
    """Activation maps (k, h, w), each framed by its kernel's colour (k, 3).

    Each has a scale of its own, up to its largest value, where the dots are.
    """
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    axes = figure.subplots(2, len(names) // 2)
    for ax, shown, color, name in zip(axes.flat, values, kernels, names, strict=True):
        most = shown.max()
        drawn = ax.imshow(shown / most, cmap="viridis", vmin=0, vmax=1)
        ax.set_title(f"{name}: up to {most:.3g}", fontsize=10)
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(color=color, linewidth=5)
        rows, columns = np.nonzero(shown >= most * (1 - 1e-9))
        ax.plot(
            columns, rows, "o", markersize=6, color="white", markeredgecolor="black"
        )
    figure.colorbar(drawn, ax=axes, label=f"{label}, share of the largest", shrink=0.8)
    return figure


def matrices(shown: Mapping[str, tuple[np.ndarray, Mapping[str, bool]]]) -> Figure:
    """Values of all pairs of pixels (hw, hw), each with its verdict rule by rule."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots(1, len(shown))
    for ax, (name, (values, verdict)) in zip(axes, shown.items(), strict=True):
        drawn = ax.imshow(values, cmap="viridis")
        ax.set_title(name, fontsize=10)
        words = [f"{RULE_MARKS[holds]} {rule}" for rule, holds in verdict.items()]
        ax.set_xlabel("\n".join(words), fontsize=9)
        ax.set(xticks=[], yticks=[], ylabel="pixel" if ax is axes[0] else None)
        bar = figure.colorbar(drawn, ax=ax, location="top", shrink=0.9)
        bar.ax.tick_params(labelsize=8)
        bar.ax.locator_params(nbins=3)
        bar.formatter.set_powerlimits((-2, 3))
    return figure


def heads(soft: np.ndarray, sharp: np.ndarray, sharpness: tuple[float, float]):
    """Where each head looks from one pixel: (K^2, H, W), for two sharpnesses."""
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    for part, values, how in zip(
        figure.subfigures(1, 2), (soft, sharp), sharpness, strict=True
    ):
        part.suptitle(f"sharpness {how:g}", fontsize=11)
        size = round(len(values) ** 0.5)
        axes = np.atleast_2d(part.subplots(size, size))
        for ax, seen in zip(axes.flat, values, strict=True):
            drawn = ax.imshow(seen, cmap="Blues", vmin=0, vmax=values.max())
            middle = [n // 2 for n in seen.shape]
            ax.plot(middle[1], middle[0], "+", color=ORANGE, markersize=8)
            ax.set(xticks=[], yticks=[])
        add_bar(part, drawn, axes)
    return figure


def add_bar(figure, drawn: AxesImage, axes: np.ndarray) -> None:
    bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.7)
    bar.set_label("attention weight")


def sharpness(
    values: Sequence[float], errors: Sequence[float], leaves: Sequence[float],
    close: float,
) -> Figure:  # fmt: skip
    """The distance from the convolution, and the weight that misses, against it."""
    figure = Figure(figsize=(WIDTH * 0.62, 3.4), layout="constrained")
    ax = figure.subplots()
    ax.plot(values, errors, "o-", color=BLUE, label="largest difference from conv2d")
    ax.plot(values, leaves, "s-", color=ORANGE, label="weight beside the own offset")
    guide = 4 * np.exp(-np.asarray(values, dtype=float))
    ax.plot(values, guide, ":", color="0.4", label=r"$4 e^{-\mathrm{sharpness}}$")
    ax.axhline(close, color="0.6", linewidth=1)
    ax.annotate(f"{close:g}", (values[0], close), xytext=(0, 3),
                textcoords="offset points", fontsize=9, color="0.3")  # fmt: skip
    ax.set(yscale="log", xlabel="sharpness of the scores", ylabel="difference, weight")
    ax.set_xticks(values[::3])
    ax.legend(frameon=False)
    return figure
