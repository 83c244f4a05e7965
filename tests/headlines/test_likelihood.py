"""Leaving the pads out changes no number."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from headlines import likelihood
from headlines.data import Tokenizer
from headlines.model import DecoderTransformer

TEXTS = ["", "a", "cat on a mat", "x" * 20, "y" * 19, "dog", "z z z"]
WIDTH = 20  # the longest line has no pad to end it


@pytest.fixture
def tokens():
    return torch.from_numpy(Tokenizer(WIDTH).encode(TEXTS))


@pytest.fixture(params=[False, True])
def model(request):
    torch.manual_seed(0)
    pre_norm = request.param
    return DecoderTransformer(WIDTH + 1, 29, 8, 2, 2, 0.1, 2, pre_norm=pre_norm)


def by_hand(model, tokens):
    """Each line's NLL over its characters and one pad, computed with all pads."""
    log_probs = model.eval().transformer_forward(tokens)
    losses = []
    for line, log_p in zip(tokens.tolist(), log_probs.tolist(), strict=True):
        loss = 0.0
        for t, token in enumerate(line[1:]):
            loss -= log_p[t][token]
            if token == 0:
                break
        losses.append(loss)
    return losses


def test_skipping_equals_padding(model, tokens, monkeypatch):
    model = copy.deepcopy(model).double()  # else a processor's order of sums shows
    for chunk in (1, 50, 10_000):
        monkeypatch.setattr(likelihood, "CHUNK", chunk)
        found = likelihood.line_losses(model, tokens)
        assert_close(found, torch.tensor(by_hand(model, tokens)).double())


def test_what_counts_is_the_characters_and_one_pad(tokens):
    counted = likelihood.counted(tokens)
    expected = [min(len(text) + 1, WIDTH) for text in TEXTS]
    assert counted.sum(1).tolist() == expected
    assert likelihood.lengths(tokens).tolist() == [len(text) for text in TEXTS]


def test_what_counts_is_said_where_the_lines_are(tokens):
    assert likelihood.counted(tokens.to("meta")).is_meta


def test_a_batch_reaches_to_the_pad_that_ends_its_longest_line(tokens):
    assert likelihood.crop(tokens[[1, 5]]).shape == (2, 1 + 3 + 1)
    assert likelihood.crop(tokens[[3]]).shape == (1, WIDTH + 1)
    assert likelihood.crop(tokens[[0]]).shape == (1, 2)


@pytest.mark.parametrize("chunk", [1, 15, 30, 10_000])
def test_every_line_is_visited_once_and_short_ones_first(tokens, chunk):
    """And as many at a time as fit: three lines of five tokens into 15."""
    batches = list(likelihood.similar_lengths(tokens, chunk))
    assert sorted(torch.cat(batches).tolist()) == list(range(len(TEXTS)))
    following = [len(TEXTS[batch[0]]) for batch in batches[1:]]
    assert all((len(b) + 1) * (n + 2) > chunk
               for b, n in zip(batches, following, strict=False))  # fmt: skip
    longest = [max(len(TEXTS[i]) for i in batch.tolist()) for batch in batches]
    assert longest == sorted(longest)
    assert all(len(b) == 1 or len(b) * (n + 2) <= chunk
               for b, n in zip(batches, longest, strict=True))  # fmt: skip


def test_bits_and_top1_count_characters_alone(model, tokens):
    found = likelihood.evaluate(model, tokens)
    losses = by_hand(model, tokens)
    n_characters = sum(map(len, TEXTS))
    assert found["nll"] == pytest.approx(np.mean(losses), rel=1e-5)
    expected = sum(losses) / math.log(2) / n_characters
    assert found["bits"] == pytest.approx(expected, rel=1e-5)
    likeliest = model.transformer_forward(tokens)[:, :-1].argmax(2)
    right = (likeliest == tokens[:, 1:]) & (tokens[:, 1:] != 0)
    assert found["top1"] == pytest.approx(right.sum().item() / n_characters)


def test_a_model_of_pads_alone_has_no_recall_on_characters(tokens):
    model = DecoderTransformer(WIDTH + 1, 29, 8, 2, 2, 0.0, 1)
    with torch.no_grad():
        model.logits[0].weight.zero_()
        model.logits[0].bias[0] = 9.0
    assert likelihood.evaluate(model, tokens)["top1"] == 0
    padded = likelihood.evaluate_padded(model, tokens)["padded_rec"]
    shares = [(WIDTH - len(text)) / WIDTH for text in TEXTS]
    assert padded == pytest.approx((1 + sum(shares)) / len(TEXTS))  # the 1 is theirs


def test_the_padded_numbers_are_the_notebooks(model, tokens):
    model.eval()
    loss, rec, N = 0.0, 1.0, 0.0
    for batch in tokens.split(3):
        loss += model.forward(batch, reduction="sum").item()
        rec += model.top1_rec(batch).item()
        N += batch.shape[0]
    found = likelihood.evaluate_padded(model, tokens)
    assert found["padded_nll"] == pytest.approx(loss / N, rel=1e-5)
    assert found["padded_rec"] == pytest.approx(rec / N)


def test_the_training_loss_is_the_mean_nll_of_a_line(model, tokens):
    model.eval()
    loss = likelihood.training_loss(model, tokens, tokens)
    expected = sum(by_hand(model, tokens)) / len(tokens)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    hidden = tokens.masked_fill(tokens == 3, 0)
    assert likelihood.training_loss(model, tokens, hidden) != loss
