"""The n-gram network against its formulas, a review and a head at a time."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sentiment.network import TABLE, NgramNetwork


def network(attention=True, **options) -> NgramNetwork:
    """A network as if it had been trained: all its weights say something."""
    torch.manual_seed(0)
    model = NgramNetwork(torch.randn(9, 6), 5, 4, attention=attention, **options)
    for p in model.parameters():
        torch.nn.init.normal_(p, 0.2, 0.5)
    return model.eval()


def said_in_loops(model: NgramNetwork, ids: np.ndarray, there: np.ndarray) -> float:
    """Return the logit of one review: ids (3, T), and which words are there (T,)."""
    weights = {k: p.detach().double().numpy() for k, p in model.named_parameters()}

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0)

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        normed = [(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in x]
        return normed * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def means(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The means of values (T, d) that scores (n, T) ask for, of what is there."""
        shares = np.exp(scores) * there
        return shares / shares.sum(1, keepdims=True) @ values

    x = weights["words.weight"][ids[0]]
    for i in (0, 1):
        x = x + linear(f"maps.{i}", weights[f"tables.{i}.weight"][ids[i + 1]])
    for i, block in enumerate(model.blocks):
        if f"blocks.{i}.qkv.weight" in weights:
            mapped = linear(f"blocks.{i}.qkv", norm(f"blocks.{i}.norm1", x))
            q, k, v = np.split(mapped, 3, 1)
            heads = [
                means(q[:, part] @ k[:, part].T / len(part) ** 0.5, v[:, part])
                for part in np.split(np.arange(q.shape[1]), block.n_heads)
            ]
            x = x + linear(f"blocks.{i}.out", np.concatenate(heads, 1))
        hidden = linear(f"blocks.{i}.mlp.0", norm(f"blocks.{i}.norm2", x))
        x = x + linear(f"blocks.{i}.mlp.2", np.maximum(hidden, 0))
    pooled = [x[there].mean(0)]
    if "queries.weight" in weights:
        pooled += list(means(linear("queries", x).T, x))
    return linear("head", np.concatenate(pooled)).item()


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize(("n_blocks", "n_heads"), [(1, 1), (2, 3)])
def test_the_network_is_its_formulas(attention, n_blocks, n_heads):
    sizes = {"n_blocks": n_blocks, "n_heads": n_heads, "n_queries": 3, "hidden": 7}
    model = network(attention, **sizes)
    ids = torch.stack([torch.randint(n, (4, 5)) for n in (9, 6, 5)])
    there = torch.tensor([[1] * 5, [1, 1, 0, 1, 0], [0, 1, 1, 0, 0], [1] + [0] * 4]) > 0
    said = model(ids, there)
    assert said.shape == (4,)
    expected = [said_in_loops(model, ids[:, i], there[i].numpy()) for i in range(4)]
    assert_close(said.double(), torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)


def test_unless_told_one_block_has_one_head_and_attention_and_four_queries():
    model = NgramNetwork(torch.randn(9, 6), 5, 4)
    (block,) = model.blocks
    assert (block.attention, block.n_heads, block.dropout.p) == (True, 1, 0.3)
    assert (block.mlp[0].out_features, model.dropout.p) == (128, 0.3)
    assert model.queries.out_features == 4
    assert model.head.weight.shape == (1, 5 * 6)


def test_a_table_has_a_row_for_each_ngram_and_one_for_none_and_says_nothing_yet():
    vectors = torch.randn(9, 6)
    model = NgramNetwork(vectors, 5, 4)
    assert [table.weight.shape for table in model.tables] == [(6, TABLE), (5, TABLE)]
    assert not any(table.weight.any() for table in model.tables)
    ids = torch.randint(5, (3, 2, 4))
    assert torch.equal(model.embed(ids), vectors[ids[0]])


def test_words_and_ngrams_learn_and_what_stands_for_none_does_not():
    model = network()
    ids = torch.tensor([[[1, 2, 0]], [[1, 2, 0]], [[1, 2, 0]]])
    model(ids, torch.ones(1, 3, dtype=torch.bool)).sum().backward()
    for table in (model.words, *model.tables):
        moved = table.weight.grad.any(1)
        assert moved.tolist() == [False, True, True] + [False] * (len(moved) - 3)


@pytest.mark.parametrize("n", [2, 4])
def test_words_bigrams_and_trigrams_are_read_and_nothing_else(n):
    with pytest.raises(ValueError, match="argument"):
        network()(torch.ones(n, 1, 3, dtype=torch.long), torch.ones(1, 3) > 0)
