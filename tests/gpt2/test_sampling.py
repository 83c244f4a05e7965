"""Sentences end where they end; streams show whole letters."""

from dataclasses import replace

import pytest
import torch

from gpt2 import sampling
from gpt2.config import Config
from gpt2.horizon import generate_ahead
from gpt2.sampling import first_sentence
from transformer import generate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It ends. Here not.", "It ends."),
        ("Mr. Smith left! So did I.", "Mr. Smith left!"),
        ("He lives in the U.S. now. Yes.", "He lives in the U.S. now."),
        ("J. R. Ewing? No.", "J. R. Ewing?"),
        ('"Who am I?" he asked.', '"Who am I?"'),
        ("Rated 3.5 of 10. Fine.", "Rated 3.5 of 10."),
        ("So am I. You too.", "So am I."),
        ('It is "Mr. Smith" again. So.', 'It is "Mr. Smith" again.'),
        ("Francis X. Bushman rides. So.", "Francis X. Bushman rides."),
        ("Wait... what?", "Wait..."),
        ("no end in sight", None),
        ("", None),
        (". Begins so.", "."),
    ],
)
def test_a_sentence_ends_with_its_mark_and_not_in_an_abbreviation(text, expected):
    assert first_sentence(text) == expected


def test_sentences_begin_with_the_prefix_and_end(tiny, pairs):
    found = sampling.sentences(tiny, pairs, "the movie", 5, 40, seed=0)
    assert len(found) == 5
    assert len(set(found)) > 1
    assert found == sampling.sentences(tiny, pairs, "the movie", 5, 40, seed=0)
    for text in found:
        assert text.startswith("the movie")
        assert first_sentence(text) == text or text.endswith(" …")


def test_a_sentence_is_cut_at_its_mark_or_where_the_text_ends(tiny, pairs, monkeypatch):
    rows = [
        pairs.encode(" is in. Then more"),
        [*pairs.encode(" is\n in "), pairs.end, *pairs.encode(" out. ")],
        pairs.encode(" is in the"),
    ]
    length = max(map(len, rows))
    planted = torch.tensor([r + pairs.encode("x") * (length - len(r)) for r in rows])
    seen = []

    def generate(*arguments):
        seen.append(arguments)
        return iter(planted.T)

    monkeypatch.setattr(sampling, "generate", generate)
    found = sampling.sentences(tiny, pairs, "a man", 3, 40, seed=5)
    assert found[:2] == ["a man is in.", "a man is in …"]
    assert found[2].startswith("a man is in the")
    ((model, idx, n, temperature, top_k, top_p, generator),) = seen
    assert model is tiny
    assert idx.tolist() == [[pairs.end, *pairs.encode("a man")]] * 3
    assert (n, temperature, top_k, top_p) == (60, 1.0, 40, None)
    assert generator.initial_seed() == 5


def test_sentences_are_drawn_where_the_model_lives(tiny, pairs, monkeypatch):
    devices = []

    def generate(model, idx, *_):
        devices.append(idx.device.type)
        return iter(torch.zeros(1, 2, dtype=torch.int64))

    monkeypatch.setattr(sampling, "generate", generate)
    sampling.sentences(tiny.to("meta"), pairs, "a man", 2, 40, seed=5)
    assert devices == ["meta"]


def test_a_stream_shows_whole_letters_and_stops_at_the_end(pairs):
    text = "ä the €"
    ids = pairs.encode(text)
    assert len(ids) > len(text) - 4
    shown = []
    tokens = iter([*ids, pairs.end, 0])
    assert sampling.stream(tokens, pairs, shown.append) == text
    assert "".join(shown) == text
    assert next(tokens) == 0  # what comes after is not read


def test_a_letter_that_is_cut_is_shown_as_such(pairs):
    half = pairs.encode("€")[:2]
    assert sampling.stream(iter(half), pairs, lambda _: None) == "\ufffd"


def test_a_continuation_obeys_each_option(tiny):
    idx, config = torch.tensor([1, 2, 3]), Config(length=30, temperature=0.2, top_k=50)
    found = {}
    for horizon, blocks in ((1, False), (2, False), (2, True)):
        generator = torch.Generator().manual_seed(7)
        if horizon > 1:
            drawn = generate_ahead(tiny, idx, 30, 0.2, horizon, 50, blocks, generator)
        else:
            drawn = generate(tiny, idx[None], 30, 0.2, 50, 0.6, generator)
        expected = [int(token) for token in drawn]
        asked = replace(config, horizon=horizon, blocks=blocks)
        asked = asked if horizon > 1 else replace(asked, top_p=0.6)
        ours = list(sampling.continuation(tiny, idx, asked, seed=7))
        assert ours == expected
        assert all(type(token) is int for token in ours)
        found[tuple(ours)] = horizon
    assert len(found) == 3  # or it could not tell one from another


@pytest.mark.parametrize(
    "options", [{}, {"horizon": 2}, {"horizon": 3, "blocks": True}]
)
def test_a_continuation_has_its_length_whatever_the_horizon(tiny, options):
    config = Config(length=21, top_k=5, temperature=0.5, **options)
    idx = torch.tensor([1, 2, 3])
    found = list(sampling.continuation(tiny, idx, config, seed=1))
    assert len(found) == 21
    assert found == list(sampling.continuation(tiny, idx, config, seed=1))
