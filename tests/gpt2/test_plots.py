"""Figures have labelled axes and show what they are given."""

import numpy as np
import pytest

from gpt2 import plots


@pytest.fixture
def scores():
    draw = np.random.default_rng(0)
    return {
        name: {score: draw.normal(size=9) for score in ("sum", "per_token", "bits")}
        for name in plots.COLORS
    }


def assert_labelled(figure) -> None:
    for ax in figure.axes:
        assert ax.get_xlabel()
    assert figure.axes[0].get_title() == ""


def test_every_kind_of_text_is_in_every_histogram(scores):
    figure = plots.histograms(scores)
    assert_labelled(figure)
    for ax in figure.axes:
        # each histogram is one outline, filled or not
        assert len(ax.patches) == len(scores)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == list(scores)


def test_curves_and_areas_are_drawn_as_given():
    curves = {"sum": (np.array([0.0, 1.0]), np.array([0.0, 1.0]))}
    areas = {"one": [0.5, 0.75], "other": [0.25, 1.0]}
    figure = plots.classifier(curves, [3, 10], areas)
    assert_labelled(figure)
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    for name, values in areas.items():
        assert list(lines[name].get_ydata()) == values


def test_the_gap_and_the_horizons_are_drawn_as_given():
    found = {"temperature": [0.5, 1.0], "joint": [0.25, 0.0]}
    figure = plots.product_against_joint(found)
    assert_labelled(figure)
    assert list(figure.axes[0].lines[0].get_ydata()) == found["joint"]
    rows = [
        {"horizon": 2, "temperature": 0.5, "blocks": True, "log_p": -2, "error": 0.25},
        {"horizon": 1, "temperature": 0.5, "blocks": False, "log_p": -3, "error": 0.5},
    ]
    figure = plots.ahead(rows)
    assert_labelled(figure)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["horizon 2 in blocks, T = 0.50", "horizon 1, T = 0.50"]
