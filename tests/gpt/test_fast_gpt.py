"""The speed run's model: its mathematics."""

import pytest
import torch
from torch.nn import functional as F

from gpt.fast_gpt import (
    LOGIT_SOFT_CAP,
    FastGPT,
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


def test_plain_attention_is_the_fused_one():
    q, k, v = torch.randn(3, 2, 4, 16, 8)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(causal_attention(q, k, v), expected)


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


def test_embeddings_of_two_and_three_characters_read_what_is_before(model):
    idx = torch.tensor([[4, 7, 4, 7, 9, 7]])
    x = model.embed(idx)[0]
    alone = [table.weight.detach() for table in (model.unigram, model.bigram)]
    for t, before in ((1, 4), (3, 4), (5, 9)):
        pair = alone[0][7] + alone[1][before * (V + 1) + 7]
        trigram = x[t] - pair
        assert (model.trigram.weight - trigram).norm(dim=1).min() < 1e-5
    assert (x[1] - x[3]).norm() > 0.1  # the same two characters, another third


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
    with pytest.raises(ValueError, match="must be"):
        FastGPT(**right | sizes, vocab_size=3)
