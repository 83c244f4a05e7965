"""The exercise's questions on causal self-attention, for any solution."""

import pytest
import torch

from tests.contract.attention_probe import (
    FILE,
    T,
    apply,
    attention,
    check_gradients,
    check_mask,
    check_one_and_three_heads,
    check_scaling,
)  # fmt: skip

SECTION = "Causal self-attention"
MASK = "attention: the causal mask"
SHAPE = ("test_attention_shape",)
HEADS = ("test_attention_heads",)


def question(title: str, needs: tuple = SHAPE):
    return pytest.mark.question(title, file=FILE, needs=needs)


@question("transformer.py can be imported", needs=())
def test_transformer_imports(solution, remark):
    solution.check_imports(FILE, remark=remark)


@question("attention: (B, T, C) in and out", needs=("test_transformer_imports",))
def test_attention_shape(solution):
    layer = attention(solution, n_head=3, n_embd=48)
    for length in (1, 7, 10):
        apply(layer, torch.randn(2, length, 48))


@question(MASK)
def test_attention_mask(solution):
    check_mask(attention(solution, n_head=1, n_embd=16), C=16)


@question("attention: the heads")
def test_attention_heads(solution):
    check_one_and_three_heads(
        lambda n: attention(solution, n_head=n, n_embd=12), 12, MASK
    )


@question("attention: the scaling", needs=HEADS)
def test_attention_scaling(solution):
    check_scaling(attention(solution, n_head=3, n_embd=48), H=3, C=48)


@question("attention: it can be trained")
def test_attention_gradient(solution, remark):
    layer = attention(solution, n_head=3, n_embd=12)
    y = layer(torch.randn(2, T, 12))
    check_gradients((y[0] if isinstance(y, tuple) else y)[:, -1], layer, remark)
