"""The stand-in: its loss and gradient, its start from bigrams, and going on."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from gpt2 import stand_in
from gpt2.corpus import Corpus
from gpt2.recipe import Recipe
from machinery import checkpoint
from machinery.checkpoint import CheckpointError
from machinery.errors import Interrupted
from machinery.run_folder import RunFolder

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


def test_the_start_knows_the_bigrams(corpus):
    torch.manual_seed(0)
    model = stand_in.build(dataclasses.asdict(SMALL), {})
    plain = loss(model, corpus.stream)
    stand_in.begin_with_bigrams(model, corpus.stream, SMALL.rank)
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


def test_windows_are_of_the_stream(corpus):
    generator = torch.Generator().manual_seed(0)
    batches = list(stand_in.draw(corpus.stream, SMALL, generator))
    assert len(batches) == SMALL.steps
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
    with pytest.raises(CheckpointError, match="was trained on other texts"):
        stand_in.resume(stand_in.start(other, SMALL, 5), path)
    with pytest.raises(CheckpointError, match="seed 5, now 6"):
        stand_in.resume(stand_in.start(corpus, SMALL, 6), path)


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
        CheckpointError, match="has 258 tokens, its weights are for 267"
    ):
        stand_in.restore(content, "m.pt")
