"""Graph attention against torch_geometric's and a loop; wrong formulas told apart."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from composers.model import (
    Committee,
    ComposerNetwork,
    Dropout,
    Edges,
    GATLayer,
    PlainLayer,
    RelationalLayer,
    attend,
)

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


def test_a_layer_works_where_its_input_lies_whatever_the_default_device():
    ours, _ = both(concat=True)
    x, edges = drawn(0)
    wanted = ours(x, edges)
    with torch.device("meta"):
        assert torch.equal(ours(x, edges), wanted)


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


@pytest.mark.parametrize("make", [
    lambda dropout: RelationalLayer(6, 3, 4, dropout),
    lambda dropout: PlainLayer(6, 2, dropout, N),
])  # fmt: skip
def test_dropout_touches_what_a_layer_adds_alone(make):
    _, x, (source, target, relation, pitch) = relational()
    layer = make(1.0)
    plain = isinstance(layer, PlainLayer)
    edges = Edges(source, target, relation, pitch, 3)
    edges = torch.stack([source, target]) if plain else edges
    torch.testing.assert_close(layer(x, edges), layer.norm(x))
    assert not torch.allclose(layer.eval()(x, edges), layer.norm(x))


def test_a_plain_layer_adds_attention_to_what_it_was_given():
    _, x, (source, target, *_) = relational()
    layer, edges = PlainLayer(6, 2, 0.0, N), torch.stack([source, target])
    torch.nn.init.normal_(layer.gat.bias)
    wanted = F.layer_norm(x + F.relu(layer.gat(x, edges)), (6,))
    torch.testing.assert_close(layer(x, edges), wanted)


def test_a_layer_begins_as_the_papers_do_with_small_intervals():
    torch.manual_seed(0)
    assert GATLayer(5, 4).heads == 1
    layer = RelationalLayer(6, 3, 200, dropout=0.0)
    assert layer.lin.bias is None
    assert layer.interval_message.shape == (30 + 1 + 30, 200)
    assert layer.interval_message.std().item() == pytest.approx(0.1, rel=0.05)


SCRAPS, NODES, RELATIONS = 3, 4, 2


def scraps():
    """Three scraps of four notes each, as one graph with edges within each scrap."""
    generator = torch.Generator().manual_seed(2)
    n = SCRAPS * NODES
    pitch = torch.randint(20, 110, (n,), generator=generator)
    numbers = torch.randn(n, 2, generator=generator)
    inside = torch.randint(0, NODES, (2, SCRAPS, 6), generator=generator)
    ends = inside + NODES * torch.arange(SCRAPS)[:, None]
    relation = torch.randint(0, RELATIONS, (SCRAPS * 6,), generator=generator)
    return pitch, numbers, *ends.flatten(1), relation


def network(relational=True, seed=0, **sizes) -> ComposerNetwork:
    torch.manual_seed(seed)
    return ComposerNetwork(
        5, 2, RELATIONS, NODES, relational=relational, **sizes
    ).eval()


def test_a_note_is_its_pitch_class_its_octave_and_its_numbers():
    pitch, numbers = torch.tensor([0, 61, 131, 140]), torch.tensor([[7.0, 8.0]] * 4)
    found = network().features(pitch, numbers)
    assert found.shape == (4, 12 + 11 + 2)
    assert found[:, :12].argmax(1).tolist() == [0, 1, 11, 8]
    assert found[:, 12:23].argmax(1).tolist() == [0, 5, 10, 10]  # there is no higher
    assert (found[:, :12].sum(1) == 1).all()
    assert (found[:, 12:23].sum(1) == 1).all()
    assert torch.equal(found[:, 23:], numbers)


def test_a_note_s_vector_is_as_long_whatever_its_scrap_holds():
    pitch, numbers = torch.tensor([0, -5]), torch.zeros(2, 2)
    found = network().features(pitch, numbers)
    assert found.shape == (2, 12 + 11 + 2)
    assert found[:, 12].tolist() == [1, 1]  # there is no lower octave


@pytest.mark.parametrize("relational", [True, False])
def test_a_network_embeds_and_judges_by_rectified_layers(relational):
    model, (pitch, numbers, *_) = network(relational), scraps()
    inputs = model.features(pitch, numbers)
    linear, *_, norm = model.embed
    wanted = F.layer_norm(F.relu(linear(inputs)), (64,), norm.weight, norm.bias)
    torch.testing.assert_close(model.embed(inputs), wanted)
    pooled = torch.randn(SCRAPS, 128, generator=torch.Generator().manual_seed(0))
    wanted = model.head[-1](F.relu(model.head[0](pooled)))
    torch.testing.assert_close(model.head(pooled), wanted)
    dropping = network(relational, dropout=1.0).train()
    nothing = dropping.head[-1].bias.expand(SCRAPS, -1)
    torch.testing.assert_close(dropping.head(pooled), nothing)
    x, edges = torch.randn(len(pitch), 64), torch.zeros(2, 0, dtype=torch.long)
    if not relational:
        layer = dropping.layers[0]
        torch.testing.assert_close(layer(x, edges), layer.norm(x))


@pytest.mark.parametrize("relational", [True, False])
def test_a_network_pools_each_scrap_s_nodes_by_mean_and_by_attention(relational):
    model, graph = network(relational), scraps()
    pitch, numbers, source, target, relation = graph
    x = model.embed(model.features(pitch, numbers))
    edges = torch.stack([source, target])
    if relational:
        edges = Edges(source, target, relation, pitch, RELATIONS)
    for layer in model.layers:
        x = layer(x, edges)
    logits = []
    for nodes in x.split(NODES):
        weight = model.query(nodes)[:, 0].exp()
        seen = sum(w * node for w, node in zip(weight, nodes, strict=True))
        pooled = torch.cat([nodes.mean(0), seen / weight.sum()])
        logits.append(model.head(pooled))
    torch.testing.assert_close(model(*graph), torch.stack(logits))


@pytest.mark.parametrize("relational", [True, False])
def test_scraps_of_a_batch_do_not_see_each_other(relational):
    model, (pitch, numbers, *rest) = network(relational), scraps()
    before = model(pitch, numbers, *rest)
    louder = numbers.clone()
    louder[:NODES] += 1
    after = model(pitch, louder, *rest)
    assert torch.equal(before[1:], after[1:])
    assert not torch.isclose(before[0], after[0]).any()


def test_relations_are_told_apart_by_the_relational_network_alone():
    *graph, relation = scraps()
    for kind in (True, False):
        model = network(kind)
        same = torch.equal(model(*graph, relation), model(*graph, 1 - relation))
        assert same == (not kind)


def test_the_attention_shown_is_that_of_the_first_layer():
    model, graph = network(), scraps()
    pitch, numbers, source, target, relation = graph
    x = model.embed(model.features(pitch, numbers))
    edges = Edges(source, target, relation, pitch, RELATIONS)
    assert torch.equal(model.attention(*graph), model.layers[0].weights(x, edges))


def test_a_network_s_sizes_unless_told():
    model, plain = network(), network(False)
    assert model.relational
    assert ComposerNetwork(5, 2, RELATIONS, NODES).relational
    assert model.query.in_features == plain.query.in_features == 64
    assert len(model.layers) == len(plain.layers) == 2
    assert [layer.channels for layer in model.layers] == [8] * 2
    assert [layer.gat.heads for layer in plain.layers] == [4] * 2
    assert {layer.gat.block for layer in plain.layers} == {NODES}
    dropped = {m.share for m in model.modules() if isinstance(m, Dropout)}
    assert dropped == {0.3}


def test_a_committee_says_its_members_mean_probability():
    members, graph = [network(seed=s) for s in (1, 2, 3)], scraps()
    found = Committee(members)(*graph).exp()
    mean = sum(member(*graph).softmax(1) for member in members) / 3
    torch.testing.assert_close(found, mean)
    torch.testing.assert_close(found.sum(1), torch.ones(SCRAPS))
