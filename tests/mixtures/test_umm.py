"""The uniform mixture: hard boxes against their definition, and the soft ones."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Uniform

from machinery.progress import Progress
from mixture_models import OUTSIDE, UMM
from mixtures import soft_umm
from tests.helpers import run_driver
from train_umm import measure, union_area

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def umm(n_components: int, n_dims: int = 2, seed: int = 0) -> UMM:
    torch.manual_seed(seed)
    return UMM(n_components, n_dims).double()


def boxes(centers, sides, logits=None) -> UMM:
    model = umm(len(centers), len(centers[0]))
    with torch.no_grad():
        model.centers.copy_(torch.tensor(centers, dtype=torch.float64))
        model.log_sizes.copy_(torch.tensor(sides, dtype=torch.float64).log())
        model.logits.copy_(torch.tensor(logits or [0.0] * len(centers)))
    return model


def grid(half: float, n: int) -> tuple[torch.Tensor, float]:
    line = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * half - half
    return torch.cartesian_prod(line, line), (2 * half / n) ** 2


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
    x, cell = grid(4, 1600)
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


def test_measure_explains_the_mean():
    log_likelihood = torch.tensor([-1.0, OUTSIDE, -3.0, OUTSIDE])
    assert measure(log_likelihood) == {
        "log_likelihood": -500_001.0,
        "coverage": 0.5,
        "covered_log_likelihood": -2.0,
    }
    assert math.isnan(measure(torch.tensor([OUTSIDE]))["covered_log_likelihood"])


def test_the_union_s_area_counts_overlaps_once():
    low, high = (
        np.array([[0.0, 0], [1, 1], [9, 9]]),
        np.array([[2.0, 2], [3, 3], [9, 9]]),
    )
    assert union_area(low, high) == pytest.approx(4 + 4 - 1)


@given(seeds, st.integers(1, 8))
def test_the_union_s_area_is_that_of_many_darts(seed, k):
    random = np.random.default_rng(seed)
    low = random.uniform(0, 0.7, (k, 2))
    high = low + random.uniform(0.05, 0.3, (k, 2))
    darts = random.uniform(0, 1, (20_000, 1, 2))
    hit = ((low <= darts) & (darts <= high)).all(-1).any(-1).mean()
    assert union_area(low, high) == pytest.approx(hit, abs=0.02)


SOFT = [[[0.0, 0.0], [0.3, -0.2], [-0.5, 0.4]], [[4.0, 4.0], [0.8, 1.5], [1.0, 0.5]]]


@pytest.mark.parametrize("temperature", [0.2, 0.05])
def test_soft_boxes_integrate_to_one(temperature):
    x, cell = grid(6, 600)
    model = boxes(*SOFT)
    total = soft_umm.soft_component_log_prob(model, x, temperature).exp().sum(0) * cell
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-3, rtol=0)


def test_a_soft_side_is_the_difference_of_two_sigmoids():
    x, _ = grid(2, 30)
    model = boxes(*SOFT)
    low, high = model.edges()
    side = torch.sigmoid((x[:, None] - low) / 0.1) - torch.sigmoid(
        (x[:, None] - high) / 0.1
    )
    expected = (side / (high - low)).prod(-1)
    found = soft_umm.soft_component_log_prob(model, x, 0.1).exp()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-6)


def test_soft_boxes_tend_to_the_hard_ones_as_the_temperature_falls():
    x, cell = grid(3, 400)
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
    with Progress(1) as progress, torch.no_grad():
        before = model(x).mean()
        with torch.enable_grad():
            list(soft_umm.anneal(model, x, 0, progress, epochs=30, batch_size=500))
        after = model(x).mean()
        truth = math.log(0.5)  # two boxes of area one
        assert before + 0.3 < after
        assert truth - 0.25 < after < truth + 0.05
        assert torch.equal(model.centers[0], start)  # the background stays
        assert model.inside(x)[:, 0].all()
        share = model.log_sizes[1:].sum(1).exp() / (x.amax(0) - x.amin(0)).prod()
        assert (share <= 1.001 / 9).all()


def test_the_driver_writes_every_promised_file(places, tmp_path):
    def run(name):
        return run_driver(
            "train_umm.py", "--data-dir", places, "--epochs", 2, "--n-seeds", 2,
            "--output-dir", tmp_path / name, cwd=tmp_path,
        )  # fmt: skip

    finished = run("a")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    names = {path.name for path in (tmp_path / "a").iterdir()} - {".lock"}
    assert names == {
        "metrics.csv", "summary.json", "model.pt", "annealed_model.pt",
        "annealed_map.png", "q1_samples.png", "q2_samples_random_start.png",
        "q2_samples_country_start.png", "q2_log_likelihood.png", "q2_starts.png",
        "trends.png",
    }  # fmt: skip
    assert "sides ever grew" in finished.stdout
    assert all(name in finished.stdout for name in names)
    assert run("b").returncode == 0
    first, again = ((tmp_path / d / "metrics.csv").read_bytes() for d in "ab")
    assert first == again
