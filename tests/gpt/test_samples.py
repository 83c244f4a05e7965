"""Sentences and their measures against slow loops and sentences made by hand."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt import runs as gpt_runs
from gpt.samples import as_markdown, cell, judge, mean_log_likelihood, sentences, words
from tests.helpers import write_texts
from transformer import GPT

BLOCK = 5


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    train, test = write_texts(tmp_path_factory.mktemp("text"))
    return gpt_runs.load_text(gpt_runs.Config(train_text=train, test_text=test))


@pytest.fixture
def model(text) -> GPT:
    torch.manual_seed(0)
    model = GPT(1, 2, 8, len(text.vocabulary), BLOCK)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def ids_of(text, *written: str) -> torch.Tensor:
    return torch.tensor([text.vocabulary.encode(sentence) for sentence in written])


def log_p(model, ids: list[int], t: int) -> float:
    """Return log p of ids[t] given the last characters before it, one at a time."""
    context = torch.tensor([ids[max(0, t - BLOCK) : t]])
    with torch.no_grad():
        logits = model(context)[0, -1].double().tolist()
    return logits[ids[t]] - math.log(math.fsum(map(math.exp, logits)))


def test_a_sentence_is_the_prompt_and_as_many_characters_as_wanted(text, model):
    prompt = ids_of(text, "the ")[0]
    found = sentences(model, prompt, 7, 30, None, seed=[1, 2])
    assert found.shape == (7, 34)
    assert (found[:, :4] == prompt).all()
    assert len({tuple(row) for row in found.tolist()}) == 7


def test_sentences_depend_on_their_own_seed_alone(text, model):
    prompt = ids_of(text, "the ")[0]
    before = torch.get_rng_state()
    first = sentences(model, prompt, 3, 20, None, seed=[1, 2])
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert torch.equal(sentences(model, prompt, 3, 20, None, seed=[1, 2]), first)
    for other in ([1, 3], [2, 2], [2, 1]):
        assert not torch.equal(sentences(model, prompt, 3, 20, None, other), first)


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_sentences_have_the_k_likeliest_characters_alone(text, model, k):
    found = sentences(model, ids_of(text, "the ")[0], 5, 12, k, seed=[0])
    seen = set()
    for row in found.tolist():
        for t in range(4, 16):
            with torch.no_grad():
                logits = model(torch.tensor([row[max(0, t - BLOCK) : t]]))[0, -1]
            rank = int((logits > logits[row[t]]).sum())
            assert rank < k
            seen.add(rank)
    assert seen == set(range(k))


@pytest.mark.parametrize("start", [1, 4, 9])
@pytest.mark.parametrize("n", [1, 4])
def test_the_log_likelihood_is_the_mean_over_the_characters_from_start(
    text, model, start, n
):
    ids = torch.randint(
        len(text.vocabulary), (n, 12), generator=torch.Generator().manual_seed(n)
    )
    terms = [log_p(model, s, t) for s in ids.tolist() for t in range(start, 12)]
    found = mean_log_likelihood(model, ids, start)
    assert found == pytest.approx(math.fsum(terms) / len(terms), rel=1e-5)


def test_many_sentences_are_measured_in_chunks_like_few(text, model, monkeypatch):
    ids = torch.randint(len(text.vocabulary), (10, 8))
    whole = mean_log_likelihood(model, ids, 2)
    monkeypatch.setattr("gpt.samples.EVALUATION_BATCH", 3)
    assert mean_log_likelihood(model, ids, 2) == pytest.approx(whole, rel=1e-5)


def test_measuring_drops_nothing_out(text, model):
    noisy = GPT(1, 2, 8, len(text.vocabulary), BLOCK, dropout=0.5)
    noisy.load_state_dict(model.state_dict())
    ids = ids_of(text, "the cat sat")
    expected = mean_log_likelihood(model, ids, 4)
    assert mean_log_likelihood(noisy.train(), ids, 4) == expected


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("The cat's MAT", ["the", "cat's", "mat"]),
        ("'tis on, it.\nthen|a`hen", ["tis", "on", "it", "then", "a", "hen"]),
        ("'' '", []),
        ("a3b", ["a", "b"]),
        ("cats' mat", ["cats", "mat"]),
    ],
)
def test_words_are_letters_with_apostrophes_inside(written, found):
    assert words(written) == found


def test_judged_words_are_the_whole_ones_after_the_prompt(text, model):
    ids = ids_of(
        text,
        "the cat's sat tan. ti",  # tan is no word of the text, ti is cut off
        "the sat, sat\nhen ath.",  # ath is none, and whole
        "the cat's tan on the ",
    )
    found = judge(model, text, ids, 4)
    assert found["n_sentences"] == 3
    assert found["n_words"] == 11
    assert found["real_words"] == pytest.approx(8 / 11)
    assert found["distinct_words"] == 7
    expected = mean_log_likelihood(model, ids, 4)
    assert found["log_likelihood"] == expected


def test_words_are_known_in_capitals_as_well():
    assert words("THE The the") == ["the"] * 3


def test_sentences_without_a_whole_word_have_no_real_ones(text, model):
    found = judge(model, text, ids_of(text, "the then", "the , . "), 4)
    assert found["n_words"] == found["real_words"] == found["distinct_words"] == 0


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
