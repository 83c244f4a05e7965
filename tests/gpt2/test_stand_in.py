"""The stand-in: its loss and gradient, its start from bigrams, and going on."""

import dataclasses
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from gpt2 import stand_in
from gpt2.corpus import Corpus
from gpt2.recipe import Recipe
from machinery import checkpoint
from machinery.checkpoint import CheckpointError
from machinery.errors import BadInput, Interrupted
from machinery.run_folder import RunFolder
from machinery.training import seed_epoch
from tests.helpers import assert_equal
from transformer import GPT, next_token_loss

SMALL = Recipe(
    vocab_size=267, n_layer=1, n_head=2, n_embd=16, block_size=16,
    batch_size=4, parts=3, steps=4, rank=13,
)  # fmt: skip


@pytest.fixture
def corpus(pairs):
    ids = pairs.encode("the man in the moon is there. then the movie ended. " * 20)
    return Corpus(pairs, torch.tensor([pairs.end, *ids], dtype=torch.int32), "digest")


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_the_loss_in_chunks_is_cross_entropy_and_so_is_its_gradient(monkeypatch, chunk):
    monkeypatch.setattr(stand_in, "CHUNK", chunk)
    torch.manual_seed(0)
    h, w = torch.randn(7, 5, requires_grad=True), torch.randn(9, 5, requires_grad=True)
    y = torch.randint(9, (7,))
    ours = stand_in.ChunkedLoss.apply(h, w, y)
    theirs = F.cross_entropy(h @ w.t(), y)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(3 * ours, (h, w)),
        torch.autograd.grad(3 * theirs, (h, w)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("chunk", [2, 1000])
def test_the_loss_of_halves_is_summed_in_float32(monkeypatch, chunk):
    """Products round to 8 bits; what comes out is the whole's to a rounding."""
    monkeypatch.setattr(stand_in, "CHUNK", chunk)
    torch.manual_seed(0)
    h, w = (torch.randn(n, 5).bfloat16().requires_grad_() for n in (200, 9))
    y = torch.randint(9, (200,))
    ours = stand_in.ChunkedLoss.apply(h, w, y)
    exact = [x.detach().double().requires_grad_() for x in (h, w)]
    theirs = F.cross_entropy(exact[0] @ exact[1].t(), y)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=2e-3)
    for a, b in zip(
        torch.autograd.grad(ours, (h, w)), torch.autograd.grad(theirs, exact),
        strict=True,
    ):  # fmt: skip
        assert a.dtype == torch.bfloat16
        assert (a.double() - b).norm() < 0.01 * b.norm()


@pytest.mark.parametrize("half", [False, True])
def test_the_loss_is_the_next_token_s_in_halves_where_that_is_faster(
    monkeypatch, corpus, half
):
    asked, applied = [], []

    def multiplies_in_bfloat16(device):
        asked.append(device.type)
        return half

    def apply(*arguments):
        applied.append([x.dtype for x in arguments])
        return chunked(*arguments)

    chunked = stand_in.ChunkedLoss.apply
    monkeypatch.setattr(stand_in, "multiplies_in_bfloat16", multiplies_in_bfloat16)
    monkeypatch.setattr(stand_in.ChunkedLoss, "apply", apply)
    torch.manual_seed(0)
    model = stand_in.build(dataclasses.asdict(SMALL), {})
    batch = next(stand_in.draw(corpus.stream, SMALL, torch.Generator().manual_seed(0)))
    found = stand_in.half_precision_loss(model, batch)
    tolerance = {"rtol": 0, "atol": 1e-2 if half else 1e-6}
    torch.testing.assert_close(found, next_token_loss(model, batch), **tolerance)
    dtype = torch.bfloat16 if half else torch.float32
    assert applied == [[dtype, dtype, torch.int64]]
    assert asked == ["cpu"]


def planted_stream(V, n):
    """A stream of V tokens, each drawn given the one before."""
    generator = torch.Generator().manual_seed(0)
    chances = torch.rand(V, V, generator=generator) ** 4
    found = [0]
    while len(found) < n:
        found.append(int(torch.multinomial(chances[found[-1]], 1, generator=generator)))
    found[-1] = V - 1  # as often first of a pair as second, but for the ends
    return torch.tensor(found, dtype=torch.int32)


def test_with_enough_dimensions_the_start_is_that_of_counted_bigrams():
    """But for the tenth of the tokens whose embeddings are longest."""
    V = 20
    stream = planted_stream(V, 4000)
    model = GPT(1, 1, V + 7, V, 8)
    torch.manual_seed(0)
    stand_in.begin_with_bigrams(model, stream, 99)
    counts = torch.zeros(V, V, dtype=torch.float64)
    for pair in pairwise(stream.tolist()):
        counts[pair] += 1
    alone = (counts.sum(0) + 0.1) / (counts.sum() + 0.1 * V)
    # each token's counts, and 60 more that are shared out as tokens are by themselves
    given = (counts + 60 * alone) / (counts.sum(1, keepdim=True) + 60)
    logits = model.lm_head(model.ln_f(model.wte.weight)).double()
    error = (logits - given.log()).abs().amax(1)
    assert (error < 1e-4).sum() == 0.85 * V
    assert error.max() < 0.2


def test_no_more_dimensions_are_taken_than_asked_for():
    V, rank = 20, 4
    model = GPT(1, 1, V + 3, V, 8)
    torch.manual_seed(0)
    stand_in.begin_with_bigrams(model, planted_stream(V, 4000), rank)
    for weight in (model.wte.weight, model.lm_head.weight):
        assert torch.linalg.matrix_rank(weight[:, :V]) == rank
        assert not weight[:, rank:V].any()
    # one more is as long as those together, in the mean
    length = model.wte.weight[:, :rank].norm(dim=1).mean()
    torch.testing.assert_close(model.wte.weight[:, -3], length.expand(V))
    # and two keep the norm and say nothing
    assert not model.lm_head.weight[:, -2:].any()


def test_the_start_knows_the_bigrams(corpus):
    torch.manual_seed(0)
    model = stand_in.build(dataclasses.asdict(SMALL), {})
    plain = loss(model, corpus.stream)
    stand_in.begin_with_bigrams(model, corpus.stream, 99)  # more than there is room for
    assert loss(model, corpus.stream) < plain - 2
    # the layer norm finds what it would make
    weight = model.wte.weight.detach()
    usual = (weight.norm(dim=1) - 4).abs() < 1e-3
    assert usual.float().mean() > 0.98
    torch.testing.assert_close(weight.mean(1), torch.zeros(267), atol=1e-5, rtol=0)


@torch.no_grad()
def loss(model, stream):
    x = stream[:160].view(10, 16).long()
    return F.cross_entropy(model(x)[:, :-1].flatten(0, 1), x[:, 1:].flatten()).item()


def test_every_window_of_the_stream_can_be_drawn():
    stream, recipe = torch.arange(19), dataclasses.replace(SMALL, steps=20)
    batches = stand_in.draw(stream, recipe, torch.Generator().manual_seed(0))
    begins = {int(begin) for x, _ in batches for begin in x[:, 0]}
    assert begins == {0, 1, 2}  # of 16 tokens and one more


def test_windows_are_of_the_stream(corpus):
    generator = torch.Generator().manual_seed(0)
    batches = list(stand_in.draw(corpus.stream, SMALL, generator))
    assert len(batches) == SMALL.steps
    again = stand_in.draw(corpus.stream, SMALL, torch.Generator().manual_seed(0))
    assert_equal([x for x, _ in batches], [x for x, _ in again])
    text = corpus.stream.unfold(0, 16, 1)
    for x, y in batches:
        assert x.shape == y.shape == (4, 16)
        assert torch.equal(x[:, 1:], y[:, :-1])
        assert all((text == row).all(1).any() for row in x)


class Stopped(RunFolder):
    """A folder after whose second file a signal arrives."""

    n_written = 0

    def write(self, name, data):
        super().write(name, data)
        self.n_written += 1
        if self.n_written == 2:
            raise Interrupted(2)


def train(corpus, path, folder=RunFolder):
    training = stand_in.start(corpus, SMALL, seed=5)
    stand_in.resume(training, path / "stand_in_checkpoint.pt")
    with folder(path) as opened:
        return training, stand_in.train(training, opened)


def test_a_training_that_was_interrupted_ends_with_the_same_bytes(corpus, tmp_path):
    _, whole = train(corpus, tmp_path / "a")
    with pytest.raises(Interrupted):
        train(corpus, tmp_path / "stop", Stopped)
    path = tmp_path / "stop/stand_in_checkpoint.pt"
    assert checkpoint.read(path)["part"] == 2
    resumed, again = train(corpus, tmp_path / "stop")
    assert resumed.part == 3
    assert again == whole


def test_another_corpus_or_recipe_is_refused(corpus, tmp_path):
    train(corpus, tmp_path)
    path = tmp_path / "stand_in_checkpoint.pt"
    other = dataclasses.replace(corpus, digest="other")
    with pytest.raises(
        CheckpointError, match="checkpoint.pt was trained on other texts"
    ):
        stand_in.resume(stand_in.start(other, SMALL, 5), path)
    with pytest.raises(
        CheckpointError, match="checkpoint.pt was made .*: seed 5, now 6"
    ):
        stand_in.resume(stand_in.start(corpus, SMALL, 6), path)


def test_a_training_is_that_of_its_recipe(corpus):
    """Muon for the blocks' matrices, Adam for the rest, half the steps to warm up."""
    recipe = dataclasses.replace(
        SMALL, muon_lr=0.3, muon_weight_decay=0.2, adamw_lr=0.1, warm_up=0.5
    )
    training = stand_in.start(corpus, recipe, 5)
    muon, adamw = (part.param_groups[0] for part in training.optimizer.parts)
    assert {p.ndim for p in muon["params"]} == {2}
    matrices = [p for p in training.model.h.parameters() if p.ndim == 2]
    assert set(map(id, muon["params"])) == set(map(id, matrices))
    assert muon["weight_decay"] == 0.2
    rates = []
    for p in training.model.parameters():
        p.grad = torch.zeros_like(p)
    for _ in range(12):
        rates.append((muon["lr"], adamw["lr"]))
        training.optimizer.step()
        training.scheduler.step()
    # the two lines meet after four of twelve steps
    for highest in (max(rates), rates[3]):
        assert highest == pytest.approx((0.3 * 4 / 6, 0.1 * 4 / 6))
    assert rates[0] == pytest.approx((0.3 / 6, 0.1 / 6))
    assert (training.part, training.losses, training.seed) == (0, [], 5)


def test_a_training_begins_alike_for_a_seed(corpus):
    one, again, other = (
        stand_in.start(corpus, SMALL, seed).model.state_dict() for seed in (5, 5, 6)
    )
    assert_equal(one, again)
    name = "h.0.mlp.c_fc.weight"
    assert not torch.equal(one[name], other[name])
    # it knows the bigrams already
    assert one["wte.weight"].std(1).min() > 0.9


def test_a_part_s_loss_is_the_mean_of_its_steps_and_each_is_on_the_bar(
    corpus, tmp_path, monkeypatch
):
    found, read, steps, totals, labels = [], [], [], [], set()

    class Watched(stand_in.Progress):
        def __init__(self, total):
            totals.append(total)
            super().__init__(total)

        def label(self, text):
            labels.add(text)

        def advance(self, cost):
            steps.append(cost)

    def loss(model, batch):
        assert model.training
        read.append(batch[0])
        found.append(half_precision_loss(model, batch))
        return found[-1]

    half_precision_loss = stand_in.half_precision_loss
    monkeypatch.setattr(stand_in, "half_precision_loss", loss)
    monkeypatch.setattr(stand_in, "Progress", Watched)
    training, _ = train(corpus, tmp_path)
    assert len(found) == sum(steps) == sum(totals) == 12
    assert labels == {"stand-in"}
    means = torch.stack(found).detach().view(3, 4).mean(1)
    torch.testing.assert_close(torch.tensor(training.losses), means)
    # each part's batches are those of its seed
    expected = [
        x
        for part in (1, 2, 3)
        for x, _ in stand_in.draw(corpus.stream, SMALL, seed_epoch(5, part))
    ]
    assert torch.equal(torch.stack(read), torch.stack(expected))
    # the rates have come down to zero
    assert [part.param_groups[0]["lr"] for part in training.optimizer.parts] == [0, 0]
    # one that is finished has nothing left to do
    train(corpus, tmp_path)
    assert totals == [12, 0]


def test_a_finished_model_says_what_it_was_made_of(corpus, tmp_path):
    training, data = train(corpus, tmp_path)
    (tmp_path / "m.pt").write_bytes(data)
    content = checkpoint.read(tmp_path / "m.pt")
    assert content["kind"] == "gpt2_stand_in"
    assert content["config"] == dataclasses.asdict(SMALL) | {"seed": 5}
    assert content["preprocessing"] == corpus.preprocessing
    assert content["losses"] == training.losses
    resumable = checkpoint.read(tmp_path / "stand_in_checkpoint.pt")
    assert resumable["data_hash"] == "digest"
    assert resumable["losses"] == training.losses
    assert "optimizer" not in content


def test_a_file_that_is_no_stand_in_is_refused_by_its_name(corpus, tmp_path):
    _, data = train(corpus, tmp_path)
    (tmp_path / "m.pt").write_bytes(data)
    content = checkpoint.read(tmp_path / "m.pt")
    for part, message in (
        (
            {"kind": "gpt"},
            r"^m.pt holds a gpt, not a stand-in of sample_gpt2.py \(gpt2",
        ),
        ({"config": content["config"] | {"n_layer": 9}}, "^m.pt has 1 layers .* for 9"),
        ({"config": {"n_layer": 1}}, "^m.pt holds no such model"),
        ({"preprocessing": {}}, "^m.pt has no merges to read text with"),
        ({"preprocessing": {"merges": 3}}, "^m.pt has no merges to read text with"),
        ({"preprocessing": {"merges": "t h x"}}, "^m.pt: merge 1 is no pair: 't h x'"),
    ):
        with pytest.raises(BadInput, match=message):
            stand_in.restore(content | part, "m.pt")
    model, _ = stand_in.restore(content, "m.pt")
    assert not model.training


def test_what_cannot_be_gone_on_from_is_refused_by_its_name(corpus, tmp_path):
    _, data = train(corpus, tmp_path)
    path = tmp_path / "stand_in_checkpoint.pt"
    content = checkpoint.read(path)
    fresh = stand_in.start(corpus, SMALL, 5)
    stand_in.resume(fresh, tmp_path / "none.pt")  # begins anew
    assert fresh.part == 0
    for changes, message in (
        ({"kind": "gpt"}, r"checkpoint.pt holds a gpt, not a stand-in of sample_gpt2"),
        ({"preprocessing": {}}, "checkpoint.pt has no merges to read text with"),
        ({"part": "three"}, "checkpoint.pt is no checkpoint: its parts have wrong"),
    ):
        torch.save(content | changes, path)
        with pytest.raises(CheckpointError, match=message):
            stand_in.resume(fresh, path)
    path.write_bytes(data)  # finished, so without its optimizer
    message = (
        "stand_in_checkpoint.pt is no checkpoint to resume: "
        "it lacks data_hash, optimizer, part, scheduler"
    )
    with pytest.raises(CheckpointError, match=message):
        stand_in.resume(fresh, path)


def test_the_loss_falls_and_the_file_gives_the_model_back(corpus, tmp_path):
    recipe = dataclasses.replace(SMALL, steps=30)
    training = stand_in.start(corpus, recipe, 0)
    with RunFolder(tmp_path) as folder:
        data = stand_in.train(training, folder)
    assert training.losses[-1] < training.losses[0] - 0.3
    (tmp_path / "stand_in.pt").write_bytes(data)
    content = checkpoint.read(tmp_path / "stand_in.pt")
    model, pairs = stand_in.restore(content, "stand_in.pt")
    assert pairs.ranks == corpus.pairs.ranks
    x = corpus.stream[None, :16].long()
    with torch.no_grad():
        assert torch.equal(model(x), training.model.eval()(x))


def test_a_vocabulary_that_does_not_fit_the_weights_is_refused(corpus, tmp_path):
    _, data = train(corpus, tmp_path)
    (tmp_path / "m.pt").write_bytes(data)
    content = checkpoint.read(tmp_path / "m.pt")
    content["preprocessing"]["merges"] = "t h"
    with pytest.raises(
        CheckpointError, match="^m.pt: .* has 258 tokens, its weights are for 267"
    ):
        stand_in.restore(content, "m.pt")
