"""Boxes with soft edges: their density, their gradients, and what they find."""

import itertools
import math

import pytest
import torch

from mixture_models import UMM
from mixtures import soft_umm
from tests.helpers import boxes, square_grid

SOFT = [[[0.0, 0.0], [0.3, -0.2], [-0.5, 0.4]], [[4.0, 4.0], [0.8, 1.5], [1.0, 0.5]]]


@pytest.mark.parametrize("temperature", [0.2, 0.05])
def test_soft_boxes_integrate_to_one(temperature):
    x, cell = square_grid(6, 600)
    model = boxes(*SOFT)
    total = soft_umm.soft_component_log_prob(model, x, temperature).exp().sum(0) * cell
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-3, rtol=0)


def test_a_soft_side_is_the_difference_of_two_sigmoids():
    x, _ = square_grid(2, 30)
    model = boxes(*SOFT)
    low, high = model.edges()
    side = torch.sigmoid((x[:, None] - low) / 0.1) - torch.sigmoid(
        (x[:, None] - high) / 0.1
    )
    expected = (side / (high - low)).prod(-1)
    found = soft_umm.soft_component_log_prob(model, x, 0.1).exp()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-6)


def test_soft_boxes_tend_to_the_hard_ones_as_the_temperature_falls():
    x, cell = square_grid(3, 400)
    model = boxes(*SOFT)
    hard = model(x).exp()
    gaps = [
        (soft_umm.soft_joint_log_prob(model, x, t).logsumexp(1).exp() - hard).abs()
        for t in (0.3, 0.1, 0.03, 0.01)
    ]
    gaps = [(gap.sum() * cell).item() for gap in gaps]
    assert all(after < before / 2 for before, after in itertools.pairwise(gaps))
    assert gaps[-1] < 0.1


def test_soft_boxes_pull_far_points_with_finite_gradients():
    model = boxes(*SOFT)
    x = torch.tensor([[50.0, -50.0], [0.1, 0.1], [2.1, 0.0]], dtype=torch.float64)
    soft_umm.soft_joint_log_prob(model, x, 1e-3).logsumexp(1).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.centers.grad.any()


def test_two_planted_boxes_are_found():
    generator = torch.Generator().manual_seed(0)
    low = torch.tensor([[0.0, 0.0], [-3.0, -3.0]])
    side = torch.tensor([[1.0, 1.0], [0.5, 2.0]])
    u = torch.rand(2, 3000, 2, generator=generator)
    x = (low[:, None] + side[:, None] * u).flatten(0, 1)
    torch.manual_seed(0)
    model = UMM(9)
    soft_umm.start_boxes(model, x, generator)
    start = model.centers[0].clone()
    with torch.no_grad():
        before = model(x).mean()
        with torch.enable_grad():
            list(soft_umm.anneal(model, x, 0, epochs=30, batch_size=500))
        after = model(x).mean()
        truth = math.log(0.5)  # two boxes of area one
        assert before + 0.3 < after
        assert truth - 0.25 < after < truth + 0.05
        assert torch.equal(model.centers[0], start)  # the background stays
        assert model.inside(x)[:, 0].all()
        share = model.log_sizes[1:].sum(1).exp() / (x.amax(0) - x.amin(0)).prod()
        assert (share <= 1.001 / 9).all()


def blob(n: int) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


def annealed(x: torch.Tensor, **options) -> UMM:
    model = UMM(4)
    soft_umm.start_boxes(model, x, torch.Generator().manual_seed(0))
    list(soft_umm.anneal(model, x, 0, **options))
    return model


def test_the_temperature_falls_to_the_cold_one_within_the_training(monkeypatch):
    seen = []
    soft = soft_umm.soft_joint_log_prob

    def noted(umm, x, temperature):
        if umm.centers.requires_grad and torch.is_grad_enabled():
            seen.append(temperature)
        return soft(umm, x, temperature)

    monkeypatch.setattr(soft_umm, "soft_joint_log_prob", noted)
    annealed(blob(90), epochs=5, batch_size=30)
    expected = [0.1 * (0.001 / 0.1) ** (step / 15) for step in range(15)]
    assert seen == pytest.approx(expected)


def test_a_trained_mixture_has_no_hooks_left():
    model = annealed(blob(60), epochs=1, batch_size=30)
    model.loss_function(model(blob(60))).backward()
    assert model.log_sizes.grad[0].all()  # the background's too
    assert not model.centers._backward_hooks
    assert not model.log_sizes._backward_hooks


def test_a_box_that_is_too_large_shrinks_and_the_background_does_not():
    x = blob(200)
    model = UMM(4)
    soft_umm.start_boxes(model, x, torch.Generator().manual_seed(0))
    background = model.log_sizes[0].detach().clone()
    with torch.no_grad():
        model.log_sizes[1] = math.log(100)
    list(soft_umm.anneal(model, x, 0, epochs=1, batch_size=50))
    areas = model.log_sizes.sum(1).exp() / (x.amax(0) - x.amin(0)).prod()
    assert (areas[1:] <= 1.001 / 4).all()
    assert areas[1] > 0.9 / 4  # no smaller than it has to be
    assert torch.equal(model.log_sizes[0], background)


def test_every_batch_is_watched():
    steps = []

    def watch(batches):
        for batch in batches:
            steps.append(len(batch))
            yield batch

    annealed(blob(70), epochs=2, batch_size=30, watch=watch)
    assert steps == [30, 30, 10] * 2
