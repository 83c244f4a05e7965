"""Models to the arrays that maps and curves are drawn from.

K components; H x W pixels of a raster; maps are in degrees, the models are not.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from machinery.plotting import animate
from machinery.training import in_chunks
from mixture_models import GMM, UMM, MixtureModel
from mixtures import maps, plots
from mixtures.data import Places, load_outlines
from mixtures.runs import Kind, Run

N_SAMPLES, N_SAMPLES_EACH = 1000, 100
MAP_WIDTH, FRAME_WIDTH = 480, 150  # pixels of the log-density rasters


def region(places: Places) -> maps.Region:
    return maps.Region.around(places.in_degrees(places.train), load_outlines())


def log_density(model: MixtureModel, grid: np.ndarray, places: Places) -> np.ndarray:
    """Return the log-density (H, W) in nats per square degree at grid (H, W, 2)."""
    scale = places.standardization
    x = scale.transform(torch.from_numpy(grid).flatten(0, 1))
    log_prob = in_chunks(model, x) - scale.std.log().sum()
    return log_prob.unflatten(0, grid.shape[:2]).numpy()


def components(model: MixtureModel, places: Places) -> maps.Ellipses | maps.Boxes:
    """Return what a map shows of the components: ellipses or boxes."""
    return (boxes if isinstance(model, UMM) else ellipses)(model, places)


def ellipses(gmm: GMM, places: Places) -> maps.Ellipses:
    sigmas = (0.5 * gmm.log_variances).exp() * places.standardization.std
    return maps.Ellipses(places.in_degrees(gmm.means), sigmas.detach().numpy())


def boxes(umm: UMM, places: Places) -> maps.Boxes:
    return maps.Boxes(*map(places.in_degrees, umm.edges()))


def sample_sheet(
    models: dict[str, MixtureModel], places: Places, seed: int, columns: int
) -> Figure:
    """Draw samples of each titled model, of the whole and of each component."""
    samples, by_component = [], []
    for model in models.values():
        generator = torch.Generator().manual_seed(seed)
        samples.append(places.in_degrees(model.sample(N_SAMPLES, generator=generator)))
        each = [
            model.conditional_sample(N_SAMPLES_EACH, k, generator=generator)
            for k in range(model.n_components)
        ]
        by_component.append(places.in_degrees(torch.stack(each)))
    # a box has an edge to be drawn around its samples; a Gaussian has none
    shapes = [boxes(umm, places) for umm in models.values() if isinstance(umm, UMM)]
    columns = min(columns, len(models))
    return maps.sample_sheet(
        region(places), list(models), samples, by_component, shapes, columns
    )


def learning_curves(kind: Kind, runs: Sequence[Run]) -> Figure:
    """Draw each quantity of both splits along the runs."""
    titles = [f"{run.start} start, K = {run.model.n_components}" for run in runs]
    curves = [
        plots.Curves(
            label,
            train=[run.curve(f"train_{name}") for run in runs],
            test=[run.curve(f"test_{name}") for run in runs],
        )
        for name, label in kind.quantities.items()
    ]
    return plots.learning_curves(titles, curves)


def density_map(models: dict[str, MixtureModel], places: Places) -> Figure:
    """Draw each titled model's log-density under its components."""
    here = region(places)
    grid = here.grid(MAP_WIDTH)
    densities = [log_density(model, grid, places) for model in models.values()]
    shapes = [components(model, places) for model in models.values()]
    return maps.density_map(here, list(models), densities, shapes)


def forming(runs: Sequence[Run], places: Places) -> bytes:
    """Animate every epoch, the runs side by side, on the last epoch's colour scale."""
    here = region(places)
    grid = here.grid(FRAME_WIDTH)
    top = max(log_density(run.at(-1), grid, places).max() for run in runs)

    def frames() -> Iterator[Figure]:
        for epoch in range(runs[0].last_epoch + 1):
            models = [run.at(epoch) for run in runs]
            titles = [
                f"{run.start} start, epoch {epoch}: "
                f"{run.rows[epoch]['test_log_likelihood']:.3f} nats"
                for run in runs
            ]
            densities = [log_density(model, grid, places) for model in models]
            shapes = [components(model, places) for model in models]
            yield maps.forming_frame(here, titles, densities, shapes, top)

    return animate(frames(), milliseconds=120, hold=3000)
