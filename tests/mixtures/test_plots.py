"""Curves: axes with units, the right values, and no pyplot."""

import numpy as np
import pytest

from mixtures import plots
from tests.helpers import ROOT, run_python


def figures():
    """Every kind of curve, small."""
    curves = np.random.default_rng(0).normal(size=(2, 3, 11))
    quantity = plots.Curves("nats per place", train=curves[0, :2], test=curves[1, :2])
    return {
        "curves": plots.learning_curves(["a", "b"], [quantity]),
        "starts": plots.starts(["one", "other"], curves, [4, 5, 6]),
    }


@pytest.mark.parametrize("kind", ["curves", "starts"])
def test_curves_name_their_axes_with_units(kind):
    axes = figures()[kind].axes
    assert all(a.get_xlabel().startswith("epoch") for a in axes)
    assert "nats per place" in axes[0].get_ylabel()
    assert all(a.get_title() for a in axes)


def test_curves_show_one_value_per_epoch_and_the_start():
    train, test = np.arange(4.0), -np.arange(4.0)
    figure = plots.learning_curves(["a"], [plots.Curves("nats", [train], [test])])
    first, second = figure.axes[0].lines
    assert first.get_xdata().tolist() == [0, 1, 2, 3]
    assert first.get_ydata().tolist() == train.tolist()
    assert second.get_ydata().tolist() == test.tolist()
    assert first.get_label() == "training set"
    assert second.get_label() == "test set"


def test_the_lead_is_the_second_start_minus_the_first():
    curves = np.stack([np.zeros((3, 11)), np.full((3, 11), 0.25)])
    right = plots.starts(["one", "other"], curves, [4, 5, 6]).axes[1]
    assert right.get_title() == "other minus one"
    labelled = {line.get_label(): line for line in right.lines}
    assert labelled["mean of 3 seeds"].get_ydata().tolist() == [0.25] * 11


def test_one_seed_can_be_compared_as_well():
    curves = np.random.default_rng(0).normal(size=(2, 1, 2))
    figure = plots.starts(["one", "other"], curves, [4])
    assert len(figure.axes) == 2


def test_figures_are_drawn_without_pyplot(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import numpy; "
        "from mixtures import drawings, plots; "
        "curves = plots.Curves('nats', [numpy.ones(2)], [numpy.ones(2)]); "
        "figure = plots.learning_curves(['a'], [curves]); "
        "figure.savefig('a.png'); "
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was imported'"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_trends_are_a_row_per_start_in_standardised_units():
    trend = plots.Trend(np.ones(4), np.full((4, 6), 0.5), np.zeros((4, 3)))
    figure = plots.trends({"one": trend, "other": trend})
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == [
        "one start\nstandardised units", "other start\nstandardised units"
    ]  # fmt: skip
    support, sides, moved = figure.axes[:3]
    assert support.lines[0].get_ydata().tolist() == [1.0] * 4
    assert len(sides.lines) == 6 + 2  # their median, and what the legend names
    assert len(moved.lines) == 3
    assert all(axes.get_xlabel().startswith("epoch") for axes in figure.axes[-3:])
