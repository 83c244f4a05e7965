"""What the fast recipe shows the model, and the rates that it trains with."""

import pytest
import torch

from headlines import training
from headlines.data import Tokenizer
from headlines.likelihood import lengths
from headlines.recipes import RECIPES, FastRecipe, Size, build_model

RECIPE = FastRecipe(batch_size=4)
TINY = Size(num_neurons=2, num_heads=2, num_blocks=2, num_emb=6)


@pytest.fixture
def tokens():
    draw = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 60, (41,), generator=draw).tolist()
    texts = ["ab " * (n // 3) + "c" for n in sizes]
    return torch.from_numpy(Tokenizer(149).encode(texts))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_epoch_has_every_line_once_in_batches_of_similar_length(tokens):
    batches = list(training.make_batches(tokens, RECIPE, 1)(generator()))
    assert len(batches) == 11
    seen = sorted(length for lines, _ in batches for length in lengths(lines).tolist())
    assert seen == sorted(lengths(tokens).tolist())
    spread = [int(lengths(lines).max() - lengths(lines).min()) for lines, _ in batches]
    assert sum(spread) / len(spread) < 12
    again = list(training.make_batches(tokens, RECIPE, 1)(generator()))
    other = list(training.make_batches(tokens, RECIPE, 1)(generator(1)))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(batches, again, strict=True))
    assert any(
        a.shape != b.shape or not torch.equal(a, b)
        for (a, _), (b, _) in zip(batches, other, strict=True)
    )


def test_hiding_takes_letters_alone_and_as_many_as_it_says(tokens):
    lines = tokens[:, :64].repeat(50, 1)
    hidden = training.hide(lines, 0.3, generator())
    changed = hidden != lines
    letters = (lines > 0) & (lines < 27)
    assert (hidden[changed] == 0).all()
    assert not changed[~letters].any()
    share = 1 - (1 - 0.3) ** 2  # by itself, or with its word
    assert changed[letters].float().mean() == pytest.approx(share, abs=0.02)


def test_the_letters_of_a_word_are_hidden_together_more_often_than_by_chance(tokens):
    lines = tokens[:, :64].repeat(50, 1)
    hidden = training.hide(lines, 0.3, generator())
    pairs = (lines[:, 1:-1] == 1) & (lines[:, 2:] == 2)  # the word ab
    a, b = hidden[:, 1:-1][pairs] == 0, hidden[:, 2:][pairs] == 0
    both = 0.3 + 0.7 * 0.3**2
    assert (a & b).float().mean() == pytest.approx(both, abs=0.02)


def test_nothing_is_hidden_where_the_recipe_says_so(tokens):
    assert torch.equal(training.hide(tokens, 0.0, generator()), tokens)


def test_the_rates_rise_and_fall_to_zero():
    model = build_model(TINY, RECIPE)
    steps = 40
    optimizer, scheduler = training.make_optimizer(model, RECIPE, steps)
    scales = []
    for _ in range(steps):
        groups = [group for part in optimizer.parts for group in part.param_groups]
        base = (RECIPE.muon_lr, RECIPE.adamw_lr)
        muon, adamw = (g["lr"] / lr for g, lr in zip(groups, base, strict=True))
        assert muon == pytest.approx(adamw)
        scales.append(muon)
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        scheduler.step()
    peak = scales.index(max(scales))
    assert 0 < peak <= 3
    assert scales == sorted(scales[: peak + 1]) + sorted(scales[peak + 1 :])[::-1]
    assert scales[-1] == pytest.approx(1 / steps)


def test_muon_has_the_blocks_matrices_and_adamw_all_else():
    model = build_model(TINY, RECIPE)
    optimizer, _ = training.make_optimizer(model, RECIPE, 10)
    muon, adamw = (part.param_groups[0]["params"] for part in optimizer.parts)
    assert len(muon) == 6 * TINY.num_blocks
    assert len(muon) + len(adamw) == len(list(model.parameters()))
    exercise, scheduler = training.make_optimizer(model, RECIPES["exercise"], 10)
    assert scheduler is None
    assert exercise.defaults["lr"] == 1e-3
    assert exercise.defaults["weight_decay"] == 0.01  # AdamW's own


def test_the_exercises_loss_is_the_padded_one(tokens):
    model = build_model(TINY, RECIPES["exercise"]).eval()
    loss = training.loss_function(RECIPES["exercise"])
    assert loss(model, tokens) == model(tokens)
    batches = training.make_batches(tokens, RECIPES["exercise"], 1)(generator())
    batch = next(iter(batches))
    assert batch.shape == (32, 150)


def test_the_fast_recipe_starts_small_and_the_exercise_s_as_torch_does():
    torch.manual_seed(0)
    size = Size(num_neurons=8, num_heads=2, num_blocks=4, num_emb=24)
    model = build_model(size, RECIPE)
    before = {name: p.clone() for name, p in model.named_parameters()}
    training.initialize(model, RECIPES["exercise"])
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    training.initialize(model, RECIPE)
    for name, parameter in model.named_parameters():
        if name.endswith(("w_c.weight", "mlp.2.weight")):  # two branches of four blocks
            torch.testing.assert_close(parameter, before[name] / 8**0.5)
        elif "embedding" in name:
            std = RECIPE.position_std if "positional" in name else RECIPE.embedding_std
            assert parameter.std().item() == pytest.approx(std, rel=0.15)
        else:
            assert torch.equal(parameter, before[name])
