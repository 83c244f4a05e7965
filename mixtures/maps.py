"""What is drawn on a map: samples, components, log-densities. Arrays in, Figures out.

N samples, K components; points are [longitude, latitude] in degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.figure import Figure

from machinery.plotting import WIDTH, distinct_colors

LONGITUDE, LATITUDE = "longitude (degrees east)", "latitude (degrees north)"
DENSITY_RANGE = 9.0  # nats of log-density below its maximum that the shading shows


@dataclass(frozen=True)
class Region:
    """The part of the world that a figure shows, and the coasts and borders in it."""

    west: float
    south: float
    east: float
    north: float
    outlines: np.ndarray  # (P, 2), NaN rows between lines

    @classmethod
    def around(cls, points: np.ndarray, outlines: np.ndarray) -> "Region":
        low, high = points.min(0), points.max(0)
        margin = 0.03 * (high - low)
        return cls(*(low - margin).tolist(), *(high + margin).tolist(), outlines)

    @property
    def kilometre_aspect(self) -> float:
        """Height of a degree of latitude over width of one of longitude, mid-map."""
        return 1 / np.cos(np.radians((self.south + self.north) / 2))

    def grid(self, width: int) -> np.ndarray:
        """Centres of a raster of pixels, (height, width, 2), from south to north."""
        height = round(
            width * (self.north - self.south) / (self.east - self.west)
        )  # square in degrees
        long = np.linspace(self.west, self.east, 2 * width + 1)[1::2]
        lat = np.linspace(self.south, self.north, 2 * height + 1)[1::2]
        return np.stack(np.meshgrid(long, lat), axis=-1).astype(np.float32)

    def draw(self, axes: Axes, labels: bool = True) -> None:
        """Prepare axes: outlines, limits, one kilometre as long as another."""
        axes.plot(*self.outlines.T, color="0.55", linewidth=0.5, zorder=1)
        axes.set_xlim(self.west, self.east)
        axes.set_ylim(self.south, self.north)
        axes.set_aspect(self.kilometre_aspect)
        if labels:
            axes.set_xlabel(LONGITUDE)
            axes.set_ylabel(LATITUDE)


@dataclass(frozen=True)
class Ellipses:
    """Gaussian components to draw: means (K, 2) and sigmas (K, 2), in degrees."""

    means: np.ndarray
    sigmas: np.ndarray

    def draw(self, axes: Axes, color: str = "white", n_sigmas=(1, 2)):
        for n in n_sigmas:
            width, height = 2 * n * self.sigmas.T
            shapes = EllipseCollection(
                width,
                height,
                np.zeros(len(width)),
                units="xy",
                offsets=self.means,
                offset_transform=axes.transData,
                facecolor="none",
                edgecolor=color,
                linewidth=1.2 / n,
                zorder=3,
            )
            axes.add_collection(shapes)


@dataclass(frozen=True)
class Boxes:
    """Uniform components to draw: lowest and highest corners (K, 2), in degrees."""

    low: np.ndarray
    high: np.ndarray

    def draw(self, axes: Axes, color="white") -> None:
        (west, south), (east, north) = self.low.T, self.high.T
        corners = [(west, south), (east, south), (east, north), (west, north)]
        axes.add_collection(
            PolyCollection(
                np.array(corners).transpose(2, 0, 1),  # (K, 4, 2)
                facecolor="none",
                edgecolor=color,
                linewidth=0.7,
                zorder=3,
            )
        )


def sample_sheet(
    region: Region,
    titles: Sequence[str],
    samples: Sequence[np.ndarray],
    by_component: Sequence[np.ndarray],
    shapes: Sequence[Boxes],
    columns: int,
) -> Figure:
    """Samples (N, 2) above samples of each component (K, N, 2), a pair per title.

    Where there are more titles than columns, further pairs of rows follow. Shapes, if
    there are any, are drawn around the samples of their components.
    """
    rows = -(-len(titles) // columns)
    panel = WIDTH / max(columns, 4)
    size = (panel * columns, 1.75 * panel * rows + 0.65)
    figure = Figure(figsize=size, layout="constrained", dpi=180)
    grid = figure.subplots(2 * rows, columns, sharex=True, sharey=True, squeeze=False)
    for i, title in enumerate(titles):
        row, column = 2 * (i // columns), i % columns
        top, bottom = grid[row, column], grid[row + 1, column]
        n_components, n_each = by_component[i].shape[:2]
        colors = distinct_colors(n_components)
        for axes in (top, bottom):
            region.draw(axes, labels=False)
            if shapes:
                shapes[i].draw(axes, colors if axes is bottom else "0.4")
        scatter(top, samples[i], "black")
        scatter(
            bottom, by_component[i].reshape(-1, 2), np.repeat(colors, n_each, axis=0)
        )
        top.set_title(f"{title}\n{len(samples[i]):,} of the mixture", size=9)
        each = "each component" if n_components > 1 else "the component"
        bottom.set_title(f"{n_each} of {each}", size=9)
    for axes in grid[:, 0]:
        axes.set_ylabel(LATITUDE, size=8)
    grid[-1, 0].set_xlabel(LONGITUDE, size=8)
    return figure


def scatter(axes: Axes, points: np.ndarray, color) -> None:
    axes.scatter(*points.T, s=3, linewidths=0, c=color, zorder=2)


def density_map(
    region: Region,
    titles: Sequence[str],
    log_densities: Sequence[np.ndarray],
    shapes: Sequence[Ellipses | Boxes],
) -> Figure:
    """Log-density rasters (H, W) in nats per square degree under the components."""
    size = (WIDTH, 0.5 + 0.8 * WIDTH / len(titles))
    figure = Figure(figsize=size, layout="constrained", dpi=160)
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    top = max(raster.max() for raster in log_densities)
    for axes, title, raster, shape in zip(
        panels, titles, log_densities, shapes, strict=True
    ):
        image = shade(axes, region, raster, top)
        shape.draw(axes)
        axes.set_title(title, size=10)
    for axes in panels[1:]:
        axes.set_ylabel("")
    figure.colorbar(
        image, ax=panels, shrink=0.8, extend="min",
        label="log-density (nats per square degree)",
    )  # fmt: skip
    return figure


def shade(axes: Axes, region: Region, raster: np.ndarray, top: float):
    """Show a raster (H, W) of log-density on a map; return the image."""
    region.draw(axes)
    return axes.imshow(
        raster, origin="lower", cmap="magma", vmin=top - DENSITY_RANGE, vmax=top,
        extent=(region.west, region.east, region.south, region.north),
        aspect=region.kilometre_aspect, zorder=0,
    )  # fmt: skip


def forming_frame(
    region: Region,
    titles: Sequence[str],
    log_densities: Sequence[np.ndarray],
    ellipses: Sequence[Ellipses],
    top: float,
) -> Figure:
    """One frame of the mixture forming: a panel per start, no colour bar."""
    figure = Figure(figsize=(9, 4.4), dpi=90)
    panels = figure.subplots(1, len(titles), sharey=True)
    figure.subplots_adjust(left=0.07, right=0.99, bottom=0.1, top=0.92, wspace=0.04)
    for axes, title, raster, shape in zip(
        panels, titles, log_densities, ellipses, strict=True
    ):
        shade(axes, region, raster, top)
        shape.draw(axes, n_sigmas=(1,))
        axes.set_title(title, size=10)
    for axes in panels[1:]:
        axes.set_ylabel("")
    return figure
