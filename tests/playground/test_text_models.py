"""The page's transformers against PyTorch's, on the same rounded weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from gpt import runs as gpt_runs
from headlines import runs as headline_runs
from headlines.data import Tokenizer
from machinery import checkpoint
from playground import gpt, headlines, sentiment
from playground.pack import rounded_model
from sentiment import runs as sentiment_runs
from sentiment.tokens import tokenize
from tests.playground.conftest import headlines_file


def assert_close(found, expected):
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64), expected, rtol=1e-9, atol=1e-9
    )


@pytest.fixture(scope="module")
def small_gpt(js, trained):
    """A GPT in the engine, as an expression, and as PyTorch has it."""
    pack = gpt.collect(trained / "gpt", 10**7)
    model, vocabulary = gpt_runs.load(trained / "gpt" / "model.pt")
    model = rounded_model(model, model.state_dict())
    last = pack.meta["epochs"][-1]
    return f"gptModel({js.load(pack)}, {last})", model, vocabulary


@pytest.mark.parametrize("length", [1, 2, 9, 10, 25])
def test_the_gpt_s_logits_and_attention(js, small_gpt, length):
    expression, model, vocabulary = small_gpt
    ids = vocabulary.encode("the cat's mat and then a hen sat"[:length])
    found = js(f"gptForward({expression}, ids)", ids=ids)
    read = ids[-model.block_size :]
    with torch.no_grad():
        assert_close(found["logits"], model(torch.tensor([read]))[0, -1])
    maps = gpt.attention(model, read)
    for layer, heads in enumerate(maps):
        for head, expected in enumerate(heads):
            rows = found["attention"][layer][head]
            full = [seen + [0.0] * (len(read) - len(seen)) for seen in rows]
            assert_close(full, expected)


def test_every_epoch_of_the_training_is_there(js, trained):
    pack = gpt.collect(trained / "gpt", 10**7)
    assert pack.meta["epochs"] == [0, 1, 2]
    loaded = js.load(pack)
    logits = [js(f"gptForward(gptModel({loaded}, {e}), [1, 2]).logits") for e in (0, 2)]
    assert max(abs(a - b) for a, b in zip(*logits, strict=True)) > 0.1


def test_an_unknown_character_is_shown_and_not_read(js, small_gpt):
    expression, _, vocabulary = small_gpt
    found = js(f"gptTokens({expression}.characters, text)", text="hß😀t")
    assert [f["character"] for f in found] == ["h", "ß", "😀", "t"]
    assert [f["token"] for f in found] == [
        *vocabulary.encode("h"),
        -1,
        -1,
        *vocabulary.encode("t"),
    ]
    read = js(f"gptContext({expression}, text)", text="hß😀t")
    assert read == vocabulary.encode("ht")
    assert js(f"gptContext({expression}, '')") == vocabulary.encode_prompt("")


@pytest.mark.parametrize(
    ("epochs", "n", "kept"),
    [
        (range(11), 11, [*range(11)]),
        (range(11), 8, [0, 1, 2, 3, 4, 6, 8, 10]),
        (range(11), 2, [0, 10]),
        (range(11), 1, [10]),
        ([5], 3, [5]),
    ],
)
def test_the_epochs_that_fit_are_spread_from_the_first_to_the_last(epochs, n, kept):
    assert gpt.thin_out(list(epochs), n) == kept


def test_as_many_epochs_as_there_is_room_for(trained):
    size = len(gpt.collect(trained / "gpt", 1).as_json())
    assert gpt.collect(trained / "gpt", 1).meta["epochs"] == [2]
    assert gpt.collect(trained / "gpt", 10 * size).meta["epochs"] == [0, 1, 2]


@pytest.fixture(scope="module", params=["fast", "exercise"])
def small_headlines_model(js, request, tmp_path_factory):
    """The model in the engine and in PyTorch; its norms are before or after."""
    path = tmp_path_factory.mktemp("headlines") / "model.pt"
    path.write_bytes(headlines_file(request.param))
    model = headline_runs.restore(checkpoint.read(path), path)
    model = rounded_model(model, model.state_dict())
    assert model.pre_norm == (request.param == "fast")
    return f"headlinesModel({js.load(headlines.collect(path))})", model


@pytest.mark.parametrize("text", ["", "a", "the quick fox jumps over the lazy dog" * 3])
def test_the_headlines_log_probabilities(js, small_headlines_model, text):
    expression, model = small_headlines_model
    tokens = Tokenizer().encode([text])[0, : len(text) + 1].tolist()
    found = js(f"headlinesForward({expression}, tokens).map(logSoftmax)", tokens=tokens)
    with torch.no_grad():
        assert_close(found, model.transformer_forward(torch.tensor([tokens]))[0])


def test_the_headlines_letters(js, small_headlines_model):
    expression, _ = small_headlines_model
    found = js(f"headlinesTokens({expression}, text)", text="Caffé Nº 1")
    assert found["unknown"] == ["º", "1"]
    assert found["tokens"] == Tokenizer().encode(["caffé n "])[0, :9].tolist()


def test_10_000_first_letters_follow_the_distribution(js, small_headlines_model):
    expression, model = small_headlines_model
    drawn = js(
        f"(() => {{ const model = {expression}; const random = makeRandom(3);"
        " const [logits] = headlinesForward(model, [28]);"
        " return Array.from({ length: 10000 }, () =>"
        " drawToken(cutTokens(logits, 0.8, Infinity, 1), random)); })()"
    )
    with torch.no_grad():
        p = model.transformer_forward(torch.tensor([[28]]), temperature=0.8)[
            0, -1
        ].exp()
    counts, expected = np.bincount(drawn, minlength=29), 10_000 * p.numpy()
    common = expected >= 5
    pairs = [np.r_[c[common], c[~common].sum()] for c in (counts, expected)]
    kept = pairs[1] > 0
    found = chisquare(pairs[0][kept], pairs[1][kept] / pairs[1].sum() * 10_000)
    assert found.pvalue > 0.01


def test_a_written_text_ends_and_is_what_was_scored(js, small_headlines_model):
    expression, model = small_headlines_model
    found = js(
        f"headlinesWrite({expression}, headlinesTokens({expression}, 'a').tokens,"
        " 1, makeRandom(1))"
    )
    start = [28, *Tokenizer().encode(["a"])[0, 1:2].tolist()]
    drawn = found["drawn"]
    assert len(drawn) == model.num_tokens - 2 or drawn[-1] == 0
    assert 0 not in drawn[:-1]
    assert found["text"] == Tokenizer().decode(np.array([[*drawn, 0]]))[0]
    with torch.no_grad():
        expected = model.transformer_forward(torch.tensor([start + drawn[:-1]]))[0, 1:]
    logits = torch.tensor(found["logits"], dtype=torch.float64)
    assert_close(logits.log_softmax(1).tolist(), expected)


def test_entropy_rises_with_the_temperature_to_that_of_an_even_choice(js):
    logits = torch.randn(20, 29, generator=torch.Generator().manual_seed(0)).double()
    found = js("meanEntropy(logits, [1e-6, 0.5, 1, 2, 1e6])", logits=logits)
    p = logits.softmax(1)
    assert found == sorted(found)
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[2] == pytest.approx(-(p * p.log2()).sum(1).mean().item())
    assert found[4] == pytest.approx(np.log2(29), abs=1e-6)


@pytest.fixture(scope="module")
def small_sentiment(js, trained):
    path = trained / "sentiment" / "assignment.pt"
    pack = sentiment.collect(path)
    model, _ = sentiment_runs.load_model(path)
    scale = torch.tensor(pack.arrays["embedding.scale"][1]).double()
    whole = torch.tensor(pack.arrays["embedding.int8"][1]).double()
    state = dict(model.state_dict())
    state.pop(sentiment.TABLE)
    rounded = sentiment.rounded_model(model, whole * scale[:, None], state)
    return f"sentimentModel({js.load(pack)})", rounded, pack.meta["words"]


@pytest.mark.parametrize("n", [1, 5, 15, 16, 40])
def test_the_sentiment_s_logit_and_attention(js, small_sentiment, n):
    expression, model, words = small_sentiment
    review = " ".join([*words[:12], "unheardof", *words[12:40]][:n])
    ids = js(f"sentimentIds({expression}, reviewTokens(review))", review=review)
    assert ids == sentiment.encode(review, words, model.max_len)
    found = js(f"sentimentForward({expression}, ids)", ids=ids)
    row = sentiment.padded(ids, model.max_len)
    with torch.no_grad():
        assert found["logit"] == pytest.approx(model(row[None]).item(), abs=1e-9)
    seen = sentiment.inside.block_attention(model, row)[: len(ids), : len(ids)]
    assert_close(found["attention"], torch.tensor(seen))


REVIEWS = [
    "It's n't don't CAN'T won't've 'tis rock'n'roll -- --- ... .... a_b x<br />y<br>z",
    "“Café” naïve ½ ² Ⅷ ½n't ’s´s`s \x91quoted\x92 5-star (2/10) e\u0301 日本語 😀!",
]


@pytest.mark.parametrize("review", REVIEWS)
def test_the_words_of_a_review(js, review):
    assert js("reviewTokens(text)", text=review) == tokenize(review)


@given(st.text(st.sampled_from("an'tsn’ .-<br/>é½_5\n😀"), max_size=30))
def test_the_words_of_any_review(js, review):
    assert js("reviewTokens(text)", text=review) == tokenize(review)
