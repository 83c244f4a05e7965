"""Colours that differ to the eye, and frames to an animation."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from machinery import plotting


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


def test_an_animation_holds_its_last_frame():
    frames = (Figure(figsize=(2, 1), facecolor=color) for color in ("red", "blue"))
    with Image.open(io.BytesIO(plotting.animate(frames, 120, 3000))) as gif:
        durations = []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
        assert durations == [120, 3000]
        assert gif.info["loop"] == 0
