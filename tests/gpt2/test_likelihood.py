"""Log-likelihood against a loop; areas, thresholds and ROC against scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from gpt2 import likelihood
from tests.gpt2.conftest import TINY
from transformer import GPT


@torch.no_grad()
def in_a_loop(model, text):
    """log p of each token after the first, one context at a time; within block_size."""
    found = []
    for i in range(1, len(text)):
        log_p = model(torch.tensor([text[:i]]))[0, -1].double().log_softmax(0)
        found.append(log_p[text[i]].item())
    return found


def texts(*lengths):
    draw = np.random.default_rng(0)
    return [draw.integers(0, TINY["vocab_size"], n).tolist() for n in lengths]


def test_log_likelihood_is_that_of_a_loop(tiny):
    some = texts(5, 1, 16, 2, 9, 17)
    expected = [sum(in_a_loop(tiny, text)) for text in some]
    found = likelihood.log_likelihood(tiny, some)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_text_longer_than_the_context_loses_no_token(tiny):
    (text,) = texts(43)
    (found,) = likelihood.token_log_probs(tiny, [text], stride=4)
    assert len(found) == 42
    # 16 read, then windows 4 apart: each target has the longest context it can
    expected = in_a_loop(tiny, text[:17])
    scored, begin = 17, 4
    while scored < 43:
        window = text[begin : begin + 17]
        values = in_a_loop(tiny, window)
        expected += values[scored - begin - 1 :]
        scored, begin = min(begin + 17, 43), begin + 4
    np.testing.assert_allclose(found, expected, atol=1e-4)


@given(st.integers(1, 200), st.integers(1, 20), st.data())
def test_windows_score_every_target_once_in_order(n_tokens, block, data):
    stride = data.draw(st.integers(1, block))
    found = likelihood.windows(n_tokens, block, stride)
    scored = [i for _, first, end in found for i in range(first, end)]
    assert scored == list(range(1, n_tokens))
    for begin, first, end in found:
        assert begin < first
        assert end - 1 - begin <= block
        if begin:
            assert first - begin > block - stride


def test_batches_change_nothing(tiny, monkeypatch):
    some = texts(3, 40, 16, 5, 8)
    together = likelihood.log_likelihood(tiny, some)
    monkeypatch.setattr(likelihood, "CHUNK", 1)
    np.testing.assert_allclose(
        together, likelihood.log_likelihood(tiny, some), atol=1e-4
    )


def test_short_texts_among_windows_that_score_few_tokens_change_nothing(
    tiny, monkeypatch
):
    some = texts(43, 8)
    together = likelihood.token_log_probs(tiny, some, stride=4)
    monkeypatch.setattr(likelihood, "CHUNK", 20)
    for one, two in zip(
        together, likelihood.token_log_probs(tiny, some, stride=4), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-4)


def test_a_batch_has_as_many_rows_as_fit_and_one_at_least(tiny, monkeypatch):
    features, rows = tiny.features, []
    monkeypatch.setattr(
        tiny,
        "features",
        lambda ids, cache: rows.append(len(ids)) or features(ids, cache),
    )
    for chunk, wanted in ((1, [1] * 5), (24, [3, 2])):
        monkeypatch.setattr(likelihood, "CHUNK", chunk)
        likelihood.log_likelihood(tiny, texts(8, 8, 8, 8, 8))
        assert rows == wanted
        rows.clear()


def test_all_is_computed_where_the_model_lives(tiny, monkeypatch):
    features, gather, devices = tiny.features, torch.Tensor.gather, []

    def read(ids, cache):
        devices.append(ids.device.type)
        return features(ids, cache)

    def pick(logits, dim, index):
        devices.append(index.device.type)
        return gather(logits, dim, index)

    monkeypatch.setattr(tiny.to("meta"), "features", read)
    monkeypatch.setattr(torch.Tensor, "gather", pick)
    with pytest.raises(NotImplementedError, match="no data"):  # on the way back
        likelihood.token_log_probs(tiny, [[1, 2, 3]])
    assert devices == ["meta", "meta"]


def test_windows_are_three_quarters_of_the_context_apart_unless_told(tiny):
    some = texts(43)
    unless_told, told = (
        likelihood.token_log_probs(tiny, some, stride)[0] for stride in (None, 12)
    )
    assert torch.equal(unless_told, told)


def test_a_context_of_one_token_is_enough():
    torch.manual_seed(0)
    model = GPT(1, 1, 4, vocab_size=9, block_size=1)
    text = [1, 5, 0, 8]
    (found,) = likelihood.token_log_probs(model, [text])
    log_p = model(torch.tensor(text[:-1])[:, None])[:, 0].log_softmax(1)
    expected = log_p.gather(1, torch.tensor(text[1:])[:, None])[:, 0]
    torch.testing.assert_close(found.float(), expected)


def test_nothing_is_dropped_while_texts_are_judged(tiny):
    some = texts(9, 4)
    expected = likelihood.log_likelihood(tiny, some)
    dropping = GPT(**TINY, dropout=0.5).train()
    dropping.load_state_dict(tiny.state_dict())
    found = likelihood.log_likelihood(dropping, some)
    assert torch.equal(found, expected)
    assert not found.requires_grad


def test_scores_are_sums_means_over_tokens_and_bits_a_character(tiny):
    def encode(text):
        return [1, *text.encode()]

    some = ["abcd", "x", "ää", ""]
    found = likelihood.scores(tiny, encode, some)
    total = likelihood.log_likelihood(tiny, [encode(text) for text in some]).numpy()
    assert found.keys() == {"sum", "per_token", "bits", "n_tokens"}
    assert found["n_tokens"].tolist() == [4, 1, 4, 0]
    np.testing.assert_array_equal(found["sum"], total)
    np.testing.assert_allclose(found["per_token"], total / [4, 1, 4, 1])
    np.testing.assert_allclose(found["bits"], -total / [4, 1, 2, 1] / np.log(2))


def test_a_text_of_no_token_is_refused(tiny):
    with pytest.raises(ValueError, match="text 1 has no token"):
        likelihood.log_likelihood(tiny, [[3], []])


numbers = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12).map(np.array)


@given(numbers, numbers)
def test_area_and_roc_are_scikit_learn_s(negative, positive):
    labels = np.repeat([0, 1], [len(negative), len(positive)])
    both = np.concatenate([negative, positive])
    area = likelihood.area(negative, positive)
    assert area == pytest.approx(metrics.roc_auc_score(labels, both))
    expected = metrics.roc_curve(labels, both, drop_intermediate=False)
    false, true = likelihood.roc(negative, positive)
    np.testing.assert_allclose((false, true), expected[:2])


@given(numbers, numbers)
def test_no_threshold_makes_fewer_mistakes(negative, positive):
    def wrong(t):
        return (negative >= t).sum() + (positive < t).sum()

    values = np.unique(np.concatenate([negative, positive]))
    middles = (values[:-1] + values[1:]) / 2 if len(values) > 1 else values
    t = likelihood.threshold(negative, positive)
    assert t in middles
    assert wrong(t) == min(wrong(m) for m in middles)


@pytest.mark.parametrize(
    ("negative", "positive", "wanted"),
    [([0, 4], [3, 10], 7.0), ([0, 8], [7, 10], 3.5), ([2], [2], 2.0)],
)
def test_of_equally_good_thresholds_the_one_with_most_room_is_taken(
    negative, positive, wanted
):
    assert likelihood.threshold(np.array(negative), np.array(positive)) == wanted


def test_the_threshold_is_chosen_on_one_half_and_tested_on_the_other():
    # the halves that are tested are on the wrong side of what the others teach
    negative, positive = np.array([0.0, 9, 0, 9]), np.array([5.0, 5, 5, 5])
    found = likelihood.classify(negative, positive)
    assert found["threshold"] == 2.5
    assert found["table"] == [[0, 2], [0, 2]]
    assert found["accuracy"] == 0.5
    assert found["area"] == 0.0


def test_a_score_at_the_threshold_is_called_positive():
    negative, positive = np.array([0.0, 1, 0, 3, 0, 1]), np.array([4.0, 2, 4, 1, 4, 5])
    found = likelihood.classify(negative, positive)
    assert found["threshold"] == 2.0  # between 0, 0, 0 and 4, 4, 4
    assert found["table"] == [[2, 1], [1, 2]]  # of 1, 3, 1 and 2, 1, 5
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["area"] == pytest.approx(6 / 9)  # two ties are half each
