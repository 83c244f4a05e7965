"""The model that is asked: given weights, or a stand-in that is trained once."""

import io
import json
import math
import sys

import numpy as np
import pytest
import torch

from gpt2 import corpus, source, stand_in
from gpt2.config import Config
from machinery import checkpoint
from machinery.run_folder import RunFolder
from tests.gpt2.conftest import MERGES


@pytest.fixture
def small(small_gpt2):
    with small_gpt2():
        yield


@pytest.fixture(scope="module")
def trained(small_gpt2, tmp_path_factory):
    """The folder of a stand-in that was just trained."""
    folder = tmp_path_factory.mktemp("outputs") / "gpt2"
    with small_gpt2(), RunFolder(folder) as opened:
        source.train(Config(output_dir=str(folder), seed=3), opened)
    return folder


def ask(folder, **options):
    with RunFolder(folder) as opened:
        return source.from_stand_in(Config(output_dir=str(folder), **options), opened)


def test_the_reviews_that_were_held_out_are_those_the_training_leaves(small):
    train, held_out = corpus.reviews(40)
    assert source.held_out() == held_out
    assert len(held_out) == 40
    assert not set(train) & set(held_out)


def test_given_weights_are_counted(weights_folder, tiny):
    model, pairs, about = source.from_weights(weights_folder)
    n = sum(p.numel() for p in tiny.parameters())
    assert torch.equal(model.wte.weight, tiny.wte.weight)
    assert pairs.n_vocab == 267
    assert about == {
        "name": "the given weights", "stand_in": False, "n_parameters": n,
        "lines": [f"given weights: {n:,}, for 267 tokens"],
    }  # fmt: skip


def test_the_bits_of_a_text_are_those_of_all_its_tokens(tiny, pairs):
    texts = ["the man", "in"]
    ids = [[pairs.end, *pairs.encode(text), pairs.end] for text in texts]
    bits = 0.0
    for text in ids:
        log_p = tiny(torch.tensor([text[:-1]]))[0].double().log_softmax(1)
        bits -= sum(log_p[i, token].item() for i, token in enumerate(text[1:]))
    bits /= math.log(2)
    found = source.bits_per_character(tiny, ids, texts)
    assert found == pytest.approx(bits / (7 + 2), rel=1e-6)


def test_a_stand_in_is_measured_on_the_reviews_it_has_not_seen(small, trained):
    model, pairs, about = ask(trained)
    unseen = source.held_out()
    ids = [[pairs.end, *pairs.encode(text), pairs.end] for text in unseen]
    bits = source.bits_per_character(model, ids, unseen)
    assert about["bits"] == pytest.approx(bits, rel=1e-5)
    notes = json.loads((trained / "stand_in.json").read_text())
    assert {name: about[name] for name in notes} == notes
    assert notes.keys() == {"bits", "seconds", "ngram_bits"}
    assert about["name"] == "the stand-in"
    assert about["stand_in"] is True
    n = sum(p.numel() for p in model.parameters())
    assert about["n_parameters"] == n
    assert about["lines"] == [
        f"stand-in for GPT-2: {n:,} weights, 267 tokens",
        f"held-out reviews: {bits:.3f} bits per character after "
        f"{notes['seconds']:.0f} s; a counted n-gram of the same tokens "
        f"{notes['ngram_bits']:.3f}",
    ]


def test_a_stand_in_is_trained_once(small, trained, monkeypatch):
    monkeypatch.setattr(source, "train", lambda *_: pytest.fail("trained again"))
    ask(trained)


def test_a_stand_in_without_notes_is_asked_all_the_same(small, trained, tmp_path):
    (tmp_path / "stand_in.pt").write_bytes((trained / "stand_in.pt").read_bytes())
    for text in (None, "", "{", "[]", "3", '{"bits": 2}', '{"bits": null}'):
        if text is not None:
            (tmp_path / "stand_in.json").write_text(text)
        *_, about = ask(tmp_path)
        assert len(about["lines"]) == 1
        assert "bits" not in about


def test_a_file_that_is_no_stand_in_is_refused_by_its_name(small, trained, tmp_path):
    content = checkpoint.read(trained / "stand_in.pt")
    torch.save(content | {"kind": "gpt"}, tmp_path / "stand_in.pt")
    with pytest.raises(checkpoint.CheckpointError, match=r"stand_in.pt holds a gpt"):
        ask(tmp_path)


def test_a_stand_in_begins_with_gpt2_s_first_merges_and_the_run_s_seed(small, trained):
    content = checkpoint.read(trained / "stand_in.pt")
    assert content["preprocessing"]["merges"] == "\n".join(MERGES)
    assert content["config"]["seed"] == 3
    assert content["config"]["vocab_size"] == 267


@pytest.fixture
def untrained(small, monkeypatch):
    """source.train that only starts; what it asked of the n-gram, and resumed."""
    seen = {"resumed": []}

    def ngram_losses(*arguments):
        seen["counted"] = arguments
        return type("Losses", (), {"best": 0.5})

    def train(training, folder):
        seen["training"] = training
        return training.dump()

    def resume(training, path):
        seen["resumed"].append((training.part, path))

    monkeypatch.setattr(source, "ngram_losses", ngram_losses)
    monkeypatch.setattr(stand_in, "train", train)
    monkeypatch.setattr(stand_in, "resume", resume)
    return seen


def test_the_n_gram_counts_the_same_tokens_and_is_asked_for_as_many(
    untrained, tmp_path
):
    *_, about = ask(tmp_path / "gpt2")
    data, unseen = untrained["training"].corpus, source.held_out()
    train, test, n_vocab, max_context = untrained["counted"]
    assert np.array_equal(train, data.stream.numpy())
    # an end before each text; the last one's own is left out
    ids = [token for text in unseen for token in [266, *data.pairs.encode(text)]]
    assert test.tolist() == ids
    assert (n_vocab, max_context) == (267, 4)
    n_characters = sum(len(text) for text in unseen)
    bits = 0.5 * len(ids) / math.log(2) / n_characters
    assert about["ngram_bits"] == pytest.approx(bits)


def test_a_training_goes_on_where_this_is_asked_alone(untrained, tmp_path):
    folder = tmp_path / "gpt2"
    ask(folder)
    assert untrained["resumed"] == []
    (folder / "stand_in.pt").unlink()
    ask(folder, resume=True)
    assert untrained["resumed"] == [(0, folder / "stand_in_checkpoint.pt")]


def test_tokens_are_kept_beside_the_outputs_and_the_reader_is_told(
    untrained, tmp_path, capsys
):
    *_, about = ask(tmp_path / "gpt2")
    n_tokens = len(untrained["training"].corpus.stream)
    train, _ = corpus.reviews(40)
    out = capsys.readouterr().out
    assert f"{len(train)} reviews, {n_tokens:,} tokens\n" in out
    assert f"held-out reviews: {about['bits']:.3f} bits per character\n" in out
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.suffix == ".npz"


def test_the_reader_is_told_before_each_part_of_the_work(
    untrained, tmp_path, monkeypatch
):
    """Whatever reads the output, which is no terminal."""
    raw, told = io.BytesIO(), []

    def told_first(work):
        def watched(*arguments):
            told.append(raw.getvalue().decode())
            return work(*arguments)

        return watched

    monkeypatch.setattr(stand_in, "train", told_first(stand_in.train))
    monkeypatch.setattr(source, "ngram_losses", told_first(source.ngram_losses))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw, "utf-8", newline="\n"))
        ask(tmp_path / "gpt2")
    before, after = told
    assert before.endswith(" tokens\n")
    assert after.endswith(" bits per character\n")
