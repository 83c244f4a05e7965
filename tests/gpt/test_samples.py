"""Sentences against slow loops, and how they are written down."""

import re

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


def test_both_kinds_are_drawn_each_with_a_stream_of_its_own(folder, config, corpus):
    run = runs.resume(config, corpus, torch.device("cpu"), folder)
    drawn = samples.draw(run, samples.AFTER_EPOCH, 3)
    assert list(drawn) == ["plain sampling", "top-k, k = 5"]
    plain, top_k = drawn.values()
    assert plain.shape == top_k.shape == (3, len("the ") + 30)
    assert not torch.equal(plain, top_k)
    again = samples.draw(run, samples.AFTER_EPOCH, 3)
    assert_equal(drawn, again)
    other = samples.draw(run, samples.AT_THE_END, 3)
    assert not torch.equal(other["plain sampling"], plain)


def test_the_sentences_after_an_epoch_are_those_drawn_as_text(folder, config, corpus):
    run = runs.resume(config, corpus, torch.device("cpu"), folder)
    found = samples.after_epoch(run)
    assert found == run.samples[-1]  # as they were when the epoch had ended
    drawn = samples.draw(run, samples.AFTER_EPOCH, 3)
    for kind, texts in found.items():
        assert [corpus.vocabulary.encode(t) for t in texts] == drawn[kind].tolist()
