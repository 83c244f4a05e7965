"""Figures of the classifiers: arrays in, matplotlib Figures out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREEN, GREY, ORANGE, WIDTH


def panels(n: int, height: float = 3.3, **options):
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=130)
    axes = figure.subplots(1, n, **options)
    for one in np.ravel(axes):
        one.grid(alpha=0.3)
    return figure, axes


def losses(curves: dict[str, Sequence[Sequence[dict]]]) -> Figure:
    """Training and validation loss against epoch, a line for each seed."""
    figure, axes = panels(len(curves), sharey=True, squeeze=False)
    for one, (title, seeds) in zip(axes[0], curves.items(), strict=True):
        for i, rows in enumerate(seeds):
            epochs = [row["epoch"] for row in rows]
            for part, color in (("train", BLUE), ("validation", ORANGE)):
                values = [row[f"{part}_loss"] for row in rows]
                label = {"train": "training", "validation": "validation"}[part]
                one.plot(
                    epochs, values, color=color, marker="o", markersize=3,
                    alpha=0.8, label=label if i == 0 else None,
                )  # fmt: skip
        one.set(title=title, xlabel="epoch")
        one.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set_ylabel("cross-entropy (nats a review)")
    axes[0, 0].legend(fontsize=9)
    return figure


def accuracies(found: dict[str, dict]) -> Figure:
    """Test accuracy of every line of the table, a dot a seed, on each split."""
    first = next(iter(found.values()))["rows"]
    names = [row["name"] for row in sorted(first, key=lambda row: row["mean"])]
    height = 1.2 + 0.36 * len(names)
    figure, axes = panels(len(found), height, sharey=True, sharex=True, squeeze=False)
    for one, (split, part) in zip(axes[0], found.items(), strict=True):
        for row in part["rows"]:
            y = names.index(row["name"])
            color = GREEN if "NB-SVM" in row["name"] else BLUE
            color = GREY if "without" in row["name"] else color
            one.errorbar(
                100 * row["mean"], y, xerr=100 * row["error"], color=color, capsize=3
            )
            values = [100 * value for value in row["accuracies"]]
            one.plot(values, [y] * len(values), "o", color=color, markersize=5)
        one.set(
            title={"random": "random split", "films": "films kept apart"}[split],
            xlabel="test accuracy (%)",
        )
        one.set_yticks(range(len(names)), names)
    return figure


def looked_at(found: dict) -> Figure:
    """What each word of a review looks at, and what the pooling looks at."""
    tokens, has_map = found["tokens"], "block" in found
    names = [name for name in ("block", "pooling") if name in found]
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained", dpi=130)
    widths = [1.35, 1][-len(names) :]
    axes = figure.subplots(1, len(names), width_ratios=widths, squeeze=False)[0]
    if has_map:
        image = axes[0].imshow(found["block"], cmap="Blues", vmin=0)
        axes[0].set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=8)
        axes[0].set_yticks(range(len(tokens)), tokens, fontsize=8)
        axes[0].set(
            xlabel="word that is looked at", ylabel="word that looks",
            title=f"block ({found['on_pads']:.0%} of its attention is on pads)",
        )  # fmt: skip
        figure.colorbar(image, ax=axes[0], label="share of the attention", shrink=0.6)
    if "pooling" in found:
        y = np.arange(len(tokens))
        axes[-1].barh(y, 100 * found["pooling"], color=BLUE)
        axes[-1].set_yticks(y, tokens, fontsize=8)
        axes[-1].invert_yaxis()
        axes[-1].set(xlabel="weight (%)", title="the n-gram network's pooling")
        axes[-1].grid(axis="x", alpha=0.3)
    return figure


def telling(words: dict[str, list], ngrams: dict[str, list]) -> Figure:
    """The words and n-grams that speak most for and against."""
    figure, axes = panels(2, 4.6)
    shown = (
        (
            axes[0],
            words,
            "logit of the word as a review",
            "n-gram network, words alone",
        ),
        (axes[1], ngrams, "weight", "NB-SVM, n-grams"),
    )
    for one, found, label, title in shown:
        pairs = found["blame"][:10] + found["praise"][:10][::-1]
        colors = [ORANGE if value < 0 else BLUE for _, value in pairs]
        one.barh(range(len(pairs)), [value for _, value in pairs], color=colors)
        one.set_yticks(range(len(pairs)), [name for name, _ in pairs], fontsize=8)
        one.axvline(0, color="0.3", linewidth=0.8)
        one.set(xlabel=label, title=title)
    return figure


def trust(curves: dict[str, dict], lengths: dict[str, list[dict]]) -> Figure:
    """Reliability curves, and accuracy against a review's length."""
    figure, (left, right) = panels(2)
    left.plot([0, 1], [0, 1], color="0.3", linestyle=":", label="as stated")
    colors = dict(zip(curves, (BLUE, ORANGE, GREEN), strict=False))
    for name, curve in curves.items():
        there = np.array(curve["counts"]) >= 10
        stated, true = np.array(curve["stated"])[there], np.array(curve["true"])[there]
        label = f"{name} (error {curve['error']:.1%})"
        left.plot(stated, true, "o-", color=colors[name], markersize=4, label=label)
    left.set(xlabel="stated probability of praise", ylabel="share of praise")
    left.legend(fontsize=8)
    for name, bins in lengths.items():
        middle = [(b["from"] * b["to"]) ** 0.5 for b in bins]
        right.errorbar(
            middle, [100 * b["accuracy"] for b in bins],
            yerr=[100 * b["error"] for b in bins],
            color=colors[name], marker="o", markersize=4, capsize=3, label=name,
        )  # fmt: skip
    right.set_xscale("log")
    ticks = [50, 100, 200, 400, 800]
    right.set_xticks(ticks, map(str, ticks), minor=False)
    right.minorticks_off()
    right.set(xlabel="length of the review (words)", ylabel="test accuracy (%)")
    return figure


def costs(found: dict) -> Figure:
    """Both norms' accuracies; validation accuracy while words are hidden two ways."""
    figure, (left, right) = panels(2)
    names = {"sample": "over (T, d)", "token": "for each token"}
    for i, values in enumerate(found["norms"].values()):
        left.plot([i] * len(values), [100 * v for v in values], "o", color=BLUE)
    left.set_xticks(range(len(found["norms"])), [names[n] for n in found["norms"]])
    left.set_xlim(-0.6, len(found["norms"]) - 0.4)
    left.set(xlabel="layer norm", ylabel="test accuracy (%)")
    labels = {"mask": "masked", "zero": "zeroed"}
    for color, (name, curve) in zip(
        (BLUE, ORANGE), found["hiding"].items(), strict=False
    ):
        values = [100 * v for v in curve["validation"]]
        right.plot(
            range(1, len(values) + 1), values, "o-", color=color, label=labels[name]
        )
    right.set(xlabel="epoch", ylabel="validation accuracy (%)")
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend(title="hidden words", fontsize=9)
    return figure
