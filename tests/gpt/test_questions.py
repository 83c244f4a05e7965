"""The exercise's answers: baselines, measures of sentences, what top-k keeps."""

import math

import numpy as np
import pytest
import torch

from gpt import questions, runs
from gpt.questions import evaluate_samples, mean_log_likelihood, words
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


@pytest.fixture
def run(folder, config, corpus) -> runs.Run:
    return runs.resume(config, corpus, torch.device("cpu"), folder)


def log_p(model, ids: list[int], t: int) -> float:
    """Return log p of ids[t] given the last characters before it, one at a time."""
    context = torch.tensor([ids[max(0, t - BLOCK) : t]])
    with torch.no_grad():
        logits = model(context)[0, -1].double().tolist()
    return logits[ids[t]] - math.log(math.fsum(map(math.exp, logits)))


@pytest.mark.parametrize("start", [1, 4, 9])
@pytest.mark.parametrize("n", [1, 4])
def test_the_log_likelihood_is_the_mean_over_the_characters_from_start(
    corpus, model, start, n
):
    ids = torch.randint(
        len(corpus.vocabulary), (n, 12), generator=torch.Generator().manual_seed(n)
    )
    terms = [log_p(model, s, t) for s in ids.tolist() for t in range(start, 12)]
    found = mean_log_likelihood(model, ids, start)
    assert found == pytest.approx(math.fsum(terms) / len(terms), rel=1e-5)


def test_many_sentences_are_measured_in_chunks_like_few(corpus, model, monkeypatch):
    ids = torch.randint(len(corpus.vocabulary), (10, 8))
    whole = mean_log_likelihood(model, ids, 2)
    monkeypatch.setattr("gpt.questions.EVALUATION_BATCH", 3)
    assert mean_log_likelihood(model, ids, 2) == pytest.approx(whole, rel=1e-5)


def test_measuring_drops_nothing_out(corpus, model):
    noisy = GPT(1, 2, 8, len(corpus.vocabulary), BLOCK, dropout=0.5)
    noisy.load_state_dict(model.state_dict())
    ids = ids_of(corpus, "the cat sat")
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


def test_evaluated_words_are_the_whole_ones_after_the_prompt(corpus, model):
    ids = ids_of(
        corpus,
        "the cat's sat tan. ti",  # tan is no word of the text, ti is cut off
        "the sat, sat\nhen ath.",  # ath is none, and whole
        "the cat's tan on the ",
    )
    found = evaluate_samples(model, corpus, ids, 4)
    assert found["n_sentences"] == 3
    assert found["n_words"] == 11
    assert found["real_words"] == pytest.approx(8 / 11)
    assert found["distinct_words"] == 7
    expected = mean_log_likelihood(model, ids, 4)
    assert found["log_likelihood"] == expected


def test_words_are_known_in_capitals_as_well():
    assert words("THE The the") == ["the"] * 3


def test_sentences_without_a_whole_word_have_no_real_ones(corpus, model):
    found = evaluate_samples(model, corpus, ids_of(corpus, "the then", "the , . "), 4)
    assert found["n_words"] == found["real_words"] == found["distinct_words"] == 0


def test_an_n_gram_has_no_more_context_than_the_windows_or_its_count(corpus):
    few, some, many = (questions.count_baselines(corpus, n) for n in (3, 10, 25))
    assert list(few)[3] == "best n-gram with 3 characters before each"
    assert list(many)[2:] == [
        "best n-gram in windows of 25",
        "best n-gram with 10 characters before each",
    ]
    # of 25 positions 10 have what 10 have in windows of 10, 15 have all 10 characters
    best = list(some.values())[3]
    windowed = (10 * some["best n-gram in windows of 10"] + 15 * best) / 25
    assert many["best n-gram in windows of 25"] == pytest.approx(windowed, rel=1e-12)


def test_a_head_looks_back_along_a_test_sentence(run, corpus):
    weights, characters = questions.look_back(run)
    assert weights.shape == (1, 2, 10, 10)
    assert characters == corpus.handler.text["test"][:10]
    assert not np.triu(weights, 1).any()
    np.testing.assert_allclose(weights.sum(3), 1, rtol=1e-5)


def test_top_k_keeps_the_likeliest_characters_after_the_prompt(run, corpus):
    full, kept = questions.after_prompt(run)
    ids = torch.tensor([corpus.vocabulary.encode("the ")])
    with torch.no_grad():
        expected = run.model(ids)[0, -1].double().softmax(0).numpy()
    np.testing.assert_allclose(full, expected, rtol=1e-6)
    likeliest = np.argsort(-expected)[:5]
    assert set(np.flatnonzero(kept)) == set(likeliest)
    np.testing.assert_allclose(
        kept[likeliest], full[likeliest] / full[likeliest].sum(), rtol=1e-6
    )


def test_every_kind_of_sampling_is_measured_after_the_prompt(run):
    found = questions.evaluate_sampling(run)
    assert list(found) == ["plain sampling", "top-k, k = 5"]
    for measured in found.values():
        assert measured["n_sentences"] == 20
        assert 0 < measured["n_words"] <= 20 * 30
        assert measured["log_likelihood"] < 0


@pytest.mark.parametrize(
    ("real", "distinct", "more", "fewer"),
    [
        (0.7, 30, "more", "fewer"), (0.5, 30, "no more", "fewer"),
        (0.6, 40, "no more", "no fewer"), (0.7, 50, "more", "no fewer"),
    ],
)  # fmt: skip
def test_the_verdict_on_top_k_is_that_of_the_numbers(real, distinct, more, fewer):
    plain = {
        "n_sentences": 9, "n_words": 50, "real_words": 0.6, "distinct_words": 40,
        "log_likelihood": -2.0,
    }  # fmt: skip
    top_k = plain | {"real_words": real, "distinct_words": distinct}
    sampling = {"plain": plain, "top": top_k}
    said = questions.describe_sampling(sampling)
    assert f"top-k writes {more} real words and {fewer} different ones" in said
    assert "over 9 sentences of each kind" in said
    verdict = questions.compare(sampling)
    assert verdict == {
        "more_real_words": more == "more",
        "fewer_distinct_words": fewer == "fewer",
    }
