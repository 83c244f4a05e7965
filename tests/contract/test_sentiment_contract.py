"""The questions on self-attention and layer norm of the sentiment assignment."""

import pytest
import torch

from sentiment.model import MySelfAttention
from tests.contract.attention_probe import check_gradients
from tests.contract.loops_probe import WIDE, remark_on_loops
from tests.contract.norm_probe import (
    check_eps,
    check_gamma_and_beta,
    check_norm,
    norm,
    plain_norm,
)
from tests.contract.sentiment_probe import (
    FILE,
    attention,
    check_attention,
    check_one_sample,
)

SECTION = "Self-attention and layer norm"
LOADED = ("test_models_imports",)


def question(title: str, *needs: str):
    return pytest.mark.question(title, file=FILE, needs=(*LOADED, *needs))


@pytest.mark.question("models.py can be imported", file=FILE)
def test_models_imports(solution, remark):
    solution.check_imports(FILE, remark=remark)


@question("MySelfAttention: the formula")
def test_self_attention_value(solution):
    check_attention(attention(solution))


@question("MySelfAttention: a batch and one sample", "test_self_attention_value")
def test_self_attention_shapes(solution, remark):
    check_one_sample(attention(solution), remark)


@question("MySelfAttention: it can be trained", "test_self_attention_value")
def test_self_attention_gradient(solution, remark):
    layer = attention(solution)
    check_gradients(layer(torch.randn(2, 5, 4)), layer, remark)
    ours = MySelfAttention(WIDE)
    remark_on_loops(lambda T, d: attention(solution, d), ours, remark)


@question("MyLayerNorm: gamma and beta")
def test_norm_parameters(solution):
    check_gamma_and_beta(norm(solution))


@question("MyLayerNorm: statistics of a sample", "test_norm_parameters")
def test_norm_statistics(solution, remark):
    check_norm(norm(solution))
    remark_on_loops(lambda T, d: norm(solution, (T, d)), plain_norm, remark)


@question("MyLayerNorm: eps under the root", "test_norm_statistics")
def test_norm_eps(solution):
    check_eps(norm(solution))
