"""Texts drawn with a cache have the distribution that the model states."""

import math
from collections import Counter

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from headlines import sampling, temperature, texts
from headlines.data import Tokenizer
from headlines.likelihood import evaluate, line_losses
from headlines.model import DecoderTransformer
from machinery import workers


@pytest.fixture(params=[False, True])
def model(request):
    torch.manual_seed(1)
    model = DecoderTransformer(6, 29, 6, 2, 2, 0.5, 2, pre_norm=request.param)
    with torch.no_grad():
        model.logits[0].bias[4:] = -9.0  # a, b, c and the end
        model.logits[0].weight.mul_(3)
    return model.eval()


def test_a_step_with_the_cache_is_a_step_without(model):
    tokens = torch.randint(0, 29, (3, 6))
    cache = texts.empty_cache(model, 3)
    whole = model.transformer_forward(tokens)
    for t in range(6):
        logits = texts.step(model, tokens[:, t], t, cache)
        assert_close(logits.log_softmax(1), whole[:, t])


def test_texts_come_as_often_as_the_model_says(model):
    n = 4000
    found = Counter(texts.draw(model, n, 1.0, seed=0))
    for text, count in found.most_common(8):
        tokens = torch.from_numpy(Tokenizer(5).encode([text]))
        p = line_losses(model, tokens).neg().exp().item()
        assert count / n == pytest.approx(p, abs=4 * (p / n) ** 0.5)


def test_a_text_ends_at_its_first_pad_or_where_there_is_no_room(model):
    drawn = texts.draw(model, 200, 1.0, seed=0)
    assert {0, 1, 5} <= {len(text) for text in drawn} <= {0, 1, 2, 3, 4, 5}


def test_temperature_zero_takes_the_likeliest_and_a_seed_repeats(model):
    greedy = Tokenizer(5).decode(model.sample(1, temperature=0))
    assert texts.draw(model, 3, 0.0, seed=0) == greedy * 3
    assert texts.draw(model, 9, 1.0, seed=4) == texts.draw(model, 9, 1.0, seed=4)
    assert texts.draw(model, 9, 1.0, seed=4) != texts.draw(model, 9, 1.0, seed=5)
    low = texts.draw(model, 50, 1e-4, seed=0)
    assert set(low) == set(greedy)


def test_as_many_texts_are_drawn_as_are_asked_for(model, monkeypatch):
    monkeypatch.setattr(texts, "CHUNK", 4)  # two full chunks and one of a text
    assert [len(texts.draw(model, n, 1.0, seed=0)) for n in (4, 9)] == [4, 9]


def test_texts_that_have_ended_are_left_out_once_they_are_the_most(monkeypatch):
    """Four end after one letter, one after two: three of eight go on alone."""
    model = DecoderTransformer(6, 29, 4, 2, 1, 0.0, 2)
    first = torch.tensor([1, 3, 1, 2, 1, 3, 1, 3])
    rows = []

    def count_down(_model, token, t, cache):
        assert {block.shape[1] for block in cache} == {len(token)}
        rows.append(len(token))
        following = first if t == 0 else (token - 1) % 29  # after a pad anything
        return F.one_hot(following, 29).float()

    monkeypatch.setattr(texts, "step", count_down)
    drawn = texts.draw(model, 8, 0.0, seed=0)
    assert drawn == ["a", "cba", "a", "ba", "a", "cba", "a", "cba"]
    assert rows == [8, 8, 8, 3]


def test_a_cache_has_room_for_each_block_where_the_model_is():
    model = DecoderTransformer(6, 29, 4, 2, 3, 0.0, 2, device="meta")
    cache = texts.empty_cache(model, 5)
    assert [block.shape for block in cache] == [(2, 5, 3, 6, 4)] * 2
    assert all(block.is_meta for block in cache)


def test_a_cache_of_fewer_blocks_is_refused(model):
    cache = texts.empty_cache(model, 1)
    with pytest.raises(ValueError, match="shorter"):
        texts.step(model, torch.tensor([28]), 0, cache[:1])


def test_measures_of_texts_by_hand():
    found = texts.measure(["a cat", "a cat", "", "xq"], {"cat", "a"})
    assert found == {
        "n_texts": 4, "distinct_texts": 3, "mean_length": 3.0, "n_words": 5,
        "distinct_words": 3, "real_words": 0.8,
    }  # fmt: skip
    assert texts.measure([""], {"a"})["real_words"] == 0
    assert texts.measure(["cat", ""], {"cat"})["real_words"] == 1
    assert texts.vocabulary(["a cat", "the cat"]) == {"a", "cat", "the"}
    page = texts.as_markdown([("Epoch 1", ["a b"])], "Title")
    assert page == "# Title\n\n## Epoch 1\n\n- `a b`\n"


def test_first_characters_are_told_from_a_wrong_sampler(model):
    drawn = texts.draw(model, 2000, 1.0, seed=3)
    data = ["a"] * 9 + [""]
    first = sampling.first_characters(model, drawn, data)
    assert all(p.sum() == pytest.approx(1, abs=1e-5) for p in first.values())
    assert first["data"][[0, 1]].tolist() == [0.1, 0.9]
    right = sampling.compare(first, 2000)
    assert right["drawn_to_model"] < right["most"]
    hot = texts.draw(model, 2000, 2.0, seed=3)
    wrong = sampling.compare(sampling.first_characters(model, hot, data), 2000)
    assert wrong["drawn_to_model"] > wrong["most"]


def test_entropy_and_nll_against_temperature(model):
    model.double()
    lines = ["abc", "", "aaaaa", "cb"]
    tokens = torch.from_numpy(Tokenizer(5).encode(lines))
    steps = (0.2, 0.5, 1.0, 2.0, 1e9)
    found = temperature.distributions(model, tokens, steps)
    assert found["temperature"] == list(steps)
    assert found["entropy"] == sorted(found["entropy"])
    assert found["entropy"][-1] == pytest.approx(math.log2(29))
    n_targets = 4 + 1 + 5 + 3
    assert found["nll"][-1] == pytest.approx(n_targets / 4 * math.log(29))
    assert found["nll"][2] == pytest.approx(evaluate(model, tokens)["nll"], rel=1e-12)
    with torch.no_grad():
        log_p = model.transformer_forward(tokens)
    for i, step in enumerate(steps[1:4], 1):
        entropy = nll = 0.0
        for line, text in enumerate(lines):
            for t in range(min(len(text) + 1, 5)):
                p = (log_p[line, t] / step).softmax(0)
                entropy += sum(-x * math.log2(x) for x in p.tolist())
                nll -= math.log(p[tokens[line, t + 1]])
        assert found["entropy"][i] == pytest.approx(entropy / n_targets, rel=1e-12)
        assert found["nll"][i] == pytest.approx(nll / 4, rel=1e-12)


def test_colder_texts_are_fewer(model):
    rows, drawn = temperature.drawn_at(model, 100, {"a"}, seed=0)
    assert [row["temperature"] for row in rows] == [0.01, 0.1, 0.5, 0.8, 1.0]
    assert rows[0]["distinct_texts"] < rows[-1]["distinct_texts"]
    assert all(len(found) == 100 for found in drawn.values())


def test_a_temperature_s_texts_depend_on_the_seed_and_on_its_number(model):
    found, again, other_number, other_seed = (
        temperature.draw_at(model, 20, seed, (number, 1.0))
        for seed, number in ((0, 1), (0, 1), (0, 2), (3, 1))
    )
    assert found == again
    assert found != other_number
    assert found != other_seed


@pytest.mark.parametrize(("threads", "processes"), [(1, 1), (3, 3), (8, 5)])
def test_the_five_temperatures_share_the_threads(
    model, monkeypatch, threads, processes
):
    asked, each = [], workers.each

    def here(function, shared, jobs, n):
        asked.append(n)
        return each(function, shared, jobs, 1)

    monkeypatch.setattr(workers, "each", here)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    temperature.drawn_at(model, 2, set(), seed=0)
    assert asked == [processes]


def test_texts_drawn_side_by_side_are_those_of_one_process(model, monkeypatch):
    alone = temperature.drawn_at(model, 20, {"a"}, seed=0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert temperature.drawn_at(model, 20, {"a"}, seed=0) == alone
