"""The uniform mixture: hard boxes against their definition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Uniform

from mixture_models import OUTSIDE, UMM
from tests.helpers import boxes, square_grid, umm

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


@given(seeds, sizes, st.integers(1, 4), st.integers(1, 50))
def test_shapes(seed, k, d, n):
    model = umm(k, d, seed)
    x = torch.zeros(n, d, dtype=torch.float64)
    assert model(x).shape == (n,)
    assert model.component_log_prob(x).shape == model.inside(x).shape == (n, k)
    assert model.sample(n).shape == model.conditional_sample(n, k - 1).shape == (n, d)
    assert (model.logits.shape, model.centers.shape) == ((k,), (k, d))


def test_the_start_is_the_exercise_s():
    torch.manual_seed(0)
    model = UMM(5000)
    sides = model.log_sizes.exp()
    assert 0.999 <= sides.min() < 1.01
    assert 1.19 < sides.max() <= 1.201
    for parameter in (model.logits, model.centers):
        assert abs(parameter.mean()) < 0.05
        assert abs(parameter.std() - 1) < 0.05


def test_the_locations_are_the_centers_themselves():
    model = UMM(3)
    assert model.locations is model.centers
    assert [*model.state_dict()] == ["logits", "centers", "log_sizes"]


@given(seeds, sizes, st.integers(1, 3))
def test_inside_the_support_it_is_torch_s_mixture_of_uniforms(seed, k, d):
    model = umm(k, d, seed)
    low, high = model.edges()
    reference = MixtureSameFamily(
        Categorical(logits=model.logits),
        Independent(Uniform(low, high, validate_args=False), 1),
        validate_args=False,
    )
    torch.manual_seed(seed + 1)
    x = model.sample(50) * (1 - 1e-9)  # away from upper edges, which torch excludes
    inside = model(x) > OUTSIDE
    torch.testing.assert_close(model(x)[inside], reference.log_prob(x)[inside])


@given(st.floats(-10, 10), st.floats(0.01, 10))
def test_both_edges_belong_to_the_box(center, side):
    model = boxes([[center, center]], [[side, side]])
    low, high = (edge[0].detach() for edge in model.edges())
    corners = torch.stack([low, high, torch.stack([low[0], high[1]])])
    assert model.inside(corners).all()
    past = torch.nextafter(high, torch.tensor(math.inf, dtype=high.dtype))
    below = torch.nextafter(low, torch.tensor(-math.inf, dtype=low.dtype))
    for d in range(2):
        for neighbour in (past, below):
            x = ((low + high) / 2).clone()
            x[d] = neighbour[d]
            assert not model.inside(x[None]).any()


def test_the_edge_of_a_float32_box_is_compared_as_it_is_rounded():
    torch.manual_seed(0)
    model = UMM(2000)
    low, high = model.edges()
    assert model.inside(low.detach()).diagonal().all()
    assert model.inside(high.detach()).diagonal().all()


@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_density_integrates_to_one(k):
    model = umm(k)
    with torch.no_grad():
        model.centers.mul_(0.5)
    x, cell = square_grid(4, 1600)
    log_prob = model(x)
    assert (log_prob[log_prob > OUTSIDE].exp().sum() * cell).item() == pytest.approx(
        1, abs=0.01
    )


def test_outside_every_box_is_minus_a_million_exactly():
    model = boxes([[0.0, 0.0], [5.0, 5.0]], [[1.0, 1.0], [1.0, 1.0]])
    x = torch.tensor([[0.0, 0.0], [2.0, 2.0], [1e8, 0.0]], dtype=torch.float64)
    assert model(x).tolist() == [pytest.approx(math.log(0.5)), -1e6, -1e6]
    assert model.component_log_prob(x).tolist()[0] == [0.0, -1e6]


@given(seeds, sizes)
def test_samples_lie_in_the_box_they_were_drawn_from(seed, k):
    torch.manual_seed(seed)
    model = UMM(k)
    with torch.no_grad():
        model.centers.mul_(1000)  # where float32 rounds coarsely
    for label in range(k):
        assert model.inside(model.conditional_sample(200, label))[:, label].all()
    assert (model(model.sample(500)) > OUTSIDE).all()


def test_samples_fill_their_box_evenly():
    model = boxes([[3.0, -1.0]], [[2.0, 6.0]])
    x = model.sample(40_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), model.centers[0].detach(), atol=0.05, rtol=0)
    variance = torch.tensor([2.0, 6.0], dtype=torch.float64).square() / 12
    torch.testing.assert_close(x.var(0), variance, rtol=0.03, atol=0)


@given(seeds, sizes)
def test_centers_get_no_gradient_at_all(seed, k):
    model = umm(k, seed=seed)
    model.loss_function(model(model.sample(20))).backward()
    assert model.centers.grad is None
    assert model.log_sizes.grad is not None


@given(seeds, sizes)
def test_uncovered_points_contribute_no_gradient(seed, k):
    torch.manual_seed(seed)
    model = UMM(k)  # float32, whose spacing at -1e6 is 0.0625
    inside = model.sample(7)
    far = torch.full((5, 2), 1e4)
    model(inside).sum().backward()
    expected = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model(torch.cat([inside, far])).sum().backward()
    for name, gradient in expected.items():
        torch.testing.assert_close(model.get_parameter(name).grad, gradient)
    model.zero_grad()
    model(far).sum().backward()
    assert not model.logits.grad.any()
    assert not model.log_sizes.grad.any()


@given(seeds, sizes)
def test_the_gradient_shrinks_every_occupied_box(seed, k):
    model = umm(k, seed=seed)
    x = model.sample(60)
    occupied = model.inside(x).any(0)
    model.loss_function(model(x)).backward()
    assert (model.log_sizes.grad[occupied] > 0).all()  # descent goes down
    assert (model.log_sizes.grad[~occupied] == 0).all()


def test_a_box_e_to_the_60_times_denser_still_counts_the_other():
    model = boxes([[0.0, 0.0], [9.0, 9.0]], [[1e-20, 1e-20], [1e10, 1e10]])
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    expected = math.log(0.5) - 20 * math.log(10)
    assert model(x).item() == pytest.approx(expected, rel=1e-12)
