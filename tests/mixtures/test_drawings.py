"""Models as they are drawn: densities, components and samples in degrees."""

import numpy as np
import pytest
import torch
from matplotlib.collections import PolyCollection

from mixture_models import GMM, UMM
from mixtures import drawings, maps
from mixtures.config import UmmConfig
from mixtures.runs import BOXES, train

WIDE = maps.Region(-60.0, -10.0, 80.0, 90.0, np.zeros((0, 2)))


def mixture(model_class, n_components=3):
    torch.manual_seed(0)
    return model_class(n_components).requires_grad_(False)


@pytest.mark.parametrize("model_class", [GMM, UMM])
def test_the_drawn_density_integrates_to_one_over_the_degrees(loaded, model_class):
    raster = drawings.log_density(mixture(model_class), WIDE.grid(1400), loaded)
    assert raster.shape == (1000, 1400)
    assert np.exp(raster).sum() * 0.1**2 == pytest.approx(1, abs=0.01)


def test_the_raster_is_brightest_where_the_samples_are(loaded):
    gmm = mixture(GMM, 1)
    grid = WIDE.grid(700)
    raster = drawings.log_density(gmm, grid, loaded)
    brightest = grid.reshape(-1, 2)[raster.argmax()]
    np.testing.assert_allclose(brightest, loaded.in_degrees(gmm.means)[0], atol=0.2)


def test_ellipses_are_where_the_samples_of_their_components_are(loaded):
    gmm = mixture(GMM)
    gmm.log_variances.copy_(torch.tensor([[-1.0, 0.0], [1.0, -2.0], [0.5, 0.5]]))
    shapes = drawings.components(gmm, loaded)
    assert isinstance(shapes, maps.Ellipses)
    for k in range(3):
        x = loaded.in_degrees(gmm.conditional_sample(20_000, k))
        np.testing.assert_allclose(shapes.means[k], x.mean(0), atol=0.4)
        np.testing.assert_allclose(shapes.sigmas[k], x.std(0), rtol=0.03)


def test_boxes_are_where_the_samples_of_their_components_are(loaded):
    umm = mixture(UMM)
    shapes = drawings.components(umm, loaded)
    assert isinstance(shapes, maps.Boxes)
    for k in range(3):
        x = loaded.in_degrees(umm.conditional_sample(20_000, k))
        np.testing.assert_allclose(shapes.low[k], x.min(0), atol=0.02)
        np.testing.assert_allclose(shapes.high[k], x.max(0), atol=0.02)


def test_the_region_holds_every_place(loaded):
    region, points = drawings.region(loaded), loaded.in_degrees(loaded.train)
    assert ([region.west, region.south] < points.min(0)).all()
    assert ([region.east, region.north] > points.max(0)).all()


@pytest.mark.parametrize(("model_class", "n_boxes"), [(GMM, 0), (UMM, 3)])
def test_a_sheet_of_boxes_shows_them_around_their_samples(loaded, model_class, n_boxes):
    models = {"one": mixture(model_class)}
    figure = drawings.sample_sheet(models, loaded, seed=0, columns=4)
    top, bottom = figure.axes
    assert "1,000 of the mixture" in top.get_title()
    assert "100 of each component" in bottom.get_title()
    for axes in (top, bottom):
        shapes = [c for c in axes.collections if type(c) is PolyCollection]
        assert sum(len(c.get_paths()) for c in shapes) == n_boxes


def test_a_sheet_depends_on_its_seed_alone(loaded):
    def points(seed):
        figure = drawings.sample_sheet({"a": mixture(GMM)}, loaded, seed, columns=4)
        return figure.axes[0].collections[0].get_offsets()

    one = points(1)
    torch.rand(5)
    assert np.array_equal(one, points(1))
    assert not np.array_equal(one, points(2))


def test_curves_are_a_panel_per_quantity_and_run(loaded):
    config = UmmConfig(epochs=2)
    runs = []
    for start in ("random", "country"):
        *_, run = train(BOXES, config, loaded, 3, start, 42)
        runs.append(run)
    panels = drawings.learning_curves(BOXES, runs).axes
    assert len(panels) == 3 * 2
    assert [axes.get_title() for axes in panels[:2]] == [
        "random start, K = 3", "country start, K = 3"
    ]  # fmt: skip
    assert [axes.get_ylabel() for axes in panels[::2]] == [*BOXES.quantities.values()]
    train_line, test_line = panels[3].lines  # the coverage of the country start
    assert train_line.get_ydata().tolist() == runs[1].curve("train_coverage").tolist()
    assert test_line.get_ydata().tolist() == runs[1].curve("test_coverage").tolist()
