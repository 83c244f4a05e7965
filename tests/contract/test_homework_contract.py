"""The questions on self-attention of the GPT homework."""

import pytest
import torch

from tests.contract.attention_probe import check_gradients
from tests.contract.homework_probe import (
    BATCH,
    NAME,
    C,
    L,
    attention,
    check_formula,
    check_shape,
)

SECTION = "Self-attention of the GPT homework"


def question(title: str, *needs: str):
    return pytest.mark.question(title, file=NAME, needs=needs)


@question("SelfAttention can be imported")
def test_homework_imports(solution, remark):
    solution.check_imports(NAME, remark=remark)


@question("SelfAttention: (B, L, C) in and out")
def test_homework_shape(solution):
    check_shape(attention(solution))


@question("SelfAttention: the formula", "test_homework_shape")
def test_homework_formula(solution, remark):
    check_formula(attention(solution), remark)


@question("SelfAttention: it can be trained", "test_homework_shape")
def test_homework_gradient(solution, remark):
    layer = attention(solution)
    y = layer(torch.randn(BATCH, L, C))
    check_gradients(y[:, -1], layer, remark)
