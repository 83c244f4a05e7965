"""The fast fit and its start from clusters."""

import math
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from machinery.training import seed_epoch, shuffled
from mixture_models import GMM
from mixtures import fast_gmm
from mixtures.clusters import find_clusters, k_means_plus_plus
from mixtures.config import GmmConfig
from mixtures.data import Places
from mixtures.fast_gmm import LEAST_VARIANCE, fit_fast, start_from_data
from mixtures.runs import Run

CENTRES = torch.tensor([[-4.0, 0.0], [0.0, 3.0], [5.0, -2.0]])
DEVIATIONS = torch.tensor([[0.3, 1.0], [0.8, 0.2], [0.5, 0.5]])


def planted(n_each: int = 2000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, n_each, 2, generator=generator)
    return (CENTRES[:, None] + DEVIATIONS[:, None] * noise).flatten(0, 1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_centres_are_points_of_the_data_and_never_one_twice(seed, k):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20, 2, generator=generator)
    centers = k_means_plus_plus(x, k, generator)
    assert centers.shape == (k, 2)
    assert all((x == center).all(1).any() for center in centers)
    assert len(centers.unique(dim=0)) == k


def test_clusters_have_the_moments_of_their_points():
    x = planted()
    weights, means, variances = find_clusters(x, 3, torch.Generator().manual_seed(1))
    order = means[:, 0].argsort()
    torch.testing.assert_close(means[order], CENTRES, atol=0.1, rtol=0)
    torch.testing.assert_close(
        variances[order], DEVIATIONS.square(), atol=0.05, rtol=0.1
    )
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3), atol=0.02, rtol=0)


def test_a_cluster_has_its_share_and_a_lone_point_is_one():
    near = [[-9e3], [1e4], [1e4 + 1], [3e4], [3e4 + 1], [3e4 + 1], [3e4 + 2]]
    x = torch.tensor(near, dtype=torch.float64)
    found = find_clusters(x, 3, torch.Generator().manual_seed(0))
    order = found.means[:, 0].argsort()
    weights, means, variances = (part[order].flatten().tolist() for part in found)
    assert weights == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert means == pytest.approx([-9e3, 1e4 + 0.5, 3e4 + 1])
    assert variances == pytest.approx([0, 0.25, 0.5], abs=1e-5)


def test_a_cluster_of_very_few_keeps_a_thousandth():
    x = torch.zeros(2000, 1)
    x[7] = 1
    weights = find_clusters(x, 2, torch.Generator().manual_seed(0)).weights
    wanted = torch.tensor([0.001, 0.9995]) / 1.0005
    torch.testing.assert_close(weights.sort().values, wanted)


def test_equal_points_still_start_with_a_variance():
    gmm = GMM(2)
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(10, 1)
    start_from_data(gmm, x, torch.Generator().manual_seed(0))
    floor = torch.full((2, 2), LEAST_VARIANCE)
    torch.testing.assert_close(gmm.log_variances.exp(), floor)


def test_the_fit_reaches_the_planted_likelihood_and_parameters():
    x = planted()
    truth = GMM(3)
    with torch.no_grad():
        truth.logits.zero_()
        truth.means.copy_(CENTRES)
        truth.log_variances.copy_(DEVIATIONS.square().log())
    gmm = fit_fast(3, x, seed=0)
    with torch.no_grad():
        assert gmm(x).mean() > truth(x).mean() - 0.01
    order = gmm.means[:, 0].argsort()
    torch.testing.assert_close(gmm.means[order], CENTRES, atol=0.1, rtol=0)


def test_the_fit_depends_on_the_seed_alone():
    x = planted(100)
    one, again, other = (fit_fast(4, x, seed, epochs=2).means for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_points_may_have_any_number_of_dimensions():
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    assert fit_fast(2, x, seed=0, epochs=1).means.shape == (2, 3)


def test_the_step_decays_to_nothing_as_half_a_cosine(adam_rates):
    fit_fast(2, planted(3000), seed=0, epochs=3)  # five batches each
    expected = [0.05 * (1 + math.cos(math.pi * step / 15)) for step in range(15)]
    assert adam_rates == pytest.approx(expected)


def test_a_fast_run_is_measured_as_the_exercise_s_are(loaded):
    run = fast_gmm.run_fast(GmmConfig(epochs=3), loaded, 7)
    assert torch.equal(run.model.means, fit_fast(3, loaded.train, 7, epochs=3).means)
    (row,) = run.rows
    assert (row["n_components"], row["start"], row["seed"]) == (3, "clusters", 7)
    for split in ("train", "test"):
        mean = run.model(getattr(loaded, split)).mean().item()
        assert row[f"{split}_log_likelihood"] == pytest.approx(mean, abs=1e-5)


def test_a_fast_run_says_its_seed_and_its_seconds(loaded):
    began = time.perf_counter()
    run = fast_gmm.run_fast(GmmConfig(epochs=1), loaded, 7)
    assert 0 < run.seconds < time.perf_counter() - began
    assert (run.start, run.seed) == ("clusters", 7)


def test_a_fast_run_s_batches_are_watched_as_the_seed_draws_them(loaded):
    seen = []

    def watch(batches):
        seen.extend(batches)
        return batches

    fast_gmm.run_fast(GmmConfig(epochs=2), loaded, 7, watch=watch)
    x = loaded.train
    drawn = [b for epoch in (1, 2) for b in shuffled(x, 2048)(seed_epoch(7, epoch))]
    assert len(seen) == 2
    assert all(map(torch.equal, seen, drawn))


def test_places_on_another_device_are_fitted_on_the_processor(loaded, monkeypatch):
    elsewhere = loaded.to("meta")
    monkeypatch.setattr(Places, "to", lambda self, device: {"cpu": loaded}[device])
    run = fast_gmm.run_fast(GmmConfig(epochs=1), elsewhere, 7)
    assert torch.equal(run.model.means, fit_fast(3, loaded.train, 7, epochs=1).means)


def test_no_more_epochs_than_the_exercise_s_runs():
    assert fast_gmm.n_epochs(GmmConfig(epochs=7)) == 7
    assert fast_gmm.n_epochs(GmmConfig(epochs=400)) == 15


def measured_runs(*tests: float) -> list[Run]:
    """Runs of four components with these test log-likelihoods, in 1, 2, ... seconds."""
    return [
        Run(GMM(4), "clusters", i, [{"test_log_likelihood": test}], seconds=float(i))
        for i, test in enumerate(tests, 1)
    ]


@pytest.mark.parametrize(
    ("tests", "head", "numbers"),
    [
        (
            (-2.5, -1.0, -2.0), "K = 4, 3 seeds:",
            "test log-likelihood -2.0000 (median; -2.5000 to -1.0000) nats per place, "
            "in 2.0 s",
        ),
        (
            (-1.25,), "K = 4, 1 seeds:",
            "test log-likelihood -1.2500 (median; -1.2500 to -1.2500) nats per place, "
            "in 1.0 s",
        ),
    ],
)  # fmt: skip
def test_the_fast_fits_are_told_by_median_and_range(tests, head, numbers):
    first, second = fast_gmm.describe(measured_runs(*tests)).splitlines()
    assert first.endswith(head)
    assert second.strip() == numbers


def test_the_summary_of_fast_fits_holds_each_one_s_numbers_and_seconds():
    assert fast_gmm.summarise(measured_runs(-2.5, -1.0)) == [
        {"test_log_likelihood": -2.5, "seconds": 1.0},
        {"test_log_likelihood": -1.0, "seconds": 2.0},
    ]
