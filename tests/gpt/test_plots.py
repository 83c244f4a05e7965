"""The GPT's figures show the arrays that they are given, with names and units."""

import math

import numpy as np
import pytest

from gpt import plots

ROWS = [
    {
        "epoch": epoch,
        "train_loss": 4.0 - epoch, "test_loss": 4.1 - epoch,
        "train_accuracy": 0.1 * epoch, "test_accuracy": 0.09 * epoch,
    }
    for epoch in range(3)
]  # fmt: skip


def test_both_splits_and_every_baseline_stand_in_the_learning_curves():
    baselines = {"unigram": 3.3, "bigram": 2.5}
    left, right = plots.learning_curves(ROWS, baselines).axes[:2]
    for axes, name in ((left, "loss"), (right, "accuracy")):
        for line, split in zip(axes.lines, ("train", "test"), strict=False):
            assert list(line.get_xdata()) == [0, 1, 2]
            assert list(line.get_ydata()) == [row[f"{split}_{name}"] for row in ROWS]
            assert split in line.get_label()
    drawn = {line.get_label(): line.get_ydata()[0] for line in left.lines[2:]}
    assert drawn == baselines
    assert "nats per character" in left.get_ylabel()


@pytest.mark.parametrize("steps", [7, 40, 100])
def test_the_smooth_curve_averages_twentieths_of_an_epoch(steps):
    losses = np.random.default_rng(0).normal(size=3 * steps)
    each, smooth = plots.step_losses(losses, steps).axes[0].lines
    assert each.get_ydata().tolist() == losses.tolist()
    assert each.get_xdata()[-1] == 3
    width = {7: 1, 40: 2, 100: 5}[steps]
    expected = [losses[i : i + width].mean() for i in range(0, 3 * steps, width)]
    np.testing.assert_allclose(smooth.get_ydata(), expected)
    assert smooth.get_label() == f"mean of {width} steps"


def test_the_kinds_of_sampling_are_compared_bar_by_bar():
    sampling = {
        "plain": {"real_words": 0.5, "distinct_words": 1200, "log_likelihood": -2.0},
        "top": {"real_words": 0.75, "distinct_words": 800, "log_likelihood": -1.5},
    }
    figure = plots.compare_sampling(sampling)
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[0.5, 0.75], [1200, 800], [-2.0, -1.5]]
    labels = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert labels == ["50.0%", "75.0%", "1,200", "800", "-2.000", "-1.500"]


def test_attention_has_a_panel_for_every_head_of_every_layer():
    weights = np.random.default_rng(1).random((2, 3, 4, 4))
    figure = plots.attention(weights, "a b\n")
    panels = [axes for axes in figure.axes if axes.images]
    shown = [axes.images[0].get_array() for axes in panels]
    np.testing.assert_array_equal(np.reshape(shown, weights.shape), weights)
    assert [axes.get_title() for axes in panels[2:4]] == [
        "layer 1, head 3",
        "layer 2, head 1",
    ]
    ticks = [label.get_text() for label in panels[0].get_xticklabels()]
    assert ticks == ["a", "␣", "b", "⏎"]


def test_the_next_character_s_bars_are_in_order_and_labelled():
    full = np.array([0.1, 0.4, 0.2, 0.3])
    kept = np.array([0, 4 / 7, 0, 3 / 7])
    axes = plots.next_character(full, kept, "ab\n ", "the $x_$").axes[0]
    bars, cut = axes.containers
    assert [bar.get_height() for bar in bars] == [0.4, 0.3, 0.2, 0.1]
    assert [bar.get_height() for bar in cut] == [4 / 7, 3 / 7, 0, 0]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["b", "␣", "⏎", "a"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend[1].startswith("top 2")
    assert "30.0%" in legend[1]
    assert r"the \$x_\$" in axes.get_xlabel()
    assert math.isclose(sum(bar.get_height() for bar in cut), 1)
