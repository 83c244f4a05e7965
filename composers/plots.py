"""Figures of the room: arrays in, figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from machinery.plotting import BLUE, ORANGE, WIDTH, distinct_colors


def confusion(shares: np.ndarray, names: Sequence[str]) -> Figure:
    """The share of each composer's scraps (rows) that each is named for."""
    n = len(names)
    size = 2.6 + 0.55 * n
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    ax = figure.subplots()
    drawn = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(n, n):
        ax.text(
            j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=9,
            color="white" if shares[i, j] > 0.55 else "black",
        )  # fmt: skip
    ax.set_xticks(range(n), names, rotation=35, ha="right")
    ax.set_yticks(range(n), names)
    ax.set(xlabel="named", ylabel="wrote it")
    figure.colorbar(drawn, ax=ax, label="share of the composer's scraps", shrink=0.8)
    return figure


def lines(by_work: Sequence[Mapping], at_random: Sequence[Mapping], chance: float):
    """Each line's accuracy by work, and at random where it was judged."""
    figure = Figure(figsize=(WIDTH, 0.7 + 0.42 * len(by_work)), layout="constrained")
    ax = figure.subplots()
    names = [row["name"] for row in by_work]
    random = {row["name"]: row for row in at_random}
    for y, row in enumerate(by_work):
        ax.errorbar(
            row["accuracy"], y, xerr=row["spread"], fmt="o", color=BLUE, capsize=3,
            label="no work on both sides" if y == 0 else None,
        )  # fmt: skip
        if row["name"] in random:
            other = random[row["name"]]
            ax.errorbar(
                other["accuracy"], y, xerr=other["spread"], fmt="s", color=ORANGE,
                capsize=3, label="random split" if y == 0 else None,
            )  # fmt: skip
    ax.axvline(chance, color="0.6", linestyle=":")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(xlabel="accuracy per scrap, ± standard deviation over folds")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


def votes(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """The share of right votes against the number of scraps."""
    figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    ax = figure.subplots()
    for (name, rows), color in zip(
        curves.items(), distinct_colors(len(curves)), strict=True
    ):
        ax.plot([r["n"] for r in rows], [r["share"] for r in rows], "o-",
                color=color, label=name)  # fmt: skip
    ticks = sorted({r["n"] for rows in curves.values() for r in rows})
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [str(n) for n in ticks])
    works = min(r["works"] for rows in curves.values() for r in rows)
    ax.set(
        xlabel=f"scraps of one work that vote, {works} works",
        ylabel="works named rightly, share",
    )
    ax.legend(frameon=False)
    return figure


def ablation(rows: Sequence[Mapping]) -> Figure:
    """Accuracies of trainings without one kind of relation, a dot for each."""
    figure = Figure(figsize=(WIDTH * 0.7, 3), layout="constrained")
    ax = figure.subplots()
    for y, row in enumerate(rows):
        ax.plot(row["accuracies"], [y] * len(row["accuracies"]), "o", color=BLUE)
        ax.plot(np.mean(row["accuracies"]), y, "|", color=ORANGE, markersize=18)
    names = [
        row["left_out"] if i == 0 else f"without {row['left_out']}"
        for i, row in enumerate(rows)
    ]
    ax.set_yticks(range(len(rows)), names)
    ax.invert_yaxis()
    ax.set(xlabel="accuracy per scrap: dots are trainings, bars their means")
    return figure


def piano_roll(
    begin: np.ndarray, length: np.ndarray, pitch: np.ndarray, part: np.ndarray,
    edges: Mapping[str, np.ndarray], attention: Mapping[str, np.ndarray],
) -> Figure:  # fmt: skip
    """One scrap: notes (N,) in quarters and semitones, a panel for each relation.

    edges (E, 2) are drawn as lines; attention is (E, 3) with a weight for each line.
    """
    panels = {**{k: (v, None) for k, v in edges.items()},
              **{f"attention: {k}": (v[:, :2].astype(int), v[:, 2])
                 for k, v in attention.items()}}  # fmt: skip
    columns = 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(WIDTH, 2.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    parts, index = np.unique(part, return_inverse=True)
    colors = distinct_colors(len(parts))
    for ax, (name, (pairs, weight)) in zip(axes.flat, panels.items(), strict=False):
        ax.barh(
            pitch, length, left=begin, height=0.8, color=colors[index], alpha=0.45,
            linewidth=0,
        )  # fmt: skip
        ax.set_title(name, fontsize=10)
        if not len(pairs):  # a relation that this scrap lacks
            continue
        at = np.stack([begin, pitch], 1)
        widths = 0.7 if weight is None else 2.5 * weight
        alphas = 0.6 if weight is None else np.clip(weight, 0.05, 1)
        ax.add_collection(
            LineCollection(at[pairs], colors="black", linewidths=widths, alpha=alphas)
        )
    for ax in axes.flat[len(panels):]:  # fmt: skip
        ax.set_visible(False)
    for ax in axes.flat[max(len(panels) - columns, 0) : len(panels)]:
        ax.set_xlabel("time in quarter notes")
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("pitch (MIDI)")
    return figure
