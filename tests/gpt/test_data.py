"""The GPT's corpus: fixed windows of each split, and the built-in texts."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dataset import DataHandler, Vocabulary
from gpt.data import load_corpus, shakespeare_files
from machinery import tiny_shakespeare
from machinery.errors import BadInput
from tests.helpers import window_slices


def test_the_fixed_windows_are_distinct_ones_of_their_own_split(config, corpus):
    again = load_corpus(config)
    for split, name in (("train", config.train_text), ("test", config.test_text)):
        windows = corpus.fixed[split]
        assert torch.equal(windows, again.fixed[split])
        assert windows.shape == (64, 11)
        characters = Path(name).read_text("utf-8")
        spelt = [corpus.vocabulary.decode(w) for w in windows.tolist()]
        assert set(spelt) <= window_slices(characters, 11)
    every = load_corpus(replace(config, test_windows=10**9))
    for split, n in (("train", 3000), ("test", 800)):
        starts = every.fixed[split]
        assert len(starts) == n - 10
        spelt = Counter(every.vocabulary.decode(w) for w in starts.tolist())
        whole = every.handler.text[split]
        assert spelt == Counter(whole[i : i + 11] for i in range(n - 10))


def test_each_split_has_the_windows_of_its_own_text(config):
    corpus = load_corpus(replace(config, block_size=7))
    for split, data in (("train", corpus.train), ("test", corpus.test)):
        text = corpus.handler.text[split]
        assert corpus.vocabulary.decode(data.ids.tolist()) == text
        assert len(data) == len(text) - 7
        assert corpus.fixed[split].shape == (64, 8)


def test_a_saved_model_reads_text_as_its_corpus_does(corpus):
    vocabulary = Vocabulary(corpus.preprocessing["vocabulary"])
    text = corpus.handler.text["test"]
    assert vocabulary.encode(text) == corpus.vocabulary.encode(text)


def test_a_folder_s_two_texts_are_read(config, corpus, tmp_path):
    for path, split in zip(shakespeare_files(tmp_path), ("train", "test"), strict=True):
        path.write_text(corpus.handler.text[split], newline="")
    own = replace(config, train_text=None, test_text=None, data_dir=str(tmp_path))
    assert load_corpus(own).handler.text == corpus.handler.text


def test_the_digest_is_sha_256_of_both_texts_with_a_nul_between(corpus):
    both = "{train}\0{test}".format(**corpus.handler.text).encode()
    assert corpus.digest == hashlib.sha256(both).hexdigest()


def test_the_digest_tells_texts_and_their_splits_apart(config, corpus, tmp_path):
    digests = {corpus.digest}
    whole = "".join(corpus.handler.text.values())
    for i, cut in enumerate((2999, 3000, 3001)):
        paths = {}
        for name, text in (("train_text", whole[:cut]), ("test_text", whole[cut:])):
            paths[name] = str(tmp_path / f"{name}{i}")
            Path(paths[name]).write_text(text, newline="")
        digests.add(load_corpus(replace(config, **paths)).digest)
    assert len(digests) == 3  # the cut at 3000 is the corpus itself


def test_fault_13_a_prompt_of_unknown_characters_is_refused_with_the_text(config):
    with pytest.raises(BadInput, match="'ß' is not in the vocabulary"):
        load_corpus(replace(config, prompt="ß"))


def test_a_folder_of_one_s_own_is_used_as_it_is(tmp_path):
    train, test = shakespeare_files(tmp_path)
    assert (train.name, test.name) == ("train_shakespeare.txt", "test_shakespeare.txt")
    assert {train.parent, test.parent} == {tmp_path}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["absent", "changed", "swapped"])
def test_the_built_in_texts_are_written_whenever_they_are_not_right(
    tmp_path, monkeypatch, damage
):
    whole = tiny_shakespeare.tiny_shakespeare()
    calls = []
    monkeypatch.setattr("gpt.data.DATA_DIR", tmp_path)
    monkeypatch.setattr(
        tiny_shakespeare, "tiny_shakespeare", lambda: calls.append(1) or whole
    )
    train, test = paths = shakespeare_files()
    right = [path.read_bytes() for path in paths]
    if damage == "absent":
        test.unlink()
    elif damage == "changed":
        train.write_bytes(right[0].replace(b"Citizen", b"citizen", 1))
    else:
        train.write_bytes(right[1])
        test.write_bytes(right[0])
    assert shakespeare_files() == paths
    assert [path.read_bytes() for path in paths] == right
    assert len(calls) == 2
    shakespeare_files()
    assert len(calls) == 2  # right files are left as they are
    data = DataHandler(*paths)
    assert data.get_vocab_size() == 65
    assert (len(right[0]), len(right[1])) == (1_059_624, 55_770)
    assert "".join([data.text["train"][:1_003_854], data.text["test"]]) in whole
