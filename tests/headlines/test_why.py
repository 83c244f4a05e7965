"""The experiment on the fourth size, on models small enough to know."""

import math

import pytest
import torch

from headlines import why
from headlines.data import Tokenizer
from headlines.model import DecoderTransformer
from headlines.recipes import Size
from machinery.progress import Progress

TINY = Size(num_neurons=2, num_heads=2, num_blocks=1, num_emb=6)


@pytest.fixture
def tokens():
    texts = ["ab", "abab", "ba", "b a", "aa bb", "abba"] * 5
    return torch.from_numpy(Tokenizer(8).encode(texts))


def test_the_entropy_of_characters_by_hand():
    tokens = torch.from_numpy(Tokenizer(3).encode(["aab", "a"]))
    # the first line has no room for a pad: a a b, and a pad
    p = [3 / 5, 1 / 5, 1 / 5]
    expected = -sum(x * math.log(x) for x in p)
    assert why.unigram_entropy(tokens) == pytest.approx(expected)


def test_the_widest_matrices_are_the_mlps_second_ones():
    model = DecoderTransformer(9, 29, 6, 50, 2, 0.0, 3)
    found = why.widest(model)
    assert [w.shape[1] for w in found] == [300] * 3
    assert max(p.shape[-1] for p in model.parameters()) == 300


def test_an_arm_learns_and_its_changes_are_made(tokens, monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def watched(self, *args):
        rates.append([group["lr"] for group in self.param_groups])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    losses = list(why.train_arm(TINY, tokens, 0, 30, lr=0.02, warm_up=4, matrix_lr=0.1))
    assert losses[-1] < losses[0] - 0.5
    shown = [0.005, 0.01, 0.015, 0.02, 0.02]
    assert [r[0] for r in rates[:5]] == pytest.approx(shown)
    assert [r[1] for r in rates[:5]] == pytest.approx([r / 10 for r in shown])
    same = list(why.train_arm(TINY, tokens, 0, 3, lr=0.02, warm_up=4, matrix_lr=0.1))
    assert same == losses[:3]


def test_each_arm_changes_one_thing_of_the_exercise_s(tokens, monkeypatch):
    assert why.ARMS["exercise"] == {}
    changed = [set(changes) for changes in why.ARMS.values() if changes]
    assert changed == [{"matrix_lr"}, {"warm_up"}, {"pre_norm"}, {"lr"}]
    assert 0 < why.ARMS["small rate for one matrix"]["matrix_lr"] < 0.1
    assert why.ARMS["rate 1e-4"] == {"lr": 1e-4}
    built, build = [], why.build_model

    def recorded(size, recipe):
        built.append(recipe)
        return build(size, recipe)

    monkeypatch.setattr(why, "build_model", recorded)
    for changes in why.ARMS.values():
        next(why.train_arm(TINY, tokens, 0, 1, **changes))
    assert [recipe.pre_norm for recipe in built] == [False] * 3 + [True, False]


def test_one_step_is_too_large_where_its_rate_alone_mends():
    arms = {name: [3.0] for name in why.ARMS}
    assert why.mended(arms, 3.0) == []
    arms["small rate for one matrix"] = [2.0]
    assert why.mended(arms, 3.0) == ["small rate for one matrix"]


def test_an_arm_s_loss_is_of_a_target_as_the_characters_entropy_is(tokens):
    learnt = why.mean_end(list(why.train_arm(TINY, tokens, 0, 60, lr=0.02)))
    # a model of the characters' order knows more than their frequencies, and not all
    assert 0.3 * why.unigram_entropy(tokens) < learnt < why.unigram_entropy(tokens)
    first = next(why.train_arm(TINY, tokens, 0, 1))
    assert first == pytest.approx(math.log(29), abs=1)


def test_the_first_step_moves_more_with_more_inputs(tokens):
    moved = []
    for neurons in (2, 20, 200):
        size = Size(num_neurons=neurons, num_heads=2, num_blocks=1, num_emb=6)
        found = why.first_step(size, tokens, 0)
        assert found["inputs"] == 6 * neurons
        moved.append(found["moved"])
    assert moved == sorted(moved)
    assert moved[2] > 10 * moved[0]


def test_no_rate_no_step(tokens, monkeypatch):
    monkeypatch.setattr(why, "LR", 0.0)
    assert why.first_step(TINY, tokens, 0)["moved"] == 0


def test_the_shortest_lines_are_taken(tokens):
    found = why.short_lines(tokens, 1 / 3)
    assert len(found) == 10
    assert ((found > 0).sum(1) == 3).all()


def test_the_sentences_follow_the_numbers(tokens, monkeypatch):
    sizes = {n: Size(2, 2, 1, 2 * n) for n in (1, 2)}
    monkeypatch.setattr(why, "SIZES", sizes)
    with Progress(0) as progress:
        found = why.experiment(tokens, 0, progress, size=2, steps=4)
    assert found["arms"].keys() == why.ARMS.keys()
    assert all(len(losses) == 4 for losses in found["arms"].values())
    found["arms"] = {name: [1.0] for name in why.ARMS} | {"exercise": [3.0]}
    first, second, _ = why.sentences(found | {"unigram": 3.0})
    assert "learnt nothing more" in first
    assert "not " not in second
    found["arms"] |= {"exercise": [1.0], "warm-up": [2.9]}
    first, second, _ = why.sentences(found | {"unigram": 3.0})
    assert "learns more than these" in first
    assert "not warm-up" in second
