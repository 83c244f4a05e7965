"""The speed run's model: its mathematics."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from gpt.fast_gpt import (
    LOGIT_SOFT_CAP,
    Block,
    FastGPT,
    Linear,
    causal_attention,
    norm,
    rotary_table,
    rotate,
)
from gpt.fast_runs import RECIPES, from_recipe

TINY = RECIPES["tiny"]
V = 65


@pytest.fixture
def model() -> FastGPT:
    """The tiny model with random weights: untrained, its blocks do nothing."""
    torch.manual_seed(0)
    model = from_recipe(TINY, V)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model.eval()


def test_future_cannot_change_past(model):
    idx = torch.randint(V, (2, 16))
    changed = idx.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % V
    before, after = model(idx), model(changed)
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert (before[:, 9:] - after[:, 9:]).abs().amin(dim=(0, 2)).min() > 0


def test_every_earlier_character_counts(model):
    idx = torch.randint(V, (1, 16))
    last = model(idx)[0, -1]
    for position in range(16):
        changed = idx.clone()
        changed[0, position] = (changed[0, position] + 1) % V
        assert (model(changed)[0, -1] - last).abs().max() > 1e-6, position


def test_scores_depend_on_the_distance_alone():
    cos, sin = rotary_table(32, 8)
    q, k = torch.randn(8), torch.randn(8)
    scores = rotate(q.expand(32, 8), cos, sin) @ rotate(k.expand(32, 8), cos, sin).T
    for distance in (-20, -1, 0, 1, 5, 31):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert scores[0].std() > 0.01  # and on it they do depend
    lengths = rotate(q.expand(32, 8), cos, sin).norm(dim=1)
    torch.testing.assert_close(lengths, q.norm().expand(32))


def test_pairs_of_channels_turn_more_slowly_the_later_they_are():
    cos, sin = rotary_table(5, 8)
    for t in range(5):
        for pair in range(4):  # a pair's channels are half of all apart
            angle = t * 1000 ** (-pair / 4)
            x = torch.zeros(2, 5, 8)
            x[0, t, pair], x[1, t, pair + 4] = 1, 1
            expected = torch.zeros(2, 5, 8)
            expected[0, t, pair] = expected[1, t, pair + 4] = math.cos(angle)
            expected[0, t, pair + 4], expected[1, t, pair] = (
                math.sin(angle), -math.sin(angle),
            )  # fmt: skip
            torch.testing.assert_close(rotate(x, cos, sin), expected)


class OnGpu(torch.Tensor):
    """A tensor that says it lies on a GPU."""

    is_cuda = True


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_of_attention_are_softmax_over_the_past(dtype):
    q, k, v = torch.randn(3, 2, 4, 16, 8, dtype=dtype)
    score = q @ k.transpose(2, 3) / 8**0.5
    future = torch.ones(16, 16).triu(1).bool()
    expected = score.masked_fill(future, -math.inf).softmax(3) @ v
    torch.testing.assert_close(causal_attention(q, k, v), expected)
    fused = causal_attention(*(t.as_subclass(OnGpu) for t in (q, k, v)))
    torch.testing.assert_close(fused.as_subclass(torch.Tensor), expected)


def test_a_linear_map_begins_with_outputs_of_its_inputs_size():
    torch.manual_seed(0)
    weight = Linear(400, 300).weight
    assert weight.shape == (300, 400)
    assert weight.std().item() == pytest.approx(1 / 20, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=0.001)


def heads(x: torch.Tensor, n_head: int) -> torch.Tensor:
    return x.unflatten(2, (n_head, -1)).transpose(1, 2)


def test_a_block_adds_attention_and_then_squared_relu():
    torch.manual_seed(0)
    block, x = Block(2, 8, dropout=0.0), torch.randn(3, 6, 8)
    for p in block.parameters():
        torch.nn.init.normal_(p, std=0.5)
    cos, sin = rotary_table(6, 4)
    q, k, v = (F.layer_norm(x, (8,)) @ w.T for w in block.qkv.weight.split(8))
    q, k = (rotate(F.layer_norm(heads(t, 2), (4,)), cos, sin) for t in (q, k))
    y = F.scaled_dot_product_attention(q, k, heads(v, 2), is_causal=True)
    x1 = x + y.transpose(1, 2).flatten(2) @ block.out.weight.T
    rectified = (F.layer_norm(x1, (8,)) @ block.up.weight.T).clamp(min=0)
    expected = x1 + rectified**2 @ block.down.weight.T
    torch.testing.assert_close(block(x, cos, sin), expected)


def test_an_untrained_model_guesses_among_all_characters():
    torch.manual_seed(0)
    model = FastGPT(2, 2, 64, V, 8, 500)
    assert not model(torch.randint(V, (2, 8))).any()
    x = torch.randn(1, 8, 64)
    for block in model.blocks:
        assert torch.equal(block(x, model.cos, model.sin), x)
    for table in (model.unigram, model.bigram, model.trigram):
        assert table.weight.std().item() == pytest.approx(0.5, rel=0.03)
    assert model.bigram.num_embeddings == (V + 1) ** 2  # pairs, begin included


def test_attention_is_computed_where_its_queries_lie():
    with FakeTensorMode():  # no tensor holds a number, and no two devices mix
        q = torch.zeros(2, 2, 16, 8, device="meta")
        assert causal_attention(q, q, q).device == q.device


def test_activations_have_the_type_that_was_asked_for_and_logits_are_float32():
    model = FastGPT(1, 2, 8, V, 8, 5, dtype=torch.bfloat16)
    seen = []
    model.blocks[0].register_forward_hook(
        lambda _, inputs, x: seen.extend(t.dtype for t in (*inputs, x))
    )
    assert model(torch.randint(V, (2, 8))).dtype == torch.float32
    assert seen == [torch.bfloat16] * 4
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_dropout_acts_on_both_branches_in_training_alone():
    torch.manual_seed(0)
    idx = torch.randint(V, (2, 16))
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 16, "n_trigrams": 9}
    sure = FastGPT(**sizes, vocab_size=V).train()
    noisy = FastGPT(**sizes, vocab_size=V, dropout=0.5).train()
    for p in sure.parameters():
        torch.nn.init.normal_(p, std=0.3)
    noisy.load_state_dict(sure.state_dict())
    assert torch.equal(sure(idx), sure(idx))  # none unless it is asked for
    assert not torch.equal(noisy(idx), sure(idx))
    assert torch.equal(noisy.eval()(idx), sure(idx))
    assert [block.dropout.p for block in noisy.blocks] == [0.5, 0.5]


def test_logits_are_capped_softly(model):
    idx = torch.randint(V, (2, 16))
    assert model(idx).abs().max() < LOGIT_SOFT_CAP
    for p in model.lm_head.parameters():
        p.data *= 1000
    assert 0.99 * LOGIT_SOFT_CAP < model(idx).abs().max() <= LOGIT_SOFT_CAP


def test_queries_and_keys_have_one_length_whatever_the_weights(model):
    lengths = norm(torch.randn(5, 8) * 100).norm(dim=1)  # QK norm, before rotate
    torch.testing.assert_close(lengths, torch.full((5,), 8**0.5), rtol=1e-4, atol=0)
    idx = torch.randint(V, (1, 16))
    before = model(idx)
    for block in model.blocks:
        block.qkv.weight.data[: 2 * TINY.n_embd] *= 7  # queries and keys alone
    torch.testing.assert_close(model(idx), before, rtol=1e-3, atol=1e-3)


def test_each_character_is_looked_up_with_the_two_before_it(model):
    """Numbers of base V + 1, whose last digit stands before a window's begin."""
    text, tables = [4, 7, 64, 0, 9, 7], (model.unigram, model.bigram, model.trigram)
    before = [V, V, *text]
    x = model.embed(torch.tensor([text]))[0]
    for t, found in enumerate(x):
        a, b, c = before[t : t + 3]
        pair = b * (V + 1) + c
        triple = a * (V + 1) ** 2 + pair
        rows = c, pair, (triple * 40503 // 64) % TINY.n_trigrams
        expected = sum(
            table.weight[row] for table, row in zip(tables, rows, strict=True)
        )
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_layer": 0}, {"n_head": 0}, {"n_embd": -2}, {"block_size": 0},
        {"n_trigrams": 0}, {"n_embd": 2.0}, {"n_embd": 6}, {"n_head": 3},
    ],
    ids=str,
)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(sizes):
    right = {"n_layer": 1, "n_head": 2, "n_embd": 8, "block_size": 4, "n_trigrams": 5}
    FastGPT(**right, vocab_size=3)
    ((name, value),) = sizes.items()
    if value in (6, 3):
        message = r"n_embd must be a multiple of 2 n_head, got (6 and 2|8 and 3)$"
    else:
        message = rf"^{name} must be an integer above 0, got {value}$"
    with pytest.raises(ValueError, match=message):
        FastGPT(**right | sizes, vocab_size=3)


def test_the_least_sizes_are_accepted():
    model = FastGPT(1, 1, 2, vocab_size=1, block_size=1, n_trigrams=1)
    assert model(torch.zeros(1, 1, dtype=torch.int64)).shape == (1, 1, 1)
