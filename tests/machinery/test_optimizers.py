"""Optimizers equal torch's; Muon's matrices and AdamW's rest are all there is."""

import copy

import pytest
import torch
from torch import nn

from machinery.optimizers import (
    FlatAdam,
    StackedMuon,
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
    found = orthogonal(matrices, group)
    torch.testing.assert_close(found.double(), torch.stack(wanted), atol=1e-4, rtol=0)


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
