"""The speed run's training and measurement against slow ones."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from gpt import fast_runs
from gpt.fast_gpt import FastGPT
from gpt.fast_runs import RECIPES, Recipe, from_recipe, window_loss
from machinery.errors import Diverged

TINY = RECIPES["tiny"]
V = 65


@pytest.fixture
def model() -> FastGPT:
    """The tiny model with random weights: untrained, its blocks do nothing."""
    torch.manual_seed(0)
    model = from_recipe(TINY, V)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model.eval()


def test_untrained_model_knows_nothing():
    windows = torch.randint(V, (4, 17))
    loss = window_loss(from_recipe(TINY, V), windows)
    assert loss.item() == pytest.approx(math.log(V), abs=1e-6)


def test_muon_has_the_matrices_and_adamw_the_rest():
    model = from_recipe(TINY, V)
    muon, adam = fast_runs.make_optimizers(model, TINY)
    assert isinstance(muon, torch.optim.Muon)
    names = {id(p): name for name, p in model.named_parameters()}
    of = [
        sorted(names[id(p)] for group in o.param_groups for p in group["params"])
        for o in (muon, adam)
    ]
    assert of[1] == [
        "bigram.weight", "lm_head.weight", "trigram.weight", "unigram.weight",
    ]  # fmt: skip
    assert len(of[0]) == 4 * TINY.n_layer
    assert sorted(of[0] + of[1]) == sorted(names.values())


def test_a_pass_over_the_text_meets_every_window_once():
    text = torch.arange(1000)
    recipe = replace(TINY, batch_size=10, steps=12)
    draws = list(fast_runs.batches(text, recipe, seed=1))
    assert [draw.shape for draw in draws] == [(10, 17)] * 12
    assert all((draw.diff(dim=1) == 1).all() for draw in draws)
    a_pass = torch.cat(draws)[:60, :-1]  # 61 or 62 windows make a pass
    assert a_pass.unique().numel() == 60 * 16
    again = list(fast_runs.batches(text, recipe, seed=1))
    assert torch.equal(torch.cat(draws), torch.cat(again))
    other = list(fast_runs.batches(text, recipe, seed=2))
    assert not torch.equal(torch.cat(draws), torch.cat(other))


def test_cut_windows_are_windows_of_their_own(model):
    windows = torch.randint(V, (3, 17))
    halves = torch.cat((windows[:, :9], windows[:, 8:]))
    expected = window_loss(model, halves)
    torch.testing.assert_close(window_loss(model, windows, pieces=2), expected)


@pytest.mark.parametrize("n", [48 + 1, 48 + 2, 48 + 6, 64, 1 + 16 * 513])
def test_validation_loss_is_that_of_every_character_one_by_one(model, n):
    ids = torch.randint(V, (n,))
    total = 0.0
    with torch.no_grad():
        for i in range(1, n) if n < 100 else ():
            first = (i - 1) // 16 * 16  # where the window of character i begins
            logits = model(ids[None, first:i])[0, -1]
            total -= logits.double().log_softmax(0)[ids[i]].item()
        if n > 100:  # several batches of windows, and none left over
            x, y = ids[:-1].view(-1, 16), ids[1:].view(-1, 16)
            losses = F.cross_entropy(model(x).mT, y, reduction="none")
            total = losses.double().sum().item()
    expected = total / (n - 1)
    assert fast_runs.mean_loss(model, ids, 16) == pytest.approx(expected, rel=1e-6)


def test_evaluation_is_without_dropout_and_training_goes_on_with_it():
    model = from_recipe(replace(TINY, dropout=0.5), V)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ids = torch.randint(V, (100,))
    assert fast_runs.mean_loss(model, ids, 16) == fast_runs.mean_loss(model, ids, 16)
    assert model.training


def test_rates_rise_and_then_fall_to_zero_in_every_group(monkeypatch):
    make_optimizers, rates = fast_runs.make_optimizers, {"Muon": [], "AdamW": []}

    def note(optimizer, *_):
        used = rates[type(optimizer).__name__]
        used.append([group["lr"] for group in optimizer.param_groups])

    def noted(model, recipe):
        optimizers = make_optimizers(model, recipe)
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(note)
        return optimizers

    monkeypatch.setattr(fast_runs, "make_optimizers", noted)
    recipe = replace(TINY, steps=10, warm_up=0.4, muon_lr=0.2, adamw_lr=0.1)
    list(
        fast_runs.train(from_recipe(TINY, V), torch.arange(V).repeat(9), recipe, seed=1)
    )
    shares = (0.25, 0.5, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
    for name, full in (("Muon", 0.2), ("AdamW", 0.1)):
        assert len(rates[name]) == 10
        for used, share in zip(rates[name], shares, strict=True):
            assert used == pytest.approx([full * share] * len(used)), name


def test_learns_what_can_be_learnt():
    text = torch.arange(V).repeat(40)
    model = from_recipe(TINY, V)
    losses = list(fast_runs.train(model, text, replace(TINY, steps=60), seed=1))
    assert losses[0].item() == pytest.approx(math.log(V), abs=1e-5)
    assert losses[-1] < 2


def test_recipes_fit_their_heads():
    for name, recipe in RECIPES.items():
        assert isinstance(recipe, Recipe)
        assert recipe.n_embd % (2 * recipe.n_head) == 0, name
        assert recipe.block_size % 2 == 0, name


@pytest.mark.parametrize("steps", [1, 4, 20, 33])
def test_measurements_come_at_a_tenth_at_doublings_and_at_the_end(model, steps):
    losses = [torch.tensor(float(i)) for i in range(1, steps + 1)]
    recipe, validation = replace(TINY, steps=steps), torch.randint(V, (40,))
    rows = list(fast_runs.measured(model, losses, validation, recipe))
    expected = {1: [1], 4: [1, 2, 4], 20: [2, 4, 8, 16, 20], 33: [4, 8, 16, 32, 33]}
    assert [row["step"] for row in rows] == expected[steps]
    first = expected[steps][0]
    assert rows[0]["train_loss"] == (1 + first) / 2  # the mean since the last one
    assert rows[-1]["val_loss"] == fast_runs.mean_loss(model, validation, 16)


def test_a_measurement_that_is_no_number_is_an_error(model):
    losses, validation = [torch.tensor(math.nan)], torch.randint(V, (40,))
    with pytest.raises(Diverged, match="not finite"):
        list(fast_runs.measured(model, losses, validation, replace(TINY, steps=1)))


def test_a_recipe_is_adapted_to_the_wanted_steps_and_the_processor(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    recipe = RECIPES["cpu"]
    for fast in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda f=fast: f)
        found = fast_runs.adapt(recipe, 7, cpu)
        assert found == replace(
            recipe, steps=7, dtype="bfloat16" if fast else "float32"
        )
    assert fast_runs.adapt(recipe, None, cuda) == recipe
