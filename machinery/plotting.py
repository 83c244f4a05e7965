"""The look that all figures share: palette, widths, and frames to a GIF."""

import io
from collections.abc import Iterable
from functools import cache

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

WIDTH = 10.2  # inches: printed 180 mm wide, letters of 10 points are 7 points high
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.75"


@cache
def distinct_colors(n: int) -> np.ndarray:
    """Return n colours (n, 3) that are far apart to the eye and visible on white.

    Greedy farthest-point choice in CIELAB over a lattice of sRGB colours.
    """
    levels = np.linspace(0, 1, 12)
    rgb = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    lab = srgb_to_lab(rgb)
    visible = (lab[:, 0] > 25) & (lab[:, 0] < 82)
    rgb, lab = rgb[visible], lab[visible]
    chosen = [int(np.argmin(lab[:, 2]))]  # the bluest
    distance = np.linalg.norm(lab - lab[chosen[0]], axis=1)
    while len(chosen) < n:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return rgb[chosen]


def srgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB coordinates (n, 3) of sRGB colours (n, 3) under D65 (IEC 61966-2-1)."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
    xyz = linear @ np.transpose(to_xyz) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def animate(figures: Iterable[Figure], milliseconds: int, hold: int) -> bytes:
    """Return a GIF of the figures; the last frame stays for hold milliseconds."""
    frames = []
    for figure in figures:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba")
        width, height = (figure.get_size_inches() * figure.dpi).astype(int)
        frame = Image.frombytes("RGBA", (width, height), buffer.getvalue())
        frames.append(frame.convert("RGB").quantize(64))
    gif = io.BytesIO()
    frames[0].save(
        gif, format="GIF", save_all=True, append_images=frames[1:], loop=0,
        duration=[milliseconds] * (len(frames) - 1) + [hold],
    )  # fmt: skip
    return gif.getvalue()
