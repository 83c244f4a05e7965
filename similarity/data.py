"""An image, and kernels of its own colours: the starting notebook's are not public."""

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from torch import Tensor

SATURATION = 0.8
DARKEST = 0.3  # no pixel is black: black has no direction
NAMES = ("red", "yellow", "green", "cyan", "blue", "magenta")


def make_image(height: int, width: int) -> Tensor:
    """Return an image (3, h, w) of values in (0, 1].

    A column is one hue, the last one grey. Down a column the colour gets darker and
    keeps its direction in RGB: that is what tells a dot product from a cosine.
    """
    hue = np.append(np.arange(width - 1) / (width - 1), 0)
    saturation = np.append(np.full(width - 1, SATURATION), 0)
    value = np.linspace(1, DARKEST, height)
    hsv = np.stack(
        np.broadcast_arrays(hue[None], saturation[None], value[:, None]), axis=2
    )
    return torch.from_numpy(hsv_to_rgb(hsv)).permute(2, 0, 1).contiguous()


def make_kernels(image: Tensor) -> tuple[Tensor, list[str]]:
    """Return kernels (8, 3, 1, 1) and their names: three hues and grey of the image,
    bright and dark."""
    width = image.shape[2]
    columns = [0, (width - 1) // 3, 2 * (width - 1) // 3, width - 1]
    names = [NAMES[round(6 * column / (width - 1))] for column in columns[:3]]
    kernels = image[:, [0, -1]][:, :, columns]  # (3, 2, 4)
    named = [f"{light} {name}" for light in ("bright", "dark") for name in names]
    named = [*named[:3], "white", *named[3:], "grey"]
    return kernels.flatten(1).T[:, :, None, None].contiguous(), named


def pixels(image: Tensor) -> Tensor:
    """Return the pixels (hw, 3) of an image (3, h, w), row by row."""
    return image.flatten(1).T
