"""The functions of the assignment: of all pairs of vectors, and by convolution.

Z (N, d) has a vector a row; a function of all pairs maps it to (N, N).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def unit(x: Tensor, dim: int) -> Tensor:
    """Return vectors along dim divided by their length; nan for zero, which has none.

    torch's normalize would call every vector and zero orthogonal.
    """
    return x / torch.linalg.vector_norm(x, dim=dim, keepdim=True)


def dot(z: Tensor) -> Tensor:
    """Question (b) i: Z Z^T."""
    return z @ z.T


def cosine(z: Tensor) -> Tensor:
    """Question (a) iii of all pairs."""
    return dot(unit(z, 1))


def row_softmax(z: Tensor) -> Tensor:
    """Question (b) ii: the weights of self-attention, each row of which sums to one."""
    return (dot(z) / z.shape[1] ** 0.5).softmax(1)


def scaled_cosine(z: Tensor) -> Tensor:
    """Question (b) iv by its formula, with the diagonal matrix of inverse lengths."""
    inverse = torch.diag(1 / torch.linalg.vector_norm(z, dim=1))
    return inverse @ (z @ z.T) @ inverse / z.shape[1] ** 0.5


def whole_softmax(z: Tensor) -> Tensor:
    """Question (b) iii: one softmax over the whole matrix of scaled cosines."""
    scores = scaled_cosine(z)
    return scores.flatten().softmax(0).view_as(scores)


def activation_maps(image: Tensor, kernels: Tensor) -> Tensor:
    """Question (a) ii: image (d, h, w) and kernels (k, d, 1, 1) to maps (k, h, w)."""
    return F.conv2d(image[None], kernels)[0]


def cosine_maps(image: Tensor, kernels: Tensor) -> Tensor:
    """Question (a) iv: the same after both were divided by their lengths."""
    return activation_maps(unit(image, 0), unit(kernels, 1))


def scaled_cosine_by_convolution(image: Tensor) -> Tensor:
    """Question (b) iv by convolution: image (d, h, w) to (hw, hw).

    It takes hw kernels, since each pixel is to be compared with every other: the
    kernels are the pixels themselves.
    """
    d = len(image)
    kernels = image.flatten(1).T[:, :, None, None]  # (hw, d, 1, 1)
    return cosine_maps(image, kernels).flatten(1) / d**0.5
