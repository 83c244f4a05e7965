"""Boxes with soft edges: their density, their gradients, and what they find."""

import itertools
import math

import pytest
import torch

from machinery.training import seed_epoch, shuffled
from mixture_models import UMM
from mixtures import soft_umm
from mixtures.clusters import find_clusters
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


def test_points_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter than argument 1"):
        soft_umm.soft_component_log_prob(boxes(*SOFT), torch.zeros(5, 3), 0.1)


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


def started(x: torch.Tensor) -> UMM:
    model = UMM(4)
    soft_umm.start_boxes(model, x, torch.Generator().manual_seed(0))
    return model


def annealed(x: torch.Tensor, **options) -> UMM:
    model = started(x)
    list(soft_umm.anneal(model, x, 0, **options))
    return model


def test_the_background_spans_the_places_with_a_margin_and_little_weight():
    x = blob(200) * torch.tensor([3.0, 1.0]) + torch.tensor([20.0, 0.0])
    model = started(x)
    low, high = (edge[0] for edge in model.edges())
    margin = 0.04 * (x.amax(0) - x.amin(0))
    torch.testing.assert_close(low, x.amin(0) - margin)
    torch.testing.assert_close(high, x.amax(0) + margin)
    assert model.logits.softmax(0)[0].item() == pytest.approx(0.01)


def test_the_other_boxes_start_with_the_moments_of_clusters():
    x = torch.cat([blob(200), torch.full((64, 2), 8.0)])  # no variance in these
    clusters = find_clusters(x, 3, torch.Generator().manual_seed(0))
    model = started(x)
    assert torch.equal(model.centers[1:], clusters.means)
    torch.testing.assert_close(model.logits.softmax(0)[1:], 0.99 * clusters.weights)
    sides = model.log_sizes[1:].exp()
    thin = (clusters.means == 8).all(1)
    assert thin.sum() == 1
    torch.testing.assert_close(sides[thin], torch.full((1, 2), 0.05))
    variances = sides.square() / 12  # of a uniform density
    torch.testing.assert_close(variances[~thin], clusters.variances[~thin])


def test_the_temperature_falls_to_the_cold_one_within_the_training(monkeypatch):
    seen = []
    soft = soft_umm.soft_joint_log_prob

    def noted(umm, x, temperature):
        if umm.centers.requires_grad and torch.is_grad_enabled():
            seen.append(temperature)
        return soft(umm, x, temperature)

    monkeypatch.setattr(soft_umm, "soft_joint_log_prob", noted)
    model = started(blob(90))
    last = list(soft_umm.anneal(model, blob(90), 0, epochs=5, batch_size=30))
    expected = [0.1 * (0.001 / 0.1) ** (step / 15) for step in range(15)]
    assert seen == pytest.approx(expected)
    assert last == pytest.approx(expected[2::3])  # of each epoch


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


def test_the_step_falls_as_half_a_cosine(adam_rates):
    annealed(blob(90), epochs=4, batch_size=30)
    expected = [0.05 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    assert adam_rates == pytest.approx(expected)


def test_every_batch_is_watched_as_the_seed_draws_it():
    seen = []

    def watch(batches):
        for batch in batches:
            seen.append(batch)
            yield batch

    x = blob(70)
    annealed(x, epochs=2, batch_size=30, watch=watch)
    assert list(map(len, seen)) == [30, 30, 10] * 2
    drawn = [b for epoch in (1, 2) for b in shuffled(x, 30)(seed_epoch(0, epoch))]
    assert all(map(torch.equal, seen, drawn))


def test_boxes_are_moved_once_a_tenth_until_six_tenths(monkeypatch):
    judged, seen = [], []

    def move(umm, x, temperature):
        judged.append((len(seen) + 1, x, temperature))

    monkeypatch.setattr(soft_umm, "move_idle_boxes", move)
    monkeypatch.setattr(soft_umm, "CLUSTERED", 15)

    def train(watch):
        judged.clear(), seen.clear()
        for last in soft_umm.anneal(
            started(x), x, 0, epochs=15, batch_size=20, watch=watch
        ):
            seen.append(last)
        return list(judged)

    def drawing(batches):
        torch.rand(1)
        return batches

    x = blob(40)
    one, other = train(iter), train(drawing)
    assert [epoch for epoch, _, _ in one] == [1, 3, 4, 6, 7, 9]
    assert [t for _, _, t in one] == [seen[epoch - 1] for epoch, _, _ in one]
    # thirty of the places, which depend on the seed alone
    assert {len(some) for _, some, _ in one} == {30}
    assert all(
        torch.equal(a, b) for (_, a, _), (_, b, _) in zip(one, other, strict=True)
    )


# the background, two boxes on places, and one far from all of them
PLACED = [
    [[0.0, 0.0], [-2.0, 0.0], [3.0, 1.0], [40.0, 40.0]],
    [[90.0, 90.0], [6.0, 1.0], [1.0, 2.0], [1.0, 1.0]],
]


def places_in(model: UMM, *counts: int) -> torch.Tensor:
    """Return counts[k] places of each box k."""
    generator = torch.Generator().manual_seed(0)
    which = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return model.component_sample(which, generator).detach()


def test_an_idle_box_takes_half_of_the_heaviest():
    weights = torch.tensor([0.5, 0.3, 0.19, 0.01], dtype=torch.float64)
    model = boxes(*PLACED, logits=weights.log().tolist())
    x = places_in(model, 0, 600, 300, 0)
    assert soft_umm.move_idle_boxes(model, x, 0.01) == 1
    # the longer side of box 1 is halved, and not the background, heavier as it is
    halved = boxes(
        [[0.0, 0.0], [-3.5, 0.0], [3.0, 1.0], [-0.5, 0.0]],
        [[90.0, 90.0], [3.0, 1.0], [1.0, 2.0], [3.0, 1.0]],
    )
    torch.testing.assert_close(model.centers, halved.centers)
    torch.testing.assert_close(model.log_sizes, halved.log_sizes)
    expected = torch.tensor([0.5, 0.15, 0.19, 0.15], dtype=torch.float64)
    torch.testing.assert_close(model.logits.exp(), expected)


def test_a_box_that_few_places_need_is_idle():
    # nothing but box 3 holds one place of 2,000, nor but box 2 a hundred
    model = boxes(*PLACED, logits=[-70.0, -0.1, -3.0, -7.5])
    x = places_in(model, 0, 1899, 100, 1)
    assert soft_umm.move_idle_boxes(model, x, 0.001) == 1
    assert model.centers[:, 0].tolist() == pytest.approx([0, -3.5, 3, -0.5])


def test_no_more_boxes_are_moved_than_there_are_to_halve():
    model = boxes(*PLACED, logits=[0.0, 0.0, 0.0, 0.0])
    x = places_in(model, 0, 500)
    assert soft_umm.move_idle_boxes(model, x, 0.01) == 1
    assert model.centers[:, 0].tolist() == pytest.approx([0, -3.5, -0.5, 40])
