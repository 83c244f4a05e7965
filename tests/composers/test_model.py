"""Graph attention against torch_geometric's and a loop; wrong formulas told apart."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from composers.model import Dropout, Edges, GATLayer, RelationalLayer, attend

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what others import is theirs
    from torch_geometric.nn import GATConv

N = 7


def drawn(seed: int):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, 5, generator=generator)
    edges = torch.randint(0, N, (2, 30), generator=generator)  # loops and pairs twice
    return x.requires_grad_(), edges


def both(concat: bool, seed: int = 0):
    torch.manual_seed(seed)
    theirs = GATConv(5, 4, 3, concat=concat)
    torch.nn.init.normal_(theirs.bias)
    ours = GATLayer(5, 4, 3, concat=concat)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@given(st.integers(0, 2**31), st.booleans())
def test_a_layer_equals_torch_geometric_s_in_value_and_gradient(seed, concat):
    ours, theirs = both(concat, seed)
    x, edges = drawn(seed)
    found, wanted = ours(x, edges), theirs(x, edges)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    weight = torch.randn_like(wanted)
    grads = [
        torch.autograd.grad((out * weight).sum(), [x, *layer.parameters()])
        for out, layer in ((found, ours), (wanted, theirs))
    ]
    names = [n for n, _ in ours.named_parameters()]
    order = [n for n, _ in theirs.named_parameters()]
    by_name = dict(zip(["x", *order], grads[1], strict=True))
    for name, grad in zip(["x", *names], grads[0], strict=True):
        torch.testing.assert_close(grad, by_name[name], rtol=1e-4, atol=1e-5)


@given(st.integers(0, 2**31))
def test_blocks_change_neither_value_nor_gradient(seed):
    torch.manual_seed(seed)
    layer, n_graphs = GATLayer(5, 4, 3), 3
    x, edges = zip(*(drawn(seed + i) for i in range(n_graphs)), strict=True)
    x = torch.cat(x).detach().requires_grad_()
    edges = torch.cat([pairs + N * i for i, pairs in enumerate(edges)], 1)
    found = []
    for block in (None, N):
        layer.block = block
        out = layer(x, edges)
        weight = torch.linspace(-1, 1, out.numel()).view_as(out)
        grads = torch.autograd.grad((out * weight).sum(), [x, *layer.parameters()])
        found.append([out, *grads])
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_dropout_keeps_the_mean_in_training_and_everything_in_evaluation():
    torch.manual_seed(0)
    dropout, x = Dropout(0.3), torch.ones(100_000)
    dropped = dropout(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert dropout.eval()(x) is x


def by_loop(layer: GATLayer, x, edges, *, slope=0.2, loops=True, swapped=False,
            outgoing=False):  # fmt: skip
    """The mean over heads, one node and head after the other."""
    h = layer.lin(x).view(N, layer.heads, layer.out_channels)
    src, dst = layer.att_src[0], layer.att_dst[0]
    if swapped:
        src, dst = dst, src
    pairs = [(j, i) for j, i in edges.T.tolist() if i != j]
    pairs += [(i, i) for i in range(N)] * loops
    out = torch.zeros(N, layer.heads, layer.out_channels)
    for k in range(layer.heads):
        scores = {}
        for at, (j, i) in enumerate(pairs):
            score = src[k] @ h[j, k] + dst[k] @ h[i, k]
            scores[at] = F.leaky_relu(score, slope).exp()
        for at, (j, i) in enumerate(pairs):
            end = 0 if outgoing else 1
            total = sum(scores[b] for b, p in enumerate(pairs) if p[end] == (j, i)[end])
            out[i, k] += scores[at] / total * h[j, k]
    return out.mean(1) + layer.bias


def test_a_layer_equals_a_loop():
    ours, _ = both(concat=False)
    x, edges = drawn(0)
    torch.testing.assert_close(ours(x, edges), by_loop(ours, x, edges))


@pytest.mark.parametrize(
    "wrong",
    [{"slope": 0.01}, {"outgoing": True}, {"swapped": True}, {"loops": False}],
    ids=str,
)
def test_a_wrong_formula_is_told_apart(wrong):
    ours, _ = both(concat=False)
    x, edges = drawn(0)
    assert (ours(x, edges) - by_loop(ours, x, edges, **wrong)).abs().max() > 1e-3


def test_large_scores_stay_finite():
    score = torch.tensor([[1000.0], [999.0], [-1000.0]])
    found = attend(score, torch.eye(3)[:, None], torch.tensor([0, 0, 1]), 3)
    expected = torch.tensor([1.0, -1.0]).sigmoid()
    torch.testing.assert_close(found[0, 0, :2], expected)
    torch.testing.assert_close(found[1, 0], torch.tensor([0.0, 0.0, 1.0]))
    assert not found[2].any()  # nothing reaches it


def relational():
    torch.manual_seed(0)
    layer = RelationalLayer(6, 3, 4, dropout=0.0)
    torch.nn.init.normal_(layer.interval_score)
    x = torch.randn(N, 6)
    generator = torch.Generator().manual_seed(1)
    source, target = torch.randint(0, N, (2, 25), generator=generator)
    relation = torch.randint(0, 3, (25,), generator=generator)
    pitch = torch.randint(20, 110, (N,), generator=generator)
    return layer, x, (source, target, relation, pitch)


def test_a_relational_layer_equals_a_loop():
    layer, x, (source, target, relation, pitch) = relational()
    edges = Edges(source, target, relation, pitch, 3)
    h = layer.lin(x).view(N, 3, 4)
    heads = torch.zeros(N, 3, 4)
    triples = list(
        zip(source.tolist(), target.tolist(), relation.tolist(), strict=True)
    )
    weights = []
    for j, i, r in triples:
        leap = int((pitch[i] - pitch[j]).clamp(-30, 30)) + 30
        score = layer.att_src[r] @ h[j, r] + layer.att_dst[r] @ h[i, r]
        score = F.leaky_relu(score, 0.2) + layer.interval_score[r, leap]
        weights.append((score.exp(), h[j, r] + layer.interval_message[leap]))
    shares = []
    for (weight, message), (_, i, r) in zip(weights, triples, strict=True):
        total = sum(
            w for (w, _), t in zip(weights, triples, strict=True) if t[1:] == (i, r)
        )
        shares.append(weight / total)
        heads[i, r] = heads[i, r] + weight / total * message
    expected = layer.norm(x + F.relu(layer.out(heads.flatten(1))))
    torch.testing.assert_close(layer(x, edges), expected)
    torch.testing.assert_close(layer.weights(x, edges), torch.stack(shares))


def test_a_relation_s_softmax_is_its_own():
    layer, x, (source, target, relation, pitch) = relational()
    weights = layer.weights(x, Edges(source, target, relation, pitch, 3))
    slots = target * 3 + relation
    sums = torch.zeros(3 * N).index_add(0, slots, weights)
    torch.testing.assert_close(sums[slots.unique()], torch.ones(len(slots.unique())))
