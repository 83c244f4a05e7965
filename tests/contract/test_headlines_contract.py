"""The questions on attention and the block of the headline assignment."""

import pytest
import torch

from grading.classes import NotOffered
from grading.folder import TimeLimit
from tests.contract.attention_probe import (
    T,
    check_gradients,
    check_mask,
    check_one_and_three_heads,
)
from tests.contract.block_probe import check_block, check_leaks
from tests.contract.headlines_probe import (
    ATTENTION,
    BLOCK,
    FILE,
    SIZES,
    attention,
    check_scaling,
    check_shape,
    make,
)

SECTION = "Headlines: attention and block"
MASK = f"{ATTENTION}: the causal mask"
SHAPE = ("test_headlines_shape",)


def question(title: str, needs: tuple = SHAPE, file: str = ATTENTION):
    return pytest.mark.question(f"{file}: {title}", file=file, needs=needs)


@pytest.mark.question(f"{ATTENTION} and {BLOCK} can be imported", file=FILE)
def test_headlines_imports(solution, remark):
    solution.check_imports(ATTENTION, BLOCK, remark=remark)


@question("(B, T, D) in and out", ())
def test_headlines_shape(solution):
    check_shape(make(solution, ATTENTION), ATTENTION)


@question("the causal mask")
def test_headlines_mask(solution):
    check_mask(attention(solution, num_heads=1, num_emb=16), C=16)


@question("the heads")
def test_headlines_heads(solution):
    check_one_and_three_heads(
        lambda n: attention(solution, num_heads=n, num_emb=12), 12, MASK
    )


@question("the scaling", ("test_headlines_mask", "test_headlines_heads"))
def test_headlines_scaling(solution, remark):
    layer = attention(solution, num_heads=3, num_emb=48)
    check_scaling(layer, H=3, D=48, remark=remark)


@question("it can be trained")
def test_headlines_gradient(solution, remark):
    layer = make(solution, ATTENTION)
    y = layer(torch.randn(2, T, SIZES["num_emb"]))
    check_gradients(y[:, -1], layer, remark)


@question("(B, T, D) in and out", (), BLOCK)
def test_block_shape(solution):
    try:
        check_shape(make(solution, ATTENTION), ATTENTION)
    except NotOffered:  # the block may have attention of its own
        pass
    except (Exception, TimeLimit):
        title = f"{ATTENTION}: (B, T, D) in and out"
        raise NotOffered(f"until {title!r} passes") from None
    check_shape(make(solution, BLOCK), BLOCK)


@question("residuals and norms", ("test_block_shape",), BLOCK)
def test_block_formula(solution, remark):
    check_block(make(solution, BLOCK), remark)
    if not solution.has(ATTENTION):
        check_leaks(make(solution, BLOCK))


@question("it can be trained", ("test_block_shape",), BLOCK)
def test_block_gradient(solution, remark):
    block = make(solution, BLOCK)
    weights = torch.arange(1.0, SIZES["num_emb"] + 1)  # a norm's own sum is constant
    y = block(torch.randn(2, T, SIZES["num_emb"])) * weights
    check_gradients(y[:, -1], block, remark)
