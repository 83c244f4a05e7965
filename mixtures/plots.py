"""Arrays in, matplotlib Figures out: no pyplot, no files, no models.

N points or samples, K components, E epochs; points are [longitude, latitude] degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.figure import Figure

from machinery.plotting import BLUE, GREEN, GREY, ORANGE, WIDTH, distinct_colors

LONGITUDE, LATITUDE = "longitude (degrees east)", "latitude (degrees north)"
OUTLINE = {"color": "0.55", "linewidth": 0.5, "zorder": 1}
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
        axes.plot(*self.outlines.T, **OUTLINE)
        axes.set_xlim(self.west, self.east)
        axes.set_ylim(self.south, self.north)
        axes.set_aspect(self.kilometre_aspect)
        if labels:
            axes.set_xlabel(LONGITUDE)
            axes.set_ylabel(LATITUDE)


def sample_sheet(
    region: Region,
    titles: Sequence[str],
    samples: Sequence[np.ndarray],
    by_component: Sequence[np.ndarray],
    shapes: Sequence["Boxes"],
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


@dataclass(frozen=True)
class Curves:
    """One quantity against epoch, (E + 1,) for each title, of both splits."""

    label: str
    train: Sequence[np.ndarray]
    test: Sequence[np.ndarray]


def learning_curves(titles: Sequence[str], quantities: Sequence[Curves]) -> Figure:
    """A row of panels per quantity, a panel per title, epoch 0 before training."""
    rows, columns = len(quantities), len(titles)
    figure = Figure(
        figsize=(WIDTH / 2 * columns, 1.9 * rows + 0.8), layout="constrained", dpi=130
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    for panels, quantity in zip(grid, quantities, strict=True):
        for axes, train, test in zip(
            panels, quantity.train, quantity.test, strict=True
        ):
            axes.plot(train, color=BLUE, label="training set")
            axes.plot(test, color=ORANGE, linestyle="--", label="test set")
            axes.grid(alpha=0.3)
            axes.legend(loc="best")
        panels[0].set_ylabel(quantity.label)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("epoch (0: before training)")
    return figure


def compare_starts(
    names: Sequence[str], curves: np.ndarray, seeds: Sequence[int]
) -> Figure:
    """Test log-likelihoods (2 starts, seeds, E + 1) and the second start's lead."""
    figure = Figure(figsize=(WIDTH, 3), layout="constrained", dpi=130)
    left, right = figure.subplots(1, 2)
    epochs = np.arange(curves.shape[2])
    for name, start, color, style in zip(
        names, curves, (BLUE, ORANGE), ("-", "--"), strict=True
    ):
        left.plot(epochs, start[1:].T, color=GREY, linestyle=style, linewidth=0.8)
        left.plot(epochs, start[0], color=color, linestyle=style, zorder=3,
                  label=f"{name}, seed {seeds[0]}")  # fmt: skip
    if len(seeds) > 1:
        left.plot([], [], color=GREY, label=f"seeds {seeds[1]} to {seeds[-1]}")
    left.legend(loc="best")
    left.set(
        title="Test set", ylabel="mean log-likelihood\n(nats per place, standardised)"
    )
    lead = curves[1] - curves[0]
    right.axhline(0, color="black", linewidth=0.8)
    right.plot(epochs, lead.T, color=GREY, linewidth=0.8)
    right.plot(epochs, lead.mean(0), color=GREEN, label=f"mean of {len(seeds)} seeds")
    right.plot([], [], color=GREY, label="each seed")
    right.legend(loc="best")
    right.set(title=f"{names[1]} minus {names[0]}", ylabel="nats per place")
    for axes, values in ((left, curves), (right, lead)):
        # the first epochs differ so much that they would hide all that follows
        late = values[..., values.shape[-1] // 10 :]
        margin = 0.05 * np.ptp(late) + 1e-6
        axes.set_ylim(late.min() - margin, late.max() + margin)
        axes.set_xlabel("epoch (0: before training)")
        axes.grid(alpha=0.3)
    return figure


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


def density_map(
    region: Region,
    titles: Sequence[str],
    log_densities: Sequence[np.ndarray],
    shapes: Sequence["Ellipses | Boxes"],
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
    blobs: Sequence[Ellipses],
    top: float,
) -> Figure:
    """One frame of the mixture forming: a panel per start, no colour bar."""
    figure = Figure(figsize=(9, 4.4), dpi=90)
    panels = figure.subplots(1, len(titles), sharey=True)
    figure.subplots_adjust(left=0.07, right=0.99, bottom=0.1, top=0.92, wspace=0.04)
    for axes, title, raster, blob in zip(
        panels, titles, log_densities, blobs, strict=True
    ):
        shade(axes, region, raster, top)
        blob.draw(axes, n_sigmas=(1,))
        axes.set_title(title, size=10)
    for axes in panels[1:]:
        axes.set_ylabel("")
    return figure


@dataclass(frozen=True)
class Trend:
    """What the boxes of a uniform mixture did, standardised units."""

    support: np.ndarray  # (E + 1,), area that any box covers
    sides: np.ndarray  # (E + 1, 2 K)
    moved: np.ndarray  # (E + 1, K), distance of each centre from where it started


def trends(by_start: dict[str, Trend]) -> Figure:
    """A row of panels per start: support, sides and the centres' way, against epoch."""
    size = (WIDTH, 2 * len(by_start) + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=130)
    grid = figure.subplots(len(by_start), 3, sharex=True, sharey="col", squeeze=False)
    for (start, trend), panels in zip(by_start.items(), grid, strict=True):
        panels[0].plot(trend.support, color=BLUE)
        panels[1].plot(trend.sides, color=GREY, linewidth=0.6)
        panels[1].plot([], [], color=GREY, label="each of them")
        panels[1].plot(np.median(trend.sides, axis=1), color=BLUE, label="median")
        panels[1].legend(loc="lower left")
        panels[2].plot(trend.moved, color=BLUE)
        panels[0].set_ylabel(f"{start} start\nstandardised units")
    titles = ("area of the support", "lengths of the sides", "way of the centres")
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
        axes.set_ylim(bottom=0)
    grid[0, 2].set_ylim(-0.05, 1)
    for axes in grid.flat:
        axes.grid(alpha=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("epoch (0: before training)")
    return figure
