"""The questions on planted models and numbers, each against a count by hand."""

import itertools
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpt2 import corpus, likelihood, questions
from gpt2.config import Config
from gpt2.horizon import look_ahead, temper
from gpt2.questions import Asked

HELD_OUT = [
    f"{i} is a review of the movie, and then there is more. " * 3 for i in range(25)
]


@pytest.fixture
def asked(tiny, pairs, monkeypatch):
    plays = "".join(HELD_OUT).upper()
    monkeypatch.setattr(corpus, "tiny_shakespeare", lambda: plays)
    config = Config(n_strings=20, n_openings=3, length=9, top_k=7, seed=2)
    return Asked(tiny, pairs, HELD_OUT, config)


def test_each_stream_of_random_numbers_has_a_seed_of_its_own_in_each_run(asked):
    other = replace(asked, config=replace(asked.config, seed=3))
    seeds = [
        where.seed(*stream)
        for where in (asked, other)
        for stream in [(1,), (2,), (1, 2), (2, 1)]
    ]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == asked.seed(1)


def test_a_prompt_is_a_text_after_an_end_where_the_model_lives(asked, pairs):
    assert asked.prompt("the man").tolist() == [pairs.end, *pairs.encode("the man")]
    asked.model.to("meta")
    assert asked.prompt("the man").device.type == "meta"


def test_bits_name_every_token_and_one_less_does_not():
    assert questions.bits_of_a_token(256) == {
        "n_tokens": 256, "bits": 8.0, "whole_bits": 8,
    }  # fmt: skip
    found = questions.bits_of_a_token()
    assert 2 ** found["bits"] == pytest.approx(50_257, rel=1e-12)
    assert 2 ** (found["whole_bits"] - 1) < 50_257 <= 2 ** found["whole_bits"]


def test_gpt2_grows_by_a_row_of_its_embedding_for_each_token_more():
    found = questions.added_parameters()
    # (60,000 - 50,257) rows of 768, once where the head is the embedding
    assert found["tied"] == {
        "before": 124_439_808, "after": 131_922_432, "added": 7_482_624,
    }  # fmt: skip
    head = 50_257 * 768
    assert found["untied"] == {
        "before": 124_439_808 + head, "after": 131_922_432 + head + 7_482_624,
        "added": 2 * 7_482_624,
    }  # fmt: skip


def test_five_sentences_are_asked_for_each_prefix_unless_told(asked, monkeypatch):
    seeds = []

    def sentences(model, pairs, prefix, n, top_k, seed):
        assert model is asked.model
        assert pairs is asked.pairs
        assert top_k == 7
        seeds.append(seed)
        return [prefix] * n

    monkeypatch.setattr(questions.sampling, "sentences", sentences)
    for n, found in (
        (5, questions.write_sentences(asked)),
        (2, questions.write_sentences(asked, 2)),
    ):
        assert found == {prefix: [prefix] * n for prefix in corpus.PREFIXES}
    assert len(set(seeds)) == len(corpus.PREFIXES) == len(seeds) / 2
    assert seeds[0] == asked.seed(questions.SENTENCES, 0)


def test_openings_are_continued_as_generate_does(asked, monkeypatch):
    calls = []

    def generate(*arguments):
        calls.append(arguments)
        text = [*pairs.encode(" and"), pairs.end, *pairs.encode("the man")]
        return iter(torch.tensor(text)[:, None])

    pairs = asked.pairs
    monkeypatch.setattr(questions, "generate", generate)
    found = questions.continue_openings(asked)
    openings = [text[:100] for text in HELD_OUT[-3:]]
    # a review that ends is followed by another
    assert found == [(text, " and ¶ the man") for text in openings]
    for text, (model, idx, n, temperature, top_k, top_p, _) in zip(
        openings, calls, strict=True
    ):
        assert model is asked.model
        assert idx.tolist() == [pairs.encode_prompt(text)]
        assert (n, temperature, top_k, top_p) == (9, 1.0, 7, None)
    seeds = [generator.initial_seed() for *_, generator in calls]
    assert seeds == [asked.seed(questions.CONTINUED, i) for i in range(3)]


def test_the_strings_are_those_of_the_run_and_its_seed(asked):
    found = questions.strings(asked)
    assert found == questions.strings(asked)
    for some in found.values():
        assert len(some) == 20
        assert {len(text) for text in some} == {100}
    other = replace(asked, config=replace(asked.config, seed=3))
    assert found["random"] != questions.strings(other)["random"]


def test_each_kind_of_text_is_scored(asked):
    texts = {"a": ["the man", "moon"], "b": ["in"]}
    found = questions.score(asked, texts)
    assert list(found) == ["a", "b"]
    for name, some in texts.items():
        ids = [asked.pairs.encode(text) for text in some]
        total = likelihood.log_likelihood(asked.model, ids)
        np.testing.assert_array_equal(found[name]["sum"], total)


def area_by_hand(negative, positive):
    pairs = list(itertools.product(negative, positive))
    return sum((n < p) + (n == p) / 2 for n, p in pairs) / len(pairs)


def test_language_of_both_kinds_is_told_from_random_strings():
    draw = np.random.default_rng(0)
    scores = {
        name: {kind: draw.normal(at, size=40) for kind in ("sum", "per_token")}
        for name, at in (("random", 0), ("Shakespeare", 1), ("reviews", 3))
    }
    found = questions.tell_apart(scores)
    assert list(found) == ["sum", "per_token"]
    for kind, by in found.items():
        language = [*scores["Shakespeare"][kind], *scores["reviews"][kind]]
        # each second text teaches the threshold, the others test it
        area = area_by_hand(scores["random"][kind][1::2], language[1::2])
        assert by["area"] == pytest.approx(area)
        false, true = by["roc"]
        assert np.trapezoid(true, false) == pytest.approx(area)
        assert [sum(row) for row in by["table"]] == [20, 40]


def test_areas_are_those_of_texts_cut_to_each_length(asked, monkeypatch):
    whole, seen = questions.strings(asked), []

    def score(where, texts):
        assert where is asked
        seen.append(texts)
        return {
            name: {
                "sum": np.array([weight(text) for text in some]),
                "per_token": np.array([weight(text[::-1]) for text in some]),
            }
            for name, some in texts.items()
        }

    def weight(text):
        """Depends on the letters' order."""
        return sum(i * ord(c) for i, c in enumerate(text))

    monkeypatch.setattr(questions, "score", score)
    found = questions.areas_by_length(asked, whole)
    assert found == questions.areas_by_length(asked, whole)
    assert set(found) == {"random, sum", "random, per token", "shuffled words, sum"}
    for i, (length, texts) in enumerate(
        zip((3, 5, 10, 20, 50, 100), seen[:6], strict=True)
    ):
        for name in ("random", "Shakespeare", "reviews"):
            assert texts[name] == [text[:length] for text in whole[name]]
        shuffled = texts["reviews, words shuffled"]
        assert len(shuffled) == len(texts["reviews"])
        for text, other in zip(texts["reviews"], shuffled, strict=True):
            assert sorted(text.split(" ")) == sorted(other.split(" "))
        by = score(asked, texts)
        for label, kind in (("sum", "sum"), ("per token", "per_token")):
            language = [*by["Shakespeare"][kind], *by["reviews"][kind]]
            area = area_by_hand(by["random"][kind], language)
            assert found[f"random, {label}"][i] == pytest.approx(area)
        area = area_by_hand(by["reviews, words shuffled"]["sum"], by["reviews"]["sum"])
        assert found["shuffled words, sum"][i] == pytest.approx(area)
    assert shuffled != texts["reviews"]


def test_words_are_shuffled_by_random_numbers_of_their_own(asked, monkeypatch):
    default_rng, seeds = np.random.default_rng, []

    def watched(seed):
        seeds.append(seed)
        return default_rng(seed)

    monkeypatch.setattr(np.random, "default_rng", watched)
    questions.areas_by_length(asked, questions.strings(asked))
    assert len(seeds) == len(set(seeds)) == 1 + len(questions.LENGTHS)


def test_pairs_follow_the_last_tokens_that_leave_room_for_them(asked):
    """Of a context of 16 tokens 14 are an opening's."""
    found = questions.pairs_ahead(asked, 5, 3)
    for text, levels in zip(HELD_OUT[-3:], found, strict=True):
        context = asked.pairs.encode(text[:100])[-14:]
        for ahead, (tokens, log_p) in enumerate(levels):
            here = (
                [context] if ahead == 0 else [[*context, int(t)] for t in levels[0][0]]
            )
            logits = asked.model(torch.tensor(here))[:, -1]
            expected, which = logits.topk(5)
            assert torch.equal(tokens.view(-1, 5), which)
            torch.testing.assert_close(log_p.view(-1, 5), expected.log_softmax(1))
        assert len(levels) == 2


def test_twenty_contexts_are_asked_unless_told(asked):
    assert len(questions.pairs_ahead(asked, 2)) == 20


def table(first, second):
    """The levels of two tokens whose probabilities are given."""
    return [
        (torch.arange(len(p)).expand(p.shape), p.log())
        for p in (torch.tensor(first), torch.tensor(second))
    ]


ONE = table([0.6, 0.4], [[0.5, 0.5], [0.9, 0.1]])
TWO = table([0.7, 0.3], [[0.2, 0.8], [0.5, 0.5]])


def variation_by_hand(levels, temperature):
    """Half the sum of |tempered joint - product of tempered conditionals|."""

    def tempered(p):
        powers = [x ** (1 / temperature) for x in p]
        return [x / sum(powers) for x in powers]

    first, second = (log_p.double().exp().tolist() for _, log_p in levels)
    joint = tempered([p * q for p, row in zip(first, second, strict=True) for q in row])
    myopic = zip(tempered(first), map(tempered, second), strict=True)
    product = [p * q for p, row in myopic for q in row]
    return sum(abs(a - b) for a, b in zip(joint, product, strict=True)) / 2


def test_the_product_s_distance_from_the_joint_is_that_of_a_loop():
    found = questions.product_against_joint([ONE, TWO])
    assert found["temperature"] == pytest.approx([0.1 * i for i in range(1, 16)])
    expected = [
        (variation_by_hand(ONE, t) + variation_by_hand(TWO, t)) / 2
        for t in found["temperature"]
    ]
    assert found["joint"] == pytest.approx(expected, abs=1e-7)
    assert found["joint"][9] < 1e-7 < 0.01 < found["joint"][4]


def test_the_entropy_of_equals_is_the_log_of_their_number():
    log_p = torch.tensor([0.25, 0, 0.25, 0.25, 0.25]).log()
    assert questions.entropy(log_p) == pytest.approx(math.log(4))


def test_horizon_1_is_as_sharp_as_horizon_2_at_the_temperature_that_is_found():
    torch.manual_seed(0)
    table = torch.randn(6, 6)
    levels = [
        look_ahead(torch.randn(6), lambda paths: table[paths[:, 0]], 2)
        for _ in range(4)
    ]
    t = questions.as_sharp(levels)

    def mean_entropy(n, temperature):
        p = [temper(level[:n], temperature)[0].exp() for level in levels]
        return sum(-(x * x.log()).sum().item() for x in p) / len(p)

    assert t != pytest.approx(questions.AT, abs=1e-3)
    assert mean_entropy(1, t) == pytest.approx(mean_entropy(2, questions.AT), abs=1e-6)


def test_as_sharp_stays_between_greedy_and_the_model_s_own_distribution():
    # horizon 2 is flatter than the model: what follows the first token is uncertain
    flat = [
        table([0.75, 0.25, 0, 0], [[0.25] * 4, [1.0, 0, 0, 0], [0.25] * 4, [0.25] * 4])
    ]
    assert questions.as_sharp(flat) == pytest.approx(1, abs=1e-6)
    certain = [table([1.0, 0], [[0.5, 0.5], [0.5, 0.5]])]
    assert questions.as_sharp(certain) == pytest.approx(0.01, abs=1e-6)


def test_what_each_horizon_writes_is_scored_by_the_model_itself(asked, monkeypatch):
    monkeypatch.setattr(questions, "N_AHEAD", 4)
    calls = []

    def generate_ahead(model, idx, n, temperature, horizon, top_k, blocks, generator):
        assert model is asked.model
        calls.append((idx.tolist(), n, temperature, horizon, top_k, blocks))
        seeds.append(generator.initial_seed())
        return iter([horizon, 5, 6 + blocks, len(calls) % 10])

    seeds = []
    monkeypatch.setattr(questions, "generate_ahead", generate_ahead)
    rows = questions.written_ahead(asked, 0.3)
    kinds = [(1, 0.5, False), (2, 0.5, False), (3, 0.5, False), (1, 0.3, False),
             (2, 0.5, True)]  # fmt: skip
    openings = [text[:100] for text in HELD_OUT[-10:]]
    prompts = [asked.pairs.encode_prompt(text) for text in openings]
    assert calls == [
        (prompt, 4, temperature, horizon, 10, blocks)
        for horizon, temperature, blocks in kinds
        for prompt in prompts
    ]
    # each opening has the same random numbers for all horizons
    assert seeds == [asked.seed(questions.AHEAD, i) for i in range(10)] * 5
    for row, (horizon, temperature, blocks) in zip(rows, kinds, strict=True):
        assert (row["horizon"], row["temperature"], row["blocks"]) == (
            horizon, temperature, blocks,
        )  # fmt: skip
        n = 10 * rows.index(row)
        written = [[horizon, 5, 6 + blocks, (n + i) % 10] for i in range(1, 11)]
        values = []
        for prompt, tokens in zip(prompts, written, strict=True):
            log_p = likelihood.token_log_probs(asked.model, [[*prompt, *tokens]])[0]
            values.append(log_p[-4:].sum().item() / 4)
        assert row["log_p"] == pytest.approx(statistics.mean(values))
        error = statistics.stdev(values) / math.sqrt(10)
        assert row["error"] == pytest.approx(error)
        assert row["openings"] == openings[:3]
        assert row["texts"] == [asked.pairs.decode(tokens) for tokens in written[:3]]


def test_the_best_pair_need_not_begin_with_the_best_token():
    agree = table([0.6, 0.4], [[0.1, 0.9], [0.5, 0.5]])
    differ = table([0.6, 0.4], [[0.5, 0.5], [0.1, 0.9]])
    three = table([0.5, 0.3, 0.2], [[0.4, 0.3, 0.3]] * 2 + [[0.0, 0.0, 1.0]])
    assert questions.best_pair([agree]) == 1
    assert questions.best_pair([differ]) == 0
    assert questions.best_pair([agree, differ, agree, agree]) == 0.75
    assert questions.best_pair([agree, three]) == 1
