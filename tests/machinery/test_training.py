"""The training loop: exact continuation, every row once, and finite or an error."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from machinery.errors import Diverged
from machinery.training import (
    derive_seed,
    fit,
    in_chunks,
    shuffled,
    steps_per_epoch,
)

EPOCHS = 5


def make_model() -> nn.Sequential:
    """A model whose training also draws from torch's global generator."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))


def squares(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return (model(x) - x.sum(1, keepdim=True)).square().mean()


DATA = torch.randn(50, 2, generator=torch.Generator().manual_seed(3))


def training(model, optimizer, epochs, seed=1):
    return fit(model, squares, shuffled(DATA, 16), optimizer, epochs, seed)


def trained(seed: int = 1) -> tuple[dict, list[torch.Tensor]]:
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = [loss for _, loss in training(model, optimizer, range(EPOCHS), seed)]
    return model.state_dict(), losses


def equal(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


@given(n=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 99))
def test_an_epoch_visits_every_row_once(n, batch_size, seed):
    data = torch.arange(n).float()[:, None]
    batches = list(shuffled(data, batch_size)(torch.Generator().manual_seed(seed)))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert len(batches) == -(-n // batch_size)
    assert sorted(torch.cat(batches).flatten().tolist()) == list(range(n))


def test_the_order_of_rows_is_the_generator_s_alone():
    before = torch.get_rng_state()
    one, same, other = (
        torch.cat(shuffled(DATA, 16)(torch.Generator().manual_seed(seed)))
        for seed in (5, 5, 6)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@given(n=st.integers(1, 40), batch_size=st.integers(1, 50))
def test_the_steps_of_an_epoch_are_its_batches(n, batch_size):
    batches = shuffled(torch.zeros(n, 1), batch_size)(torch.Generator())
    assert steps_per_epoch(n, batch_size) == len(batches)


def test_streams_of_other_numbers_have_other_seeds():
    streams = [[0], [0, 1], [1, 0], [0, 2], [7, 0, 3]]
    seeds = [derive_seed(numbers) for numbers in streams]
    assert len(set(seeds)) == len(streams)
    assert seeds == [derive_seed(numbers) for numbers in streams]
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)


def test_fit_sees_every_row_once_per_epoch_in_a_new_order():
    data = torch.arange(30.0)[:, None]
    model, seen, orders = nn.Linear(1, 1), [], []

    def loss(model, x):
        seen.extend(x.flatten().tolist())
        return model(x).square().mean()

    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    for epoch, losses in fit(model, loss, shuffled(data, 8), optimizer, range(3), 0):
        assert epoch == len(orders)
        assert losses.shape == (4,)
        orders.append(tuple(seen))
        seen.clear()
    assert all(sorted(order) == list(range(30)) for order in orders)
    assert len(set(orders)) == 3


def test_batches_do_not_depend_on_what_a_model_draws():
    def rows_seen(n_drawn):
        model, seen = nn.Linear(2, 1), []

        def loss(model, x):
            torch.rand(n_drawn)  # as dropout does
            seen.append(x)
            return model(x).square().mean()

        def batches(generator):
            return (torch.rand(4, 2, generator=generator) for _ in range(3))

        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        list(fit(model, loss, batches, optimizer, range(2), 0))
        return torch.cat(seen)

    assert torch.equal(rows_seen(0), rows_seen(7))


def test_a_step_follows_the_gradient_of_its_own_batch():
    # one weight w, loss (w - x)^2, SGD 0.25 from w = 0: w becomes the mean of w and x
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    optimizer = torch.optim.SGD(model.parameters(), 0.25)
    batches = [torch.tensor(4.0), torch.tensor(8.0)]
    run = fit(
        model, lambda m, x: (m.weight - x).square().sum(), lambda _: batches,
        optimizer, [1], seed=0,
    )  # fmt: skip
    _, losses = next(run)
    assert losses.tolist() == [16.0, 36.0]
    assert model.weight.item() == 5.0


def test_the_scheduler_steps_after_every_batch():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    used = []

    def loss(model, x):
        used.append(optimizer.param_groups[0]["lr"])
        return model(x).square().mean() * 1e-3

    run = fit(model, loss, shuffled(DATA, 16), optimizer, range(2), 0, scheduler)
    for epoch, losses in run:
        assert len(used) == len(losses) * (epoch + 1)
    assert used == [0.5**step for step in range(8)]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    assert equal(trained(1)[0], trained(1)[0])
    assert not equal(trained(1)[0], trained(2)[0])


@pytest.mark.parametrize("k", range(EPOCHS + 1))
def test_a_run_continued_after_k_epochs_equals_the_uninterrupted_one(k):
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = [loss for _, loss in training(model, optimizer, range(k))]
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    torch.manual_seed(987)
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    model.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    losses += [loss for _, loss in training(model, optimizer, range(k, EPOCHS))]
    weights, whole = trained()
    assert equal(model.state_dict(), weights)
    assert torch.equal(torch.cat(losses), torch.cat(whole))


def test_evaluating_and_drawing_between_epochs_changes_nothing():
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in training(model, optimizer, range(EPOCHS)):
        model.eval()
        torch.rand(17)
        in_chunks(model, DATA)
    assert equal(model.state_dict(), trained()[0])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_fault_22_a_loss_that_is_not_finite_names_epoch_and_step(value):
    model = nn.Linear(1, 1)
    data = [torch.zeros(1, 1), torch.full((1, 1), float(value)), torch.zeros(1, 1)]
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    run = fit(
        model, lambda model, x: x.sum() + 0 * model.bias.sum(),
        lambda _: data, optimizer, [7], 0,
    )  # fmt: skip
    with pytest.raises(Diverged, match=rf"{value} at epoch 7, step 2;"):
        next(run)


def test_fault_22_a_last_update_that_is_not_finite_is_an_error_too():
    # the slope of a square root at 0 is infinite while its value is not
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    run = fit(
        model, lambda model, _: model.weight.sqrt().sum(),
        lambda _: [None], optimizer, [3], 0,
    )  # fmt: skip
    with pytest.raises(Diverged, match=r"weight .* epoch 3, step 1;"):
        next(run)


@given(n=st.integers(1, 30), size=st.integers(1, 40))
def test_in_chunks_equals_the_whole(n, size):
    data, weight = torch.randn(n, 3), torch.ones(3, requires_grad=True)
    lengths = []

    def function(x):
        lengths.append(len(x))
        return x @ weight

    result = in_chunks(function, data, size)
    torch.testing.assert_close(result, function(data).detach())
    assert not result.requires_grad
    assert max(lengths[:-1]) <= size


def test_in_chunks_cuts_after_8192_rows_unless_told():
    lengths = []
    in_chunks(lambda x: lengths.append(len(x)) or x, torch.zeros(8193, 1))
    assert lengths == [8192, 1]
