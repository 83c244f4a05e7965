"""Colours that differ to the eye, axes with units, and no pyplot."""

import io

import numpy as np
import pytest
from PIL import Image

from machinery import plotting
from mixtures import plots
from tests.helpers import ROOT, run_python

OUTLINES = np.array([[0.0, 40.0], [30.0, 40.0], [np.nan, np.nan], [0, 60], [9, 66]])
REGION = plots.Region(0.0, 40.0, 30.0, 60.0, OUTLINES)
BLOBS = plots.Ellipses(np.array([[5.0, 45], [9, 55]]), np.array([[1.0, 2], [3, 1]]))
RASTER = np.linspace(-20, 0, 6).reshape(2, 3)


def named_axes(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def figures():
    """Every kind of figure, small."""
    rng = np.random.default_rng(0)
    samples = [rng.uniform(40, 60, (9, 2)) for _ in range(2)]
    each = [rng.uniform(40, 60, (k, 4, 2)) for k in (1, 3)]
    curves = rng.normal(size=(2, 3, 11))
    quantity = plots.Curves("nats per place", train=curves[0, :2], test=curves[1, :2])
    return {
        "samples": plots.sample_sheet(REGION, ["a", "b"], samples, each, [], 2),
        "curves": plots.learning_curves(["a", "b"], [quantity]),
        "starts": plots.compare_starts(["one", "other"], curves, [4, 5, 6]),
        "map": plots.density_map(REGION, ["a", "b"], [RASTER] * 2, [BLOBS] * 2),
        "frame": plots.forming_frame(REGION, ["a", "b"], [RASTER] * 2, [BLOBS] * 2, 0),
    }


MAPS = ["samples", "map", "frame"]


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # published CIELAB values under D65
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((119 / 255,) * 3, (50.03, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    found = plotting.srgb_to_lab(np.array([rgb], dtype=float))[0]
    np.testing.assert_allclose(found, lab, atol=0.05)


@pytest.mark.parametrize(("n", "least"), [(5, 60), (10, 50), (33, 25)])
def test_colours_are_far_apart_and_visible_on_white(n, least):
    colors = plotting.distinct_colors(n)
    assert colors.shape == (n, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1
    lab = plotting.srgb_to_lab(np.concatenate([colors, np.ones((1, 3))]))
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distance[np.triu_indices(n + 1, 1)].min() > min(least, 25)
    assert distance[:n, :n][np.triu_indices(n, 1)].min() > least


@pytest.mark.parametrize("kind", MAPS)
def test_maps_name_their_axes_with_units(kind):
    axes = named_axes(figures()[kind])
    assert "longitude (degrees east)" in [a.get_xlabel() for a in axes]
    assert "latitude (degrees north)" in [a.get_ylabel() for a in axes]


def test_the_map_s_colour_bar_says_nats_per_square_degree():
    bar = figures()["map"].axes[-1]
    assert bar.get_ylabel() == "log-density (nats per square degree)"


@pytest.mark.parametrize("kind", ["curves", "starts"])
def test_curves_name_their_axes_with_units(kind):
    axes = named_axes(figures()[kind])
    assert all(a.get_xlabel().startswith("epoch") for a in axes)
    assert "nats per place" in axes[0].get_ylabel()
    assert all(a.get_title() for a in axes)


@pytest.mark.parametrize("kind", MAPS)
def test_a_kilometre_is_as_long_northward_as_eastward(kind):
    # mid-map is 50 degrees north, where a degree of longitude is cos 50 of latitude's
    for axes in named_axes(figures()[kind]):
        assert axes.get_aspect() == pytest.approx(1 / 0.6427876)


def test_a_sheet_shows_all_samples_in_their_components_colours():
    figure = figures()["samples"]
    top, bottom = figure.axes[1], figure.axes[3]
    assert len(top.collections[0].get_offsets()) == 9
    points = bottom.collections[0]
    assert len(points.get_offsets()) == 12
    colors = points.get_facecolors()[:, :3]
    assert len(np.unique(colors, axis=0)) == 3
    assert all(len(np.unique(part, axis=0)) == 1 for part in np.split(colors, 3))


def test_a_sheet_continues_below_when_there_are_more_titles_than_columns():
    samples, each = [np.zeros((3, 2))] * 5, [np.zeros((2, 3, 2))] * 5
    figure = plots.sample_sheet(REGION, list("abcde"), samples, each, [], 3)
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    assert titles[:3] == ["a", "b", "c"]
    assert titles[6:8] == ["d", "e"]


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
    right = plots.compare_starts(["one", "other"], curves, [4, 5, 6]).axes[1]
    assert right.get_title() == "other minus one"
    labelled = {line.get_label(): line for line in right.lines}
    assert labelled["mean of 3 seeds"].get_ydata().tolist() == [0.25] * 11


def test_one_seed_can_be_compared_as_well():
    curves = np.random.default_rng(0).normal(size=(2, 1, 2))
    figure = plots.compare_starts(["one", "other"], curves, [4])
    assert len(figure.axes) == 2


def test_ellipses_are_two_sigmas_of_each_component_wide_and_high():
    shapes = [
        c
        for c in figures()["map"].axes[0].collections
        if hasattr(c, "get_widths") and len(c.get_widths())
    ]
    one, two = sorted(shapes, key=lambda c: c.get_widths().max())
    np.testing.assert_allclose(one.get_widths(), [2, 6])
    np.testing.assert_allclose(one.get_heights(), [4, 2])
    np.testing.assert_allclose(two.get_widths(), [4, 12])
    np.testing.assert_allclose(one.get_offsets(), BLOBS.means)


def test_a_raster_s_first_row_is_shown_in_the_south():
    image = figures()["map"].axes[0].images[0]
    assert image.origin == "lower"
    assert tuple(image.get_extent()) == (0, 30, 40, 60)


def test_grid_points_are_the_centres_of_equal_pixels():
    grid = REGION.grid(6)
    assert grid.shape == (4, 6, 2)
    np.testing.assert_allclose(grid[0, :, 0], [2.5, 7.5, 12.5, 17.5, 22.5, 27.5])
    np.testing.assert_allclose(grid[:, 0, 1], [42.5, 47.5, 52.5, 57.5])


def test_a_region_holds_all_points_with_a_margin():
    points = np.array([[-10.0, 40.0], [30.0, 70.0]])
    region = plots.Region.around(points, OUTLINES)
    assert region.west < -10 < 30 < region.east
    assert region.south < 40 < 70 < region.north
    assert region.east - region.west < 1.2 * 40


def test_an_animation_holds_its_last_frame():
    curves = plots.Curves("nats", [np.arange(3.0)], [np.zeros(3)])
    frames = (plots.learning_curves([title], [curves]) for title in "ab")
    with Image.open(io.BytesIO(plotting.animate(frames, 120, 3000))) as gif:
        durations = []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
        assert durations == [120, 3000]
        assert gif.info["loop"] == 0


def test_figures_are_drawn_without_pyplot(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import numpy; "
        "from mixtures import plots; "
        "curves = plots.Curves('nats', [numpy.ones(2)], [numpy.ones(2)]); "
        "figure = plots.learning_curves(['a'], [curves]); "
        "figure.savefig('a.png'); "
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was imported'"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
