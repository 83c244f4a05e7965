"""Figures of the room: arrays in, figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREEN, ORANGE, WIDTH, distinct_colors


def variances(rows: Sequence[Mapping[str, float]]) -> Figure:
    """The variance of a's estimate against beta, beside 1 - beta^2."""
    figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    ax = figure.subplots()
    curve = np.linspace(-1, 1, 201)
    ax.plot(curve, 1 - curve**2, color=BLUE, label="derived: 1 − β²")
    ax.errorbar(
        [r["beta"] for r in rows], [r["ratio"] for r in rows],
        [2 * r["error"] for r in rows], fmt="o", color=ORANGE, capsize=3,
        label="measured, ± 2 standard errors",
    )  # fmt: skip
    ax.set(
        xlabel="correlation β of the noise",
        ylabel="variance of the estimate,\nshare of the one that ignores z",
    )
    ax.legend(frameon=False, loc="lower center")
    return figure


def paths(
    values: Sequence[float],
    lines: np.ndarray,
    label: str,
    dots: np.ndarray | None = None,
    linear_below: float = 0.1,
) -> Figure:
    """Coefficients (n, d) against what shrinks them; dots are measured ones."""
    figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    ax = figure.subplots()
    for j, color in enumerate(distinct_colors(lines.shape[1])):
        ax.plot(values, lines[:, j], "-", color=color, label=rf"$\theta_{{{j + 1}}}$")
        if dots is not None:
            ax.plot(values, dots[:, j], "o", color=color, markersize=5)
    ax.axhline(0, color="0.7", linewidth=0.8)
    if min(values) > 0:
        ax.set_xscale("log")
    else:
        ax.set_xscale("symlog", linthresh=linear_below)
        ax.set_xlim(left=-linear_below / 10)
    ax.set(xlabel=label, ylabel="coefficient")
    figure.legend(loc="outside right center", frameon=False, ncols=1, fontsize=9)
    return figure


def reversal(
    x1: np.ndarray, x2: np.ndarray, joint: np.ndarray, marginal: np.ndarray,
    normal: np.ndarray, reverse: Mapping[float, np.ndarray],
    stds: Sequence[float], divergences: Sequence[float],
) -> Figure:  # fmt: skip
    """The joint (x2, x1), x2's density, the reverse conditionals, the KL left."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots(1, 4)
    axes[0].pcolormesh(x1, x2, joint, cmap="Blues", rasterized=True)
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", title="joint density")
    axes[1].plot(x2, marginal, color=BLUE, label="$p(x_2)$")
    axes[1].plot(x2, normal, "--", color=ORANGE, label="nearest\nnormal")
    axes[1].set(xlabel="$x_2$", ylabel="density", title="marginal of $x_2$")
    axes[1].set_ylim(0, 1.35 * marginal.max())
    axes[1].legend(frameon=False, loc="upper right", fontsize=9)
    for (at, density), color in zip(
        reverse.items(), (BLUE, GREEN, ORANGE), strict=True
    ):
        axes[2].plot(x1, density, color=color, label=f"$x_2$ = {at:g}")
    axes[2].set(xlabel="$x_1$", title="$p(x_1 | x_2)$")
    axes[2].set_ylim(0, 1.45 * max(d.max() for d in reverse.values()))
    axes[2].legend(frameon=False, fontsize=9)
    axes[3].plot(stds, divergences, "o-", color=BLUE)
    axes[3].set(
        xscale="log", xlabel="ε, std of $x_2$ given $x_1$", ylabel="nats",
        title="KL from a normal", ylim=(0, None),
    )  # fmt: skip
    for ax in axes:
        ax.title.set_fontsize(10)
    return figure


def biases(rows: Sequence[Mapping[str, float]]) -> Figure:
    """By how much log A is too low on average, against k, beside its second order."""
    figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    ax = figure.subplots()
    k = [r["k"] for r in rows]
    ax.plot(
        k, [-r["predicted"] for r in rows], color=BLUE,
        label=r"second order: $\mathrm{Var} / (2 k p^2)$",
    )  # fmt: skip
    ax.errorbar(
        k, [-r["bias"] for r in rows], [2 * r["error"] for r in rows], fmt="o",
        color=ORANGE, capsize=3, label="measured, ± 2 standard errors",
    )  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xticks(k, [str(n) for n in k])
    ax.set_yscale("log")
    ax.set(xlabel="draws k of an estimate", ylabel="log A is too low by, nats")
    ax.legend(frameon=False)
    return figure
