"""Figures of the character GPT: arrays in, matplotlib Figures out."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREY, ORANGE, WIDTH

DASHES = ((0, (1, 1)), (0, (4, 2)), (0, (6, 1, 1, 1)), (0, (2, 3)))


def learning_curves(
    rows: Sequence[dict[str, float]], baselines: dict[str, float]
) -> Figure:
    """Loss and last-character accuracy of both splits against epoch."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained", dpi=130)
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for split, color, style in (("train", BLUE, "-"), ("test", ORANGE, "--")):
        label = f"{split}ing set" if split == "train" else "test set"
        for axes, name in ((left, "loss"), (right, "accuracy")):
            values = [row[f"{split}_{name}"] for row in rows]
            axes.plot(
                epochs,
                values,
                style,
                color=color,
                marker="o",
                markersize=3,
                label=label,
            )
    for (name, loss), dash in zip(baselines.items(), DASHES, strict=False):
        left.axhline(loss, color="0.3", linestyle=dash, linewidth=1, label=name)
    left.set_ylabel("cross-entropy over all positions\n(nats per character)")
    bits = left.secondary_yaxis(
        "right", (lambda x: x / math.log(2), lambda x: x * math.log(2))
    )
    bits.set_ylabel("bits per character")
    left.set_title("Loss")
    right.set_ylabel("share of windows whose last\ncharacter is predicted")
    right.set_title("Accuracy")
    for axes in (left, right):
        axes.set_xlabel("epoch (0: before training)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    return figure


def step_losses(losses: Sequence[float], steps_per_epoch: int) -> Figure:
    """The training loss of every step, and its mean over each twentieth of an epoch."""
    figure = Figure(figsize=(8, 4), layout="constrained", dpi=130)
    axes = figure.subplots()
    losses = np.asarray(losses)
    epochs = np.arange(1, len(losses) + 1) / steps_per_epoch
    axes.plot(epochs, losses, color=GREY, linewidth=0.4, label="each step")
    width = max(1, steps_per_epoch // 20)
    n = len(losses) // width * width
    if n:
        smooth = losses[:n].reshape(-1, width).mean(1)
        middle = epochs[:n].reshape(-1, width).mean(1)
        axes.plot(middle, smooth, color=BLUE, label=f"mean of {width} steps")
    axes.set(xlabel="epoch", ylabel="training loss (nats per character)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def compare_sampling(sampling: dict[str, dict[str, float]]) -> Figure:
    """Three measures of the sentences of each kind of sampling."""
    figure = Figure(figsize=(WIDTH, 2.5), layout="constrained", dpi=130)
    panels = figure.subplots(1, 3)
    measures = (
        ("real_words", "share of words that occur\nin the training text", "{:.1%}"),
        ("distinct_words", "different words", "{:,.0f}"),
        ("log_likelihood", "mean log-likelihood\n(nats per character)", "{:.3f}"),
    )
    for axes, (name, label, form) in zip(panels, measures, strict=True):
        values = [measured[name] for measured in sampling.values()]
        bars = axes.bar(list(sampling), values, color=[BLUE, ORANGE], width=0.6)
        axes.bar_label(bars, [form.format(v) for v in values], padding=2)
        axes.set_ylabel(label)
        axes.margins(y=0.15)
    return figure


def attention(weights: np.ndarray, characters: str) -> Figure:
    """The attention weights (n_layer, H, T, T) of each head for one sentence."""
    n_layer, n_head, n_time = weights.shape[:3]
    size = (2.1 * n_head + 0.8, 2.1 * n_layer + 0.5)
    figure = Figure(figsize=size, layout="constrained", dpi=160)
    grid = figure.subplots(n_layer, n_head, squeeze=False)
    shown = [{"\n": "⏎", " ": "␣"}.get(c, c) for c in characters]
    for layer, row in enumerate(grid):
        for head, axes in enumerate(row):
            image = axes.imshow(weights[layer, head], cmap="viridis", vmin=0, vmax=1)
            axes.set_xticks(range(n_time), shown)
            axes.set_yticks(range(n_time), shown)
            axes.set_title(f"layer {layer + 1}, head {head + 1}", size=10)
    for axes in grid[-1]:
        axes.set_xlabel("looks at")
    for axes in grid[:, 0]:
        axes.set_ylabel("position")
    figure.colorbar(image, ax=grid, label="attention weight (a row sums to one)")
    return figure


def next_character(
    full: np.ndarray, kept: np.ndarray, characters: str, prompt: str
) -> Figure:
    """The distribution (V,) of the next character, whole and cut to the top k."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained", dpi=130)
    axes = figure.subplots()
    order = np.argsort(-full, kind="stable")
    shown = [{"\n": "⏎", " ": "␣"}.get(characters[i], characters[i]) for i in order]
    rank = np.arange(len(order))
    k = np.count_nonzero(kept)
    rest = 1 - full[kept > 0].sum()
    axes.bar(rank - 0.2, full[order], 0.4, color=BLUE, label="all characters")
    axes.bar(
        rank + 0.2, kept[order], 0.4, color=ORANGE, hatch="////", edgecolor="white",
        label=f"top {k}, rescaled to sum to one; the others had {rest:.1%} together",
    )  # fmt: skip
    axes.set_xticks(rank, shown, size=8)
    axes.set_xlim(-1, len(order))
    axes.set(
        # a dollar would begin a formula
        xlabel=f"next character after {prompt!r}, likeliest first".replace("$", r"\$"),
        ylabel="probability",
    )
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure
