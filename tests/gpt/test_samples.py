"""Sentences against slow loops, and how they are written down."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt import runs, samples
from gpt.samples import as_markdown, cell, sentences
from tests.helpers import assert_equal
from transformer import GPT

BLOCK = 5


@pytest.fixture
def model(corpus) -> GPT:
    torch.manual_seed(0)
    model = GPT(1, 2, 8, len(corpus.vocabulary), BLOCK)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def ids_of(corpus, *written: str) -> torch.Tensor:
    return torch.tensor([corpus.vocabulary.encode(sentence) for sentence in written])


def test_a_sentence_is_the_prompt_and_as_many_characters_as_wanted(corpus, model):
    prompt = ids_of(corpus, "the ")[0]
    found = sentences(model, prompt, 7, 30, None, seed=[1, 2])
    assert found.shape == (7, 34)
    assert (found[:, :4] == prompt).all()
    assert len({tuple(row) for row in found.tolist()}) == 7


def test_sentences_depend_on_their_own_seed_alone(corpus, model):
    prompt = ids_of(corpus, "the ")[0]
    before = torch.get_rng_state()
    first = sentences(model, prompt, 3, 20, None, seed=[1, 2])
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert torch.equal(sentences(model, prompt, 3, 20, None, seed=[1, 2]), first)
    for other in ([1, 3], [2, 2], [2, 1]):
        assert not torch.equal(sentences(model, prompt, 3, 20, None, other), first)


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_sentences_have_the_k_likeliest_characters_alone(corpus, model, k):
    found = sentences(model, ids_of(corpus, "the ")[0], 5, 12, k, seed=[0])
    seen = set()
    for row in found.tolist():
        for t in range(4, 16):
            with torch.no_grad():
                logits = model(torch.tensor([row[max(0, t - BLOCK) : t]]))[0, -1]
            rank = int((logits > logits[row[t]]).sum())
            assert rank < k
            seen.add(rank)
    assert seen == set(range(k))


def table(line: str) -> list[str]:
    """Split a row of a Markdown table at the bars that are not escaped."""
    return [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1))
def test_any_sentence_is_one_cell_of_code(sentence):
    shown = cell(sentence)
    assert "\n" not in shown
    assert shown.count("`") == 2
    assert (shown[0], shown[-1]) == ("`", "`")
    assert table(f"| {shown} | x |")[1:] == ["x"]
    kept = re.sub(r"[\n|`\\']", "", sentence)
    assert re.sub(r"[⏎|`\\']", "", shown) == kept.replace("⏎", "")


def test_samples_are_a_table_an_epoch_and_a_column_a_kind():
    epochs = [
        {"plain": ["a\nb", "c|d"], "top-k": ["e`f", "g"]},
        {"plain": ["h", "i"], "top-k": ["j", "k"]},
    ]
    assert as_markdown(epochs, "'the '").splitlines() == [
        "# 'the '",
        "",
        "## Epoch 1",
        "",
        "| plain | top-k |",
        "|---|---|",
        "| `a⏎b` | `e'f` |",
        r"| `c\|d` | `g` |",
        "",
        "## Epoch 2",
        "",
        "| plain | top-k |",
        "|---|---|",
        "| `h` | `j` |",
        "| `i` | `k` |",
    ]


def decoded(run, ids: torch.Tensor) -> list[str]:
    return [run.corpus.vocabulary.decode(row) for row in ids.tolist()]


def test_both_kinds_are_drawn_each_with_a_stream_of_its_own(begun):
    drawn = samples.draw(begun, samples.AFTER_EPOCH, 3)
    assert list(drawn) == ["plain sampling", "top-k, k = 5"]
    plain, top_k = drawn.values()
    assert plain.shape == top_k.shape == (3, len("the ") + 30)
    assert not torch.equal(plain, top_k)
    again = samples.draw(begun, samples.AFTER_EPOCH, 3)
    assert_equal(drawn, again)


def test_each_seed_epoch_and_use_has_sentences_of_its_own(begun):
    streams = samples.AFTER_EPOCH, samples.AT_THE_END, samples.WHOLE
    # with as many characters as there are, top-k is plain sampling
    config = replace(begun.config, top_k=len(begun.corpus.vocabulary), sample_length=12)
    found = set()
    for seed in (0, 1):
        for begun.epoch in (1, 2):
            for stream in streams:
                begun.config = replace(config, seed=seed)
                for ids in samples.draw(begun, stream, 2).values():
                    found.update(decoded(begun, ids))
    assert len(found) == 2 * 2 * 3 * 2 * 2


def test_the_second_kind_is_cut_to_the_k_likeliest_characters(begun):
    begun.config = replace(begun.config, top_k=1)
    plain, greedy = samples.draw(begun, samples.AT_THE_END, 4).values()
    assert len(plain.unique(dim=0)) == 4
    assert len(greedy.unique(dim=0)) == 1
    assert "top-k, k = 1" in samples.kinds(begun.config)


def test_the_sentences_after_an_epoch_are_those_drawn_as_text(begun):
    found = samples.after_epoch(begun)
    drawn = samples.draw(begun, samples.AFTER_EPOCH, begun.config.n_sentences)
    assert found == {kind: decoded(begun, ids) for kind, ids in drawn.items()}


def test_a_run_gone_on_with_draws_what_it_drew_when_the_epoch_had_ended(
    folder, config, corpus
):
    run = runs.resume(config, corpus, torch.device("cpu"), folder)
    assert samples.after_epoch(run) == run.samples[-1]


def test_a_text_of_each_model_shows_what_training_has_changed(begun, monkeypatch):
    monkeypatch.setattr(samples, "WRITTEN", 20)
    config, corpus = begun.config, begun.corpus
    found = samples.before_and_after(begun)
    assert list(found) == ["untrained", "trained"]
    seed = [config.seed, begun.epoch, samples.WHOLE]
    models = runs.untrained(config, corpus).eval(), begun.model
    for text, model in zip(found.values(), models, strict=True):
        assert len(text) == len("the ") + 20
        assert text.startswith("the ")
        ids = sentences(model, begun.prompt, 1, 20, None, seed)
        assert [text] == decoded(begun, ids)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        as_markdown([{"plain": ["a", "b"], "top-k": ["c"]}], "title")
