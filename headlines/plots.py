"""Figures of the four models: arrays in, matplotlib Figures out."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREEN, GREY, ORANGE, WIDTH

SIZES = {1: BLUE, 2: ORANGE, 3: GREEN, 4: "#cc79a7"}
NLL = "validation NLL (nats a text)"
Rows = Sequence[dict[str, float]]


def panels(n: int, height: float = 3.3):
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=130)
    axes = figure.subplots(1, n)
    for one in np.atleast_1d(axes):
        one.grid(alpha=0.3)
    return figure, axes


def learning_curves(
    runs: dict[str, Rows], colors: dict[str, str], ngram: float
) -> Figure:
    """Validation NLL and top-1 accuracy of each run against epoch."""
    figure, (left, right) = panels(2)
    for name, rows in runs.items():
        epochs = [row["epoch"] for row in rows]
        style = {"color": colors[name], "marker": "o", "markersize": 3, "label": name}
        style["linestyle"] = "--" if "text" in name else "-"
        left.plot(epochs, [row["validation_nll"] for row in rows], **style)
        right.plot(epochs, [100 * row["validation_top1"] for row in rows], **style)
    left.axhline(ngram, color="0.3", linestyle=":", label="n-gram")
    left.set(xlabel="epoch", ylabel=NLL)
    right.set(xlabel="epoch", ylabel="top-1 accuracy on characters (%)")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    left.legend(fontsize=9)
    return figure


def standing(models: Sequence[dict], ngram: dict) -> Figure:
    """Test NLL of every model with its standard error, alone and mixed with counts."""
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained", dpi=130)
    axes = figure.subplots()
    names = [f"size {m['size']}\n{m['n_parameters']:,} weights" for m in models]
    y = np.arange(len(models))
    alone = [m["test"]["nll"] for m in models]
    mixed = [m["mixture"]["nll"] for m in models]
    errors = [m["test"]["error"] for m in models]
    axes.errorbar(alone, y, xerr=errors, fmt="o", color=BLUE, label="transformer")
    axes.plot(mixed, y, "D", color=GREEN, label="mixed with the n-gram")
    axes.axvline(ngram["nll"], color=ORANGE, linestyle="--", label="n-gram alone")
    axes.set_yticks(y, names)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlabel("test NLL (nats a text; bars: standard error over the texts)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=9)
    return figure


def correlation(runs: dict[int, Rows], r: dict[str, dict[str, float]]) -> Figure:
    """Top-1 against NLL, a point an epoch; and their changes from epoch to epoch."""
    figure, (left, right) = panels(2)
    for size, rows in runs.items():
        nll = np.array([row["validation_nll"] for row in rows])
        top1 = np.array([100 * row["validation_top1"] for row in rows])
        found = r[str(size)]
        for axes, x, y, key in (
            (left, nll, top1, "r"),
            (right, np.diff(nll), np.diff(top1), "r_of_changes"),
        ):
            known = math.isfinite(found[key])
            label = f"size {size}" + (f": r = {found[key]:.3f}" if known else "")
            axes.plot(x, y, "o", color=SIZES[size], markersize=4, label=label)
    left.set(xlabel=NLL, ylabel="top-1 accuracy (%)", title="After each epoch")
    right.set(
        xlabel="change of the NLL (nats a text)",
        ylabel="change of the accuracy (points)",
        title="From one epoch to the next",
    )
    for axes in (left, right):
        axes.legend(fontsize=9)
    return figure


def temperature(curve: dict[str, list[float]], drawn: Sequence[dict]) -> Figure:
    """Entropy and NLL against temperature, and what texts drawn at some are like."""
    figure, (left, middle, right) = panels(3, 3.1)
    t = curve["temperature"]
    left.plot(t, curve["entropy"], color=BLUE, label="next character")
    left.axhline(math.log2(29), color="0.3", linestyle=":", label="uniform: 4.86 bits")
    left.set_ylabel("mean entropy (bits)")
    left.legend(fontsize=9)
    shown = [i for i, x in enumerate(t) if x >= 0.3]  # it explodes towards zero
    middle.plot([t[i] for i in shown], [curve["nll"][i] for i in shown], color=ORANGE)
    lowest = min(shown, key=lambda i: curve["nll"][i])
    middle.plot(t[lowest], curve["nll"][lowest], "o", color=ORANGE)
    middle.set_ylabel(NLL)
    at = [row["temperature"] for row in drawn]
    n = drawn[0]["n_texts"]
    real = [100 * row["real_words"] for row in drawn]
    distinct = [100 * row["distinct_texts"] / n for row in drawn]
    right.plot(at, real, "o-", color=BLUE, label="words of the training texts")
    right.plot(at, distinct, "s--", color=ORANGE, label="distinct texts")
    right.set(ylabel=f"share of {n:,} drawn texts (%)", ylim=(0, 103))
    right.legend(fontsize=8)
    for axes in (left, middle, right):
        axes.set_xlabel("temperature")
    return figure


def letters(points: np.ndarray, names: str, vowels: frozenset[str]) -> Figure:
    """Each letter on the two main axes of its embedding (26, 2)."""
    figure = Figure(figsize=(5, 4), layout="constrained", dpi=130)
    axes = figure.subplots()
    for (x, y), name in zip(points, names, strict=True):
        color = ORANGE if name in vowels else BLUE
        axes.text(x, y, name, color=color, ha="center", va="center", size=13)
    axes.set(
        xlim=padded(points[:, 0]), ylim=padded(points[:, 1]),
        xlabel="first main axis of the embeddings", ylabel="second main axis",
    )  # fmt: skip
    axes.set_title("Letters by embedding; vowels in orange", size=11)
    axes.grid(alpha=0.3)
    return figure


def padded(values: np.ndarray) -> tuple[float, float]:
    margin = 0.08 * np.ptp(values)
    return values.min() - margin, values.max() + margin


def first_characters(first: dict[str, np.ndarray]) -> Figure:
    """What a text begins with: stated by the model, drawn from it, and in the data."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained", dpi=130)
    axes = figure.subplots()
    order = np.argsort(-first["data"], kind="stable")
    order = [i for i in order if any(p[i] > 0.0005 for p in first.values())]
    names = ["end", *"abcdefghijklmnopqrstuvwxyz", "␣", "cls"]
    labels = {"data": "training texts", "model": "model", "drawn": "texts drawn"}
    colors = {"data": GREY, "model": BLUE, "drawn": ORANGE}
    for i, (key, label) in enumerate(labels.items()):
        x = np.arange(len(order)) + 0.27 * (i - 1)
        axes.bar(x, 100 * first[key][order], 0.27, color=colors[key], label=label)
    axes.set_xticks(range(len(order)), [names[i] for i in order])
    axes.set(xlabel="first character of a text", ylabel="share (%)")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure


def reach(gradients: np.ndarray, line: str) -> Figure:
    """The gradient of each prediction (rows) to each input (columns)."""
    figure = Figure(figsize=(6.4, 5.4), layout="constrained", dpi=130)
    axes = figure.subplots()
    shown = np.where(gradients == 0, np.nan, gradients)
    image = axes.imshow(np.log10(shown), cmap="viridis")
    marks = ["›", *line.replace(" ", "␣")]
    axes.set_xticks(range(gradients.shape[1]), [*marks, "·"][: gradients.shape[1]])
    axes.set_yticks(range(gradients.shape[0]), marks[: gradients.shape[0]])
    axes.tick_params(labelsize=7)
    axes.set(xlabel="input (› starts the text)", ylabel="after which is predicted")
    figure.colorbar(
        image, label="size of the gradient (power of ten); white: exactly 0"
    )
    return figure


def leak(honest: Sequence[float], leaking: Sequence[float]) -> Figure:
    """The loss of a model that predicts the next token, and of one that sees it."""
    figure = Figure(figsize=(6, 3.2), layout="constrained", dpi=130)
    axes = figure.subplots()
    axes.plot(honest, color=BLUE, label="predicts the next token")
    axes.plot(leaking, color=ORANGE, label="sliced by one too few: sees its target")
    axes.set(xlabel="step", ylabel="training loss (nats a target)", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def why(arms: dict[str, list[float]], unigram: float, steps: Sequence[dict]) -> Figure:
    """Loss by step of each arm; the first step's effect against a matrix's inputs."""
    figure, (left, right) = panels(2, 3.6)
    colors = ["black", BLUE, ORANGE, GREEN, "#cc79a7"]
    for (name, losses), color in zip(arms.items(), colors, strict=False):
        width = max(1, len(losses) // 20)
        n = len(losses) // width * width
        smooth = np.reshape(losses[:n], (-1, width)).mean(1)
        x = width * (np.arange(len(smooth)) + 0.5)
        left.plot(x, smooth, color=color, label=name, marker="o", markersize=3)
    left.axhline(unigram, color="0.3", linestyle=":", label="character frequencies")
    top = max(np.median(losses) for losses in arms.values())
    left.set(
        xlabel="step", ylabel="training loss (nats a target)", ylim=(None, top + 0.8)
    )
    left.set_title("Size 4, one thing changed at a time", size=11)
    left.legend(fontsize=8)
    inputs = [step["inputs"] for step in steps]
    right.plot(inputs, [step["moved"] for step in steps], "o-", color=BLUE)
    for size, step in enumerate(steps, 1):
        where = {"textcoords": "offset points", "xytext": (-6, 6), "ha": "right"}
        right.annotate(f"size {size}", (step["inputs"], step["moved"]), **where)
    right.set(
        xscale="log", yscale="log", xlabel="inputs of the widest matrix",
        ylabel="change of the MLP's output\n(share of what it is added to)",
    )  # fmt: skip
    right.margins(y=0.12)
    right.set_title("Adam's first step", size=11)
    return figure
