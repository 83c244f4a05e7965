"""Optimizers equal torch's; Muon's matrices and AdamW's rest are all there is."""

import copy

import pytest
import torch
from torch import nn

from machinery.optimizers import (
    FlatAdam,
    StackedMuon,
    Together,
    muon_and_adamw,
    orthogonal,
    split_for_muon,
)
from machinery.training import fit, shuffled
from tests.helpers import assert_equal
from transformer import GPT

EPOCHS = 5
DATA = torch.randn(50, 2, generator=torch.Generator().manual_seed(3))


def make_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))


def squares(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return (model(x) - x.sum(1, keepdim=True)).square().mean()


def training(model, optimizer, epochs):
    return fit(model, squares, shuffled(DATA, 16), optimizer, epochs, seed=1)


def test_flat_adam_is_adam():
    weights = []
    for make in (FlatAdam, torch.optim.Adam):
        model = make_model()
        optimizer = make(model.parameters(), 0.01)
        losses = [loss for _, loss in training(model, optimizer, range(EPOCHS))]
        weights.append([*model.parameters(), *losses])
    for flat, plain in zip(*weights, strict=True):
        torch.testing.assert_close(flat, plain, rtol=1e-6, atol=1e-7)
    assert FlatAdam(make_model().parameters(), 0.01).defaults["fused"]  # what is fast


def test_flat_adam_goes_on_from_its_state_exactly():
    def epochs(model, optimizer, numbers):
        list(training(model, optimizer, numbers))
        return copy.deepcopy((model.state_dict(), optimizer.state_dict()))

    model = make_model()
    whole, _ = epochs(model, FlatAdam(model.parameters(), 0.01), range(4))
    model = make_model()
    half, state = epochs(model, FlatAdam(model.parameters(), 0.01), range(2))
    model = make_model()
    optimizer = FlatAdam(model.parameters(), 0.01)
    model.load_state_dict(half)
    optimizer.load_state_dict(state)
    rest, _ = epochs(model, optimizer, range(2, 4))
    assert_equal(dict(rest), dict(whole))
    assert not torch.equal(half["0.weight"], whole["0.weight"])


def test_flat_adam_keeps_a_shared_weight_shared():
    layers = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    layers[1].weight = layers[0].weight
    model = nn.Sequential(*layers)
    optimizer = FlatAdam(model.parameters(), 0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert layers[1].weight is layers[0].weight
    assert optimizer.vector.numel() == 9
    assert torch.equal(layers[0].weight.flatten(), optimizer.vector)


@pytest.mark.parametrize(
    "move",
    [
        nn.Module.double,
        nn.Module.bfloat16,
        lambda model: model.to("meta"),
        lambda model: model.double().float(),
        lambda model: model[2].half(),
    ],
    ids=["double", "bfloat16", "device", "there and back", "one layer"],
)
def test_flat_adam_refuses_to_step_when_the_model_has_moved_away(move):
    model = make_model()
    optimizer = FlatAdam(model.parameters(), 0.01)
    before = optimizer.vector.detach().clone()
    move(model)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    with pytest.raises(RuntimeError, match=r"make it after model\.to"):
        optimizer.step()
    assert torch.equal(optimizer.vector, before)


def test_flat_adam_steps_after_weights_were_loaded_or_the_model_was_where_it_is():
    model = make_model()
    optimizer = FlatAdam(model.parameters(), 0.01)
    model.load_state_dict(copy.deepcopy(model.state_dict()))
    model.to("cpu").float().eval().train()
    squares(model, DATA).backward()
    optimizer.step()
    flat = torch.cat([p.flatten() for p in model.parameters()])
    assert torch.equal(flat, optimizer.vector)


def test_muon_gets_the_matrices_of_a_gpt_s_blocks_and_adamw_everything_else():
    model = GPT(2, 2, 8, vocab_size=5, block_size=4)
    names = {id(p): name for name, p in model.named_parameters()}
    matrices, others = split_for_muon(model, model.h)
    layers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    expected = [f"h.{i}.{layer}.weight" for i in range(2) for layer in layers]
    assert [names[id(p)] for p in matrices] == expected
    rest = [name for name in names.values() if name not in expected]
    assert [names[id(p)] for p in others] == rest
    assert {"wte.weight", "h.0.attn.c_attn.bias", "h.1.ln_2.weight"} <= set(rest)


def muon_with_adamw(steps=10, warm_up=0.5):
    model = GPT(1, 2, 8, vocab_size=5, block_size=4)
    return model, *muon_and_adamw(
        model, model.h, steps, muon_lr=0.4, muon_weight_decay=0.3, adamw_lr=0.2,
        warm_up=warm_up,
    )  # fmt: skip


def test_the_rates_rise_along_a_line_and_fall_along_one_to_zero():
    model, optimizer, scheduler = muon_with_adamw()
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    rates = []
    for _ in range(11):
        rates.append([part.param_groups[0]["lr"] for part in optimizer.parts])
        optimizer.step()
        scheduler.step()
    shares = [0.2, 0.4, 0.6, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    torch.testing.assert_close(
        torch.tensor(rates), torch.tensor([[0.4 * s, 0.2 * s] for s in shares])
    )


def test_muon_and_adamw_share_out_the_model_each_with_its_own_settings():
    model, optimizer, _ = muon_with_adamw()
    muon, adamw = optimizer.parts
    assert isinstance(muon, StackedMuon)
    assert isinstance(adamw, torch.optim.AdamW)
    for part, wanted in zip(
        optimizer.parts, split_for_muon(model, model.h), strict=True
    ):
        found = part.param_groups[0]["params"]
        assert [id(p) for p in found] == [id(p) for p in wanted]
    assert muon.defaults["weight_decay"] == 0.3
    assert adamw.defaults["betas"] == (0.9, 0.99)
    assert adamw.defaults["weight_decay"] == 0.0
    assert adamw.defaults["fused"]


def test_parts_step_together_and_their_state_comes_back_whole():
    weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
    both = Together(*(torch.optim.Adam([p], 0.5) for p in weights))

    def step():
        for p in weights:
            p.grad = p.detach().clone()
        both.step()
        return [p.detach().clone() for p in weights]

    assert all((p != 1).all() for p in step())
    saved = copy.deepcopy(both.state_dict()), [p.detach().clone() for p in weights]
    after = step()
    both.zero_grad()
    assert all(p.grad is None for p in weights)
    both.load_state_dict(saved[0])
    for p, old in zip(weights, saved[1], strict=True):
        p.data = old
    assert_equal(step(), after)


def test_a_state_of_more_or_fewer_parts_is_refused():
    both = Together(*(torch.optim.SGD([nn.Parameter(torch.ones(1))]) for _ in "ab"))
    parts = both.state_dict()["parts"]
    for wrong in (parts[:1], parts + parts[:1]):
        with pytest.raises(ValueError, match="zip"):
            both.load_state_dict({"parts": wrong})
    with pytest.raises(KeyError, match="parts"):
        both.load_state_dict({})


def test_stacked_muon_leaves_a_matrix_without_slope_where_it_is():
    p = nn.Parameter(torch.ones(4, 3))
    p.grad = torch.zeros(4, 3)
    StackedMuon([p], 0.1, weight_decay=0.0).step()
    assert torch.equal(p.detach(), torch.ones(4, 3))


def test_a_matrix_that_blocks_share_is_given_to_muon_once():
    blocks = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
    blocks[1].weight = blocks[0].weight
    model = nn.Sequential(nn.Embedding(4, 3), *blocks)
    matrices, others = split_for_muon(model, blocks)
    assert [p is blocks[0].weight for p in matrices] == [True]
    assert len(others) == 3  # the embedding and two biases


def test_stacked_muon_is_torch_s_muon():
    torch.manual_seed(0)
    shapes = [(6, 4), (4, 6), (5, 5), (6, 4), (6, 4)]
    start = [torch.randn(shape) for shape in shapes]
    ours, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(2))
    made = (
        StackedMuon(ours, 0.02, weight_decay=0.3),
        torch.optim.Muon(theirs, 0.02, weight_decay=0.3),
    )
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape)
            b.grad = a.grad.clone()
        for optimizer in made:
            optimizer.step()
    moved = torch.cat([(p - q).flatten() for p, q in zip(ours, start, strict=True)])
    assert moved.abs().mean() > 0.01
    for a, b in zip(ours, theirs, strict=True):
        # torch's iterates in bfloat16, which has 8 bits
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)
    for optimizer in made:
        assert set(optimizer.state_dict()["state"][0]) == {"momentum_buffer"}


def test_stacked_muon_makes_every_update_orthogonal_enough():
    torch.manual_seed(0)
    matrices = [nn.Parameter(torch.zeros(8, 3)) for _ in range(2)]
    for p in matrices:
        p.grad = torch.randn(8, 3) * 100
    StackedMuon(matrices, 1.0, weight_decay=0.0).step()
    for p in matrices:
        values = torch.linalg.svdvals(p.detach()) / (8 / 3) ** 0.5
        assert 0.6 < values.min() < values.max() < 1.3


@pytest.mark.parametrize("shape", [(2, 7, 40), (3, 40, 7), (1, 5, 5)])
def test_steps_on_gram_matrices_are_steps_on_the_matrices(shape):
    """Against Newton and Schulz' iteration as Jordan et al. write it, in doubles."""
    torch.manual_seed(1)
    group = torch.optim.Muon([nn.Parameter(torch.zeros(2, 2))]).param_groups[0]
    matrices = torch.randn(shape)
    a, b, c = group["ns_coefficients"]
    wanted = []
    for matrix in matrices.double():
        x = matrix.T if shape[1] > shape[2] else matrix
        x = x / x.norm()
        for _ in range(group["ns_steps"]):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        wanted.append(x.T if shape[1] > shape[2] else x)
    for found, apart in (
        (orthogonal(matrices, group), 1e-4),
        (orthogonal(matrices.double(), group), 1e-10),
    ):
        torch.testing.assert_close(
            found.double(), torch.stack(wanted), atol=apart, rtol=0
        )


@pytest.mark.parametrize("shape", [(2, 7, 40), (3, 40, 7), (1, 5, 5)])
def test_gram_matrices_are_of_the_shorter_side_and_where_the_matrices_are(
    shape, monkeypatch
):
    group = torch.optim.Muon([nn.Parameter(torch.zeros(2, 2))]).param_groups[0]
    eye, sides = torch.eye, []
    monkeypatch.setattr(torch, "eye", lambda n, **k: sides.append(n) or eye(n, **k))
    found = orthogonal(torch.zeros(shape, device="meta"), group)
    assert found.shape == shape
    assert found.device.type == "meta"
    assert sides == [min(shape[1:])]


def test_stacked_muon_goes_on_from_its_state_exactly():
    def run(n_steps, state=None, weights=None):
        p = nn.Parameter(torch.ones(4, 3) if weights is None else weights.clone())
        optimizer = StackedMuon([p], 0.1)
        if state:
            optimizer.load_state_dict(state)
        for _ in range(n_steps):
            p.grad = p.detach().cos() + torch.arange(12.0).view(4, 3)
            optimizer.step()
        return optimizer.state_dict(), p.detach()

    state, weights = run(2)
    assert torch.equal(run(3)[1], run(1, state, weights)[1])
