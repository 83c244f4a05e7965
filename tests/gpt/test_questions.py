"""The exercise's answers: baselines, measures of sentences, what top-k keeps."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dataset import Vocabulary
from gpt import questions, runs, samples
from gpt.questions import evaluate_samples, mean_log_likelihood, words
from machinery.ngram import ngram_losses
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
    read = []
    model.register_forward_pre_hook(lambda _, inputs: read.append(len(inputs[0])))
    assert mean_log_likelihood(model, ids, 2) == pytest.approx(whole, rel=1e-5)
    assert max(read) == 3


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


def test_one_real_word_is_all_of_one_word(corpus, model):
    found = evaluate_samples(model, corpus, ids_of(corpus, "the the "), 4)
    assert (found["n_words"], found["real_words"]) == (1, 1)


@pytest.mark.parametrize(
    ("written", "n_words"),
    [("so TOB", 1), ("so Tob", 1), ("so t'O", 1), ("so to", 1), ("so TO.", 2)],
)
def test_a_word_cut_off_does_not_count_in_capitals_either(written, n_words):
    vocabulary = Vocabulary(" '.BOTbost")
    corpus = SimpleNamespace(
        vocabulary=vocabulary, handler=SimpleNamespace(text={"train": "So to"})
    )
    model = GPT(1, 1, 2, len(vocabulary), BLOCK)
    ids = torch.tensor([vocabulary.encode(f" {written}")])
    found = evaluate_samples(model, corpus, ids, 1)
    assert (found["n_words"], found["real_words"]) == (n_words, 1)


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


@pytest.mark.parametrize(
    ("n_train", "n_test", "block_size", "context"),
    [
        (3000, 800, 25, 10), (3000, 800, 4, 4), (110, 800, 25, 10), (109, 800, 25, 9),
        (3000, 8, 7, 7), (3000, 5, 4, 4), (29, 30, 4, 1), (20, 30, 4, 1), (20, 2, 1, 1),
    ],
)  # fmt: skip
def test_the_counted_context_fits_into_window_and_texts(
    n_train, n_test, block_size, context
):
    """A tenth of the training text for its choice, and a character after it."""
    corpus = counted(n_train, n_test)
    found = questions.count_baselines(corpus, block_size)
    ids = [data.ids.numpy() for data in (corpus.train, corpus.test)]
    losses = ngram_losses(*ids, 7, context)
    short, longer = list(losses.by_context), block_size - context
    windows = math.fsum(short + longer * short[-1:]) / block_size
    assert found == {
        "unigram": losses.unigram,
        "bigram": losses.bigram,
        f"best n-gram in windows of {block_size}": pytest.approx(windows, rel=1e-12),
        f"best n-gram with {context} characters before each": short[-1],
    }


def test_texts_too_short_to_count_have_no_baselines():
    assert questions.count_baselines(counted(19, 30), 4) == {}
    assert questions.count_baselines(counted(20, 30), 4) != {}
    assert questions.count_baselines(counted(20, 1), 4) == {}


def counted(n_train: int, n_test: int) -> SimpleNamespace:
    """Two texts of so many characters, out of seven."""
    ids = torch.randint(7, (n_train + n_test,), generator=seeded(n_train))
    train, test = (SimpleNamespace(ids=part) for part in ids.split((n_train, n_test)))
    return SimpleNamespace(train=train, test=test, vocabulary=range(7))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ROW = {
    "train_loss": 2.25, "test_loss": 3 * math.log(2), "train_accuracy": 0.5,
    "test_accuracy": 0.375, "test_accuracy_all": 0.3125,
}  # fmt: skip


def test_losses_are_told_in_nats_and_bits(begun):
    begun.rows = [{"test_loss": 9.0}, {"test_loss": 8.0}, ROW]
    baselines = {"unigram": 4 * math.log(2), "bigram": 1.0}
    assert questions.describe_losses(begun, baselines).splitlines() == [
        "test loss in nats (bits) per character:",
        "  2.0794 (3.0000)  this model",
        "  2.7726 (4.0000)  unigram",
        "  1.0000 (1.4427)  bigram",
    ]


def test_an_epoch_is_told_with_its_latest_sentences(begun):
    begun.rows = [{}, {}, ROW]
    said = (
        "epoch  2: loss train 2.2500 test 2.0794; accuracy of the last character "
        "train 0.5000 test 0.3750, of all test 0.3125"
    )
    assert questions.describe_epoch(begun) == said
    begun.samples = [{}, {"plain": ["old"]}, {"plain": ["a\nb", "c"], "top": ["d"]}]
    assert questions.describe_epoch(begun).splitlines() == [
        said, "  plain: 'a\\nb'", "  plain: 'c'", "  top: 'd'",
    ]  # fmt: skip


def test_the_summary_has_the_run_s_numbers_and_what_else_was_found(begun, monkeypatch):
    monkeypatch.setattr(samples, "WRITTEN", 5)
    begun.rows, begun.samples = [ROW], [{"plain": ["a"]}]
    found = questions.summarize(begun, baselines={"unigram": 3.0}, kept=0.5)
    # embeddings of V characters and 10 positions, the block of 8 channels, the last
    # norm, and the head
    V, C = len(begun.corpus.vocabulary), 8
    block = (
        2 * 2 * C + (C + 1) * 3 * C + (C + 1) * C + (C + 1) * 4 * C + (4 * C + 1) * C
    )
    assert found == {
        "units": "loss in nats per character, over all positions of a window",
        "n_parameters": V * C + 10 * C + block + 2 * C + C * V,
        "epochs": [ROW],
        "baselines": {"unigram": 3.0},
        "kept": 0.5,
        "samples": [{"plain": ["a"]}],
        "written": samples.before_and_after(begun),
    }


@pytest.mark.parametrize(("block_size", "seen"), [(10, 10), (20, 20), (21, 20)])
def test_a_head_looks_back_along_a_test_sentence(config, corpus, block_size, seen):
    config = replace(config, block_size=block_size, dropout=0.5)
    run = runs.start(config, corpus, torch.device("cpu"))
    run.model.train()  # no weight is dropped even so
    weights, characters = questions.look_back(run)
    assert weights.shape == (1, 2, seen, seen)
    assert characters == corpus.handler.text["test"][:seen]
    assert not np.triu(weights, 1).any()
    np.testing.assert_allclose(weights.sum(3), 1, rtol=1e-5)
    expected = questions.attention_weights(run.model, corpus.test.ids[:seen])
    np.testing.assert_array_equal(weights, expected.detach())


def test_top_k_keeps_the_likeliest_characters_after_the_prompt(begun, corpus):
    begun.config = replace(begun.config, prompt="the then the cat sat on ")
    begun.model.dropout = 0.5  # in training alone
    begun.model.train()
    full, kept = questions.after_prompt(begun)
    ids = torch.tensor([corpus.vocabulary.encode("cat sat on ")])[:, -10:]
    with torch.no_grad():
        expected = begun.model(ids)[0, -1].double().softmax(0).numpy()
    np.testing.assert_allclose(full, expected, rtol=1e-6)
    likeliest = np.argsort(-expected)[:5]
    assert set(np.flatnonzero(kept)) == set(likeliest)
    np.testing.assert_allclose(
        kept[likeliest], full[likeliest] / full[likeliest].sum(), rtol=1e-6
    )


def test_every_kind_of_sampling_is_measured_after_the_prompt(begun):
    begun.config = replace(begun.config, n_evaluated=7, prompt="the sat ")
    found = questions.evaluate_sampling(begun)
    drawn = samples.draw(begun, samples.AT_THE_END, 7)
    assert list(found) == ["plain sampling", "top-k, k = 5"] == list(drawn)
    for kind, ids in drawn.items():
        assert ids.shape == (7, 8 + 30)
        assert found[kind] == evaluate_samples(begun.model, begun.corpus, ids, 8)
        assert found[kind]["n_sentences"] == 7


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
    told = "log-likelihood -2.000 nats per character"
    assert said.splitlines() == [
        "over 9 sentences of each kind:",
        "  plain          : 60.0% of 50 words occur in the training text, "
        f"40 distinct, {told}",
        f"  top            : {real:.1%} of 50 words occur in the training text, "
        f"{distinct} distinct, {told}",
        f"  top-k writes {more} real words and {fewer} different ones",
    ]
    verdict = questions.compare(sampling)
    assert verdict == {
        "more_real_words": more == "more",
        "fewer_distinct_words": fewer == "fewer",
    }
