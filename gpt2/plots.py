"""Figures of the room: arrays in, figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREEN, ORANGE, WIDTH

COLORS = {
    "random": ORANGE,
    "Shakespeare": GREEN,
    "reviews": BLUE,
    "reviews, words shuffled": "0.45",
}
LINES = (BLUE, ORANGE, GREEN)


def histograms(scores: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Three scores of each kind of text, (N,) each, as histograms on one axis each."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    labels = {
        "sum": "log-likelihood in nats",
        "per_token": "nats per token",
        "bits": "bits per character",
    }
    for ax, (score, label) in zip(axes, labels.items(), strict=True):
        values = {name: by[score] for name, by in scores.items()}
        edges = np.histogram_bin_edges(np.concatenate(list(values.values())), 40)
        for name, x in values.items():
            shuffled = "shuffled" in name
            ax.hist(
                x, edges, color=COLORS[name], label=name, alpha=1 if shuffled else 0.7,
                histtype="step" if shuffled else "stepfilled",
                linewidth=1.5 if shuffled else 0,
            )  # fmt: skip
        ax.set(xlabel=label, ylabel="texts" if ax is axes[0] else None)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False)
    return figure


def classifier(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    lengths: Sequence[int],
    areas: Mapping[str, Sequence[float]],
) -> Figure:
    """ROC of each score, and areas against the length of the texts."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    styles = ("-", "--")
    for (name, (false, true)), color, style in zip(
        curves.items(), LINES, styles, strict=False
    ):
        left.plot(false, true, style, color=color, label=name.replace("_", " "))
    left.plot([0, 1], [0, 1], ":", color="0.6")
    left.set(
        xlabel="random strings called language, share",
        ylabel="language found, share",
        xlim=(-0.02, 1), ylim=(0, 1.02),
    )  # fmt: skip
    left.legend(title="score", frameon=False, loc="lower right")
    for (name, values), color in zip(areas.items(), LINES, strict=False):
        right.plot(lengths, values, "o-", color=color, label=name)
    right.axhline(0.5, color="0.6", linestyle=":")
    right.set(
        xscale="log", xlabel="characters of a text", ylabel="area under the ROC",
        ylim=(0.35, 1.03),
    )  # fmt: skip
    right.set_xticks(lengths, [str(n) for n in lengths])
    right.minorticks_off()
    right.legend(frameon=False, loc="lower right")
    return figure


def product_against_joint(found: Mapping[str, Sequence[float]]) -> Figure:
    """Total variation between tempered conditionals' product and the tempered joint."""
    figure = Figure(figsize=(WIDTH * 0.62, 3.6), layout="constrained")
    ax = figure.subplots()
    ax.plot(found["temperature"], found["joint"], "o-", color=BLUE)
    ax.axvline(1, color="0.6", linestyle=":")
    ax.set(
        xlabel="temperature T",
        ylabel="total variation\nfrom the tempered joint",
        ylim=(0, None),
    )
    return figure


def ahead(rows: Sequence[Mapping]) -> Figure:
    """Log-likelihood per token of what each horizon writes, with standard errors."""
    figure = Figure(figsize=(WIDTH * 0.75, 2.9), layout="constrained")
    ax = figure.subplots()
    labels = [describe(row) for row in rows]
    y = np.arange(len(rows))[::-1]
    ax.errorbar(
        [row["log_p"] for row in rows], y, xerr=[row["error"] for row in rows],
        fmt="o", color=BLUE, capsize=3,
    )  # fmt: skip
    ax.set_yticks(y, labels)
    ax.set(
        xlabel="log-likelihood of what is written, nats per token (± standard error)",
        ylim=(-0.6, len(rows) - 0.4),
    )
    return figure


def describe(row: Mapping) -> str:
    how = " in blocks" if row["blocks"] else ""
    return f"horizon {row['horizon']}{how}, T = {row['temperature']:.2f}"
