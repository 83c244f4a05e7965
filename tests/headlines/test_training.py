"""What the fast recipe shows the model, and the rates that it trains with."""

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.testing import assert_close

from headlines import training
from headlines.data import Tokenizer
from headlines.likelihood import lengths, training_loss
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


def test_a_seed_repeats_an_epoch_what_it_hides_too(tokens):
    recipe = replace(RECIPE, hidden=(0.3,) * 4)
    first, again, other = (
        list(training.make_batches(tokens, recipe, 1)(generator(seed)))
        for seed in (0, 0, 1)
    )
    for one, two in zip(first, again, strict=True):
        assert all(map(torch.equal, one, two))
    assert any(
        a.shape != b.shape or not torch.equal(a, b)
        for (a, _), (b, _) in zip(first, other, strict=True)
    )


@pytest.mark.parametrize(("apart", "meet"), [(7, True), (8, False)])
def test_lines_meet_in_a_batch_if_they_differ_by_less_than_eight(apart, meet):
    texts = ["a" * 10] * 20 + ["a" * (10 + apart)] * 20
    tokens = torch.from_numpy(Tokenizer(149).encode(texts))
    mixed = [
        len(lengths(lines).unique()) == 2
        for seed in range(20)
        for lines, _ in training.make_batches(tokens, RECIPE, 1)(generator(seed))
    ]
    assert any(mixed) == meet
    assert sum(mixed) < len(mixed) / 2


def test_each_size_hides_its_own_share(tokens):
    for size in (1, 2, 3, 4):
        recipe = replace(RECIPE, hidden=tuple(float(n == size) for n in (1, 2, 3, 4)))
        for asked in (1, 2, 3, 4):
            for lines, shown in training.make_batches(tokens, recipe, asked)(
                generator()
            ):
                letters = (lines > 0) & (lines < 27)
                hidden = lines.masked_fill(letters, 0)
                assert torch.equal(shown, hidden if asked == size else lines)


def test_a_letter_is_hidden_by_itself_or_with_its_word_and_nothing_else_is():
    """The probability of each of the eight ways to hide the letters of "ab c"."""
    n, s = 20_000, 0.3
    line = torch.from_numpy(Tokenizer(6).encode(["ab c"]))
    found = training.hide(line.repeat(n, 1), s, generator())
    assert torch.equal(found[:, [0, 3, 5, 6]], line[:, [0, 3, 5, 6]].expand(n, -1))
    letters = found[:, [1, 2, 4]]
    assert ((letters == 0) | (letters == line[:, [1, 2, 4]])).all()
    counts = Counter(map(tuple, (letters == 0).tolist()))
    for a, b, c in product((False, True), repeat=3):
        alone = (s if a else 1 - s) * (s if b else 1 - s)
        p_word = (1 - s) * alone + s * (a and b)
        p_c = 1 - (1 - s) ** 2
        p = p_word * (p_c if c else 1 - p_c)
        assert counts[a, b, c] / n == pytest.approx(p, abs=4 * (p / n) ** 0.5)


def test_lines_are_hidden_where_they_are():
    lines = torch.ones(2, 5, dtype=torch.int64, device="meta")
    assert training.hide(lines, 0.3, generator()).is_meta


def test_nothing_is_hidden_where_the_recipe_says_so(tokens, monkeypatch):
    assert torch.equal(training.hide(tokens, 0.0, generator()), tokens)
    # nor by the least number that can be drawn
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.zeros(shape))
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
    recipe = replace(RECIPES["exercise"], adamw_lr=0.25)
    exercise, scheduler = training.make_optimizer(model, recipe, 10)
    assert scheduler is None
    assert exercise.defaults["lr"] == 0.25
    assert exercise.defaults["weight_decay"] == 0.01  # AdamW's own


def test_the_exercises_loss_is_the_padded_one(tokens):
    model = build_model(TINY, RECIPES["exercise"]).eval()
    loss = training.loss_function(RECIPES["exercise"])
    assert loss(model, tokens) == model(tokens)
    batches = training.make_batches(tokens, RECIPES["exercise"], 1)(generator())
    batch = next(iter(batches))
    assert batch.shape == (32, 150)


@pytest.mark.parametrize("able", [True, False])
def test_models_larger_than_the_recipe_says_multiply_in_bfloat16(
    tokens, able, monkeypatch
):
    """Where the processor does, whatever half precision is torch's own choice."""
    model = build_model(TINY, RECIPE)
    n = sum(p.numel() for p in model.parameters())
    used = []
    model.logits.register_forward_hook(lambda _m, _x, out: used.append(out.dtype))
    monkeypatch.setattr(
        training,
        "multiplies_in_bfloat16",
        lambda device: device == model.device and able,
    )
    kept = torch.get_autocast_dtype("cpu")
    try:
        torch.set_autocast_dtype("cpu", torch.float16)
        for above in (n, n - 1):
            loss = training.loss_function(replace(RECIPE, bfloat16_above=above))
            loss(model, (tokens, tokens))
    finally:
        torch.set_autocast_dtype("cpu", kept)
    assert used == [torch.float32, torch.bfloat16 if able else torch.float32]


def test_the_fast_recipe_s_loss_is_of_the_lines_given_what_is_shown(tokens):
    model = build_model(TINY, RECIPE)
    shown = tokens.masked_fill(tokens == 1, 0)
    found = training.loss_function(RECIPE)(model, (tokens, shown))
    assert_close(found, training_loss(model, tokens, shown))
    assert found != training_loss(model, tokens, tokens)


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
