"""Each function against loops or torch's own, by formula and by convolution."""

import colorsys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from similarity import functions
from similarity.data import make_image, make_kernels, pixels

SIDES = st.tuples(st.integers(2, 9), st.integers(4, 9))


@given(SIDES)
def test_activation_maps_are_dot_products(sides):
    image = make_image(*sides)
    kernels, _ = make_kernels(image)
    maps = functions.activation_maps(image, kernels)
    assert maps.shape == (len(kernels), *sides)
    for j, kernel in enumerate(kernels.flatten(1)):
        for h in range(sides[0]):
            for w in range(sides[1]):
                wanted = sum(k * z for k, z in zip(kernel, image[:, h, w], strict=True))
                assert maps[j, h, w] == pytest.approx(wanted.item())


@given(SIDES)
def test_cosine_maps_equal_torch(sides):
    image = make_image(*sides)
    kernels, _ = make_kernels(image)
    wanted = F.cosine_similarity(image[None], kernels, dim=1)
    torch.testing.assert_close(functions.cosine_maps(image, kernels), wanted)


@given(SIDES, st.floats(0.01, 100))
def test_a_cosine_does_not_see_brightness(sides, factor):
    image = make_image(*sides)
    kernels, _ = make_kernels(image)
    maps = functions.cosine_maps(factor * image, kernels)
    torch.testing.assert_close(maps, functions.cosine_maps(image, kernels))
    dots = functions.activation_maps(factor * image, kernels)
    torch.testing.assert_close(dots, factor * functions.activation_maps(image, kernels))


@given(SIDES)
def test_the_formula_by_convolution_takes_a_kernel_for_each_pixel(sides):
    image = make_image(*sides)
    n = sides[0] * sides[1]
    by_convolution = functions.scaled_cosine_by_convolution(image)
    assert by_convolution.shape == (n, n)
    by_formula = functions.scaled_cosine(pixels(image))
    torch.testing.assert_close(by_convolution, by_formula, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        by_convolution * 3**0.5, functions.cosine(pixels(image)), rtol=0, atol=1e-6
    )


def test_one_softmax_a_row_or_one_for_all():
    z = torch.randn(7, 3, dtype=torch.float64)
    torch.testing.assert_close(
        functions.row_softmax(z).sum(1), torch.ones(7, dtype=z.dtype)
    )
    whole = functions.whole_softmax(z)
    assert whole.sum().item() == pytest.approx(1)
    assert not torch.allclose(whole.sum(1), torch.full((7,), 1 / 7, dtype=z.dtype))
    ratio = whole.log() - functions.cosine(z) / 3**0.5  # one constant for all pairs
    torch.testing.assert_close(ratio, ratio[:1, :1].expand(7, 7))


def test_a_softmax_of_rows_is_torch_s_attention_without_values():
    z = torch.randn(7, 3, dtype=torch.float64)
    nothing_mixed = torch.eye(7, dtype=z.dtype)
    wanted = F.scaled_dot_product_attention(z, z, nothing_mixed)
    torch.testing.assert_close(functions.row_softmax(z), wanted)


def test_zero_has_no_direction():
    z = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    values = functions.cosine(z)
    assert values[0].isnan().all()
    assert values[1, 1] == 1


@given(SIDES)
def test_a_column_is_a_hue_that_darkens_and_the_last_is_grey(sides):
    height, width = sides
    image = make_image(height, width)
    for row in range(height):
        value = 1 - 0.7 * row / (height - 1)
        for column in range(width):
            hue, saturation = column / (width - 1), 0.8 if column < width - 1 else 0
            expected = colorsys.hsv_to_rgb(hue, saturation, value)
            found = image[:, row, column].tolist()
            assert found == pytest.approx(expected, abs=1e-12)


@given(SIDES)
def test_kernels_are_named_by_light_and_by_the_nearest_hue(sides):
    kernels, names = make_kernels(make_image(*sides))
    hues = {"red": 0, "yellow": 1, "green": 2, "cyan": 3, "blue": 4, "magenta": 5}
    for i, (kernel, name) in enumerate(zip(kernels, names, strict=True)):
        hue, saturation, value = colorsys.rgb_to_hsv(*kernel.flatten().tolist())
        assert value == pytest.approx(1 if i < 4 else 0.3)
        if i % 4 == 3:
            assert (name, saturation) == (["white", "grey"][i > 4], 0)
        else:
            light, color = name.split()
            assert light == ("bright" if i < 4 else "dark")
            assert abs(6 * hue - hues[color]) < 0.5 + 1e-9


def test_the_default_kernels_are_red_green_blue_and_grey():
    _, names = make_kernels(make_image(8, 7))
    assert names == [
        "bright red", "bright green", "bright blue", "white",
        "dark red", "dark green", "dark blue", "grey",
    ]  # fmt: skip


@given(SIDES)
def test_the_image_holds_each_kernel_and_darker_ones_point_the_same_way(sides):
    image = make_image(*sides)
    kernels, names = make_kernels(image)
    assert len(set(names)) == len(kernels) == 8
    assert 0 < image.min()
    assert image.max() <= 1
    for kernel in kernels.flatten(1):
        assert (pixels(image) == kernel).all(1).any()
    bright, dark = kernels.flatten(1).split(4)
    torch.testing.assert_close(
        F.cosine_similarity(bright, dark), torch.ones(4, dtype=image.dtype)
    )
    assert (bright.sum(1) > 2 * dark.sum(1)).all()
    assert len(pixels(image).unique(dim=0)) == sides[0] * sides[1]
