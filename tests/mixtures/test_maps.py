"""Maps: units, proportions, and what is drawn where."""

import numpy as np
import pytest

from mixtures import maps

OUTLINES = np.array([[0.0, 40.0], [30.0, 40.0], [np.nan, np.nan], [0, 60], [9, 66]])
REGION = maps.Region(0.0, 40.0, 30.0, 60.0, OUTLINES)
ELLIPSES = maps.Ellipses(np.array([[5.0, 45], [9, 55]]), np.array([[1.0, 2], [3, 1]]))
RASTER = np.linspace(-20, 0, 6).reshape(2, 3)


def named_axes(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def figures():
    """Every kind of map, small."""
    rng = np.random.default_rng(0)
    samples = [rng.uniform(40, 60, (9, 2)) for _ in range(2)]
    each = [rng.uniform(40, 60, (k, 4, 2)) for k in (1, 3)]
    pair = [["a", "b"], [RASTER] * 2, [ELLIPSES] * 2]
    return {
        "samples": maps.sample_sheet(REGION, ["a", "b"], samples, each, [], 2),
        "map": maps.density_map(REGION, *pair),
        "frame": maps.forming_frame(REGION, *pair, 0),
    }


MAPS = ["samples", "map", "frame"]


@pytest.mark.parametrize("kind", MAPS)
def test_maps_name_their_axes_with_units(kind):
    axes = named_axes(figures()[kind])
    assert "longitude (degrees east)" in [a.get_xlabel() for a in axes]
    assert "latitude (degrees north)" in [a.get_ylabel() for a in axes]


def test_the_map_s_colour_bar_says_nats_per_square_degree():
    bar = figures()["map"].axes[-1]
    assert bar.get_ylabel() == "log-density (nats per square degree)"


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
    figure = maps.sample_sheet(REGION, list("abcde"), samples, each, [], 3)
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    assert titles[:3] == ["a", "b", "c"]
    assert titles[6:8] == ["d", "e"]


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
    np.testing.assert_allclose(one.get_offsets(), ELLIPSES.means)


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
    region = maps.Region.around(points, OUTLINES)
    assert region.west < -10 < 30 < region.east
    assert region.south < 40 < 70 < region.north
    assert region.east - region.west < 1.2 * 40


def test_boxes_are_drawn_from_corner_to_corner():
    boxes = maps.Boxes(np.array([[1, 42], [5, 50]]), np.array([[3, 45], [9, 59]]))
    figure = maps.density_map(REGION, ["a"], [RASTER], [boxes])
    (shapes,) = figure.axes[0].collections
    assert [path.vertices[:4].tolist() for path in shapes.get_paths()] == [
        [[1, 42], [3, 42], [3, 45], [1, 45]],
        [[5, 50], [9, 50], [9, 59], [5, 59]],
    ]
