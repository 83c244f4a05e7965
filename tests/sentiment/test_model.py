"""The assignment's modules against loops, and against torch's own."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from sentiment import fused
from sentiment.model import (
    MyLayerNorm,
    MySelfAttention,
    MyTransformer,
    MyTransformerBlock,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


def attention_in_loops(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Equation 1, a number at a time, of one sample (T, d)."""
    d = x.shape[1]

    def mapped(w: torch.Tensor) -> list[list[torch.Tensor]]:
        return [
            [sum(row[b] * w[a, b] for b in range(d)) for a in range(d)] for row in x
        ]

    q, k, v = map(mapped, weights)
    rows = []
    for query in q:
        products = [sum(query[a] * key[a] for a in range(d)) for key in k]
        shares = [torch.exp(product / math.sqrt(d)) for product in products]
        for a in range(d):
            looked_at = zip(shares, v, strict=True)
            total = sum(share * value[a] for share, value in looked_at)
            rows.append(total / sum(shares))
    return torch.stack(rows).view_as(x)


def norm_in_loops(parts: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Equation 2, a number at a time, of one sample (T, d)."""
    gamma, beta = parts
    elements = [element for row in x for element in row]
    mean = sum(elements) / len(elements)
    variance = sum((element - mean) ** 2 for element in elements) / len(elements)
    normed = [(element - mean) / torch.sqrt(variance + 1e-8) for element in elements]
    scaled = zip(gamma.flatten(), normed, beta.flatten(), strict=True)
    return torch.stack([g * n + b for g, n, b in scaled]).view_as(x)


def assert_is(module: torch.nn.Module, in_loops, x: torch.Tensor) -> None:
    """Compare a module with loops over each sample: values and all gradients."""
    module, x = module.double(), x.double().requires_grad_()
    parameters = list(module.parameters())
    found, expected = module(x), torch.stack([in_loops(parameters, s) for s in x])
    assert_close(found, expected)
    weights = torch.randn_like(found)
    inputs = [x, *parameters]
    first = torch.autograd.grad((found * weights).sum(), inputs)
    assert_close(first, torch.autograd.grad((expected * weights).sum(), inputs))


def test_attention_is_equation_1_in_value_and_gradient():
    module, x = MySelfAttention(3), torch.randn(2, 4, 3)
    assert_is(module, attention_in_loops, x)
    assert_close(module(x[0].double()), module(x.double())[0])  # one sample, (T, d)


def test_attention_is_torchs_in_value_and_gradient():
    module, x = MySelfAttention(8), torch.randn(2, 5, 8, requires_grad=True)
    ours = module(x)
    theirs = F.scaled_dot_product_attention(module.w_q(x), module.w_k(x), module.w_v(x))
    assert_close(ours, theirs)
    inputs = [x, *module.parameters()]
    weights = torch.randn_like(ours)
    first = torch.autograd.grad((ours * weights).sum(), inputs, retain_graph=True)
    second = torch.autograd.grad((theirs * weights).sum(), inputs)
    assert_close(first, second)


def test_attention_has_three_maps_of_d_by_d_and_nothing_else():
    # a bias of the keys would change no weight: it adds one number to a row's scores
    shapes = {name: p.shape for name, p in MySelfAttention(3).named_parameters()}
    assert shapes == {f"w_{x}.weight": (3, 3) for x in "qkv"}


def test_attention_knows_no_order():
    module, x = MySelfAttention(4), torch.randn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert_close(module(x[:, order]), module(x)[:, order])


def test_norm_is_equation_2_in_value_and_gradient():
    norm, x = MyLayerNorm((4, 3)), torch.randn(2, 4, 3) * 5 + 2
    with torch.no_grad():
        norm.gamma.normal_()
        norm.beta.normal_()
    assert_is(norm, norm_in_loops, x)


def test_norm_is_torchs_in_value_and_gradient():
    norm, x = MyLayerNorm((5, 4)), torch.randn(3, 5, 4, requires_grad=True)
    theirs = F.layer_norm(x, (5, 4), norm.gamma, norm.beta, 1e-8)
    assert_close(norm(x), theirs)
    weights = torch.randn(3, 5, 4)
    inputs = [x, norm.gamma, norm.beta]
    first = torch.autograd.grad((norm(x) * weights).sum(), inputs)
    assert_close(first, torch.autograd.grad((theirs * weights).sum(), inputs))


def test_a_normed_sample_has_mean_zero_and_the_populations_variance_one():
    out = MyLayerNorm((2, 2))(torch.randn(7, 2, 2)).detach()
    assert_close(out.mean((1, 2)), torch.zeros(7), atol=1e-6, rtol=0)
    assert_close(out.var((1, 2), correction=0), torch.ones(7))
    # of so few elements the sample's variance is another number
    assert (out.var((1, 2)) - 1).abs().min() > 0.3


def test_eps_is_under_the_root():
    x = torch.tensor([[[1e-5, -1e-5]]])
    expected = 1e-5 / math.sqrt(1e-10 + 1e-8)
    assert MyLayerNorm((1, 2))(x)[0, 0, 0].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize(
    "lengths", [[1, 3, 5], [9, 9, 9], [2, 9, 8], [8, 8, 1], [0, 4, 2]]
)
@pytest.mark.parametrize("n_blocks", [1, 2])
def test_the_kernels_say_what_the_lesson_says(attention, lengths, n_blocks):
    vectors = torch.randn(20, 6)
    model = MyTransformer(vectors, 9, n_blocks, attention=attention).eval()
    tokens = torch.randint(1, 20, (3, 9))
    tokens[torch.arange(9) >= torch.tensor(lengths)[:, None]] = 0
    written_out, fast = model(tokens), fused.transformer(model, tokens)
    assert_close(written_out, fast, rtol=1e-5, atol=1e-6)
    weights = torch.randn(3)
    inputs = [p for p in model.parameters() if p.requires_grad]
    first = torch.autograd.grad((written_out * weights).sum(), inputs)
    assert_close(
        first, torch.autograd.grad((fast * weights).sum(), inputs), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("attention", [True, False])
def test_the_kernels_take_a_norm_for_each_token_too(attention):
    model = MyTransformer(torch.randn(20, 6), 5, 2, attention=attention).eval()
    for block in model.blocks:
        block.norm1, block.norm2 = torch.nn.LayerNorm(6), torch.nn.LayerNorm(6)
    tokens = torch.tensor([[3, 2, 0, 0, 0], [4, 7, 9, 1, 0]])
    assert_close(model(tokens), fused.transformer(model, tokens))


def test_the_first_block_looks_at_one_pad_more_than_the_longest_review(monkeypatch):
    asked, kernel = [], F.scaled_dot_product_attention

    def watched(q, k, v, **more):
        asked.append((q.shape[2], k.shape[2], v.shape[2]))
        return kernel(q, k, v, **more)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    model = MyTransformer(torch.randn(20, 6), 9, 2).eval()
    fused.transformer(model, torch.tensor([[3] + [0] * 8, [4, 7, 9, 1] + [0] * 5]))
    assert asked == [(5, 5, 5), (9, 9, 9)]


def test_the_kernels_work_where_their_inputs_are():
    model = MyTransformer(torch.randn(20, 6), 5).eval()
    tokens = torch.tensor([[3, 2, 0, 0, 0], [4, 7, 9, 1, 0]])
    said = fused.transformer(model, tokens)
    with torch.device("meta"):  # where a tensor is made that is told no place
        assert torch.equal(fused.transformer(model, tokens), said)


def test_unless_told_there_is_one_block_with_attention_and_a_dropout_of_a_tenth():
    model = MyTransformer(torch.randn(5, 4), 3)
    (block,) = model.blocks
    for one in (block, MyTransformerBlock(3, 4)):
        assert isinstance(one.attention, MySelfAttention)
        assert one.dropout.p == 0.1
    assert MyTransformerBlock(3, 4, attention=False).attention is None
    assert model.max_len == 3


def test_a_model_without_attention_has_none_in_any_block():
    model = MyTransformer(torch.randn(5, 4), 3, 2, attention=False)
    assert [block.attention for block in model.blocks] == [None, None]


def test_dropout_touches_what_attention_adds_and_nothing_else():
    x = torch.randn(2, 3, 4)
    with_all_dropped = MyTransformerBlock(3, 4, dropout=1.0).train()
    without = MyTransformerBlock(3, 4, attention=False)
    without.load_state_dict(with_all_dropped.state_dict(), strict=False)
    assert_close(with_all_dropped(x), without(x))
    assert not torch.isclose(with_all_dropped.eval()(x), without(x)).all()


def test_word_vectors_start_as_given_and_the_pads_stays_zero():
    vectors = torch.randn(5, 4)
    vectors[0] = 0
    model = MyTransformer(vectors, 3)
    assert torch.equal(model.embedding.weight, vectors)
    model(torch.tensor([[1, 2, 0]])).sum().backward()
    assert not model.embedding.weight.grad[0].any()
    assert model.embedding.weight.grad[1].any()
