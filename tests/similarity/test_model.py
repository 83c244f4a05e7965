"""Attention by relative position is a convolution, and how nearly."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from similarity.model import ConvolutionalAttention


def drawn(seed: int, size: int, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 6, 5, generator=generator, dtype=dtype)
    return x, torch.randn(4, 3, size, size, generator=generator, dtype=dtype)


@given(st.integers(0, 2**31), st.sampled_from([1, 3, 5]))
def test_it_equals_conv2d(seed, size):
    x, kernel = drawn(seed, size)
    layer = ConvolutionalAttention(kernel, sharpness=20.0)
    wanted = F.conv2d(x, kernel, padding=size // 2)
    torch.testing.assert_close(layer(x), wanted, rtol=0, atol=1e-5)


def test_the_interior_needs_no_padding():
    x, kernel = drawn(0, 3)
    inside = ConvolutionalAttention(kernel, 20.0)(x)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inside, F.conv2d(x, kernel), rtol=0, atol=1e-5)


def test_a_turned_kernel_is_told_apart():
    x, kernel = drawn(1, 3)
    turned = F.conv2d(x, kernel.flip(2, 3), padding=1)
    assert (ConvolutionalAttention(kernel, 20.0)(x) - turned).abs().max() > 1


def test_a_head_looks_at_its_own_offset():
    _x, kernel = drawn(2, 3)
    weights = ConvolutionalAttention(kernel, 20.0).weights(6, 5)
    assert weights.shape == (9, 30, 8 * 7)
    torch.testing.assert_close(weights.sum(2), torch.ones(9, 30))
    where = weights.argmax(2)
    for head in range(9):
        for query in range(30):
            row, column = query // 5 + head // 3, query % 5 + head % 3
            assert where[head, query] == row * 7 + column


def test_the_error_falls_by_e_for_each_unit_of_sharpness():
    x, kernel = drawn(3, 3, torch.float64)
    wanted = F.conv2d(x, kernel, padding=1)
    errors = [
        (ConvolutionalAttention(kernel, a)(x) - wanted).abs().max().item()
        for a in (8.0, 9.0, 10.0, 11.0)
    ]
    for larger, smaller in pairwise(errors):
        assert larger / smaller == pytest.approx(math.e, rel=0.02)


def test_attention_does_not_look_at_what_pixels_show():
    x, kernel = drawn(4, 3, torch.float64)
    layer = ConvolutionalAttention(kernel, 2.0)
    torch.testing.assert_close(layer(3 * x), 3 * layer(x))
    shift = layer(x + 1) - layer(x)  # linear in x, as no score moves
    torch.testing.assert_close(shift, layer(torch.ones_like(x)))


def test_weights_are_computed_where_a_layer_lives():
    layer = ConvolutionalAttention(torch.zeros(4, 3, 3, 3), 1.0)
    with FakeTensorMode():  # no tensor holds a number, and no two devices mix
        layer.v = torch.zeros(9, 3, device="meta")
        assert layer.weights(6, 5).device == layer.v.device
    kernel = torch.zeros(4, 3, 3, 3, device="meta")
    assert ConvolutionalAttention(kernel, 1.0).v.device == kernel.device


@pytest.mark.parametrize("shape", [(2, 2), (3, 5)])
def test_a_kernel_must_be_square_and_odd(shape):
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]}"):
        ConvolutionalAttention(torch.zeros(1, 3, *shape), 1.0)
