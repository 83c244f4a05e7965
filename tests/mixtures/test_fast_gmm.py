"""The fast fit and its start from clusters."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mixture_models import GMM
from mixtures import fast_gmm
from mixtures.clusters import find_clusters, k_means_plus_plus
from mixtures.config import GmmConfig
from mixtures.fast_gmm import LEAST_VARIANCE, fit_fast, start_from_data

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


def test_the_step_decays_to_nothing(monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def noted(self, *arguments, **keywords):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    fit_fast(2, planted(3000), seed=0, epochs=3)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.005
    assert (np.diff(rates) < 0).all()


def test_a_fast_run_is_measured_as_the_exercise_s_are(loaded):
    run = fast_gmm.run_fast(GmmConfig(epochs=3), loaded, 7)
    assert torch.equal(run.model.means, fit_fast(3, loaded.train, 7, epochs=3).means)
    (row,) = run.rows
    assert (row["n_components"], row["start"], row["seed"]) == (3, "clusters", 7)
    for split in ("train", "test"):
        mean = run.model(getattr(loaded, split)).mean().item()
        assert row[f"{split}_log_likelihood"] == pytest.approx(mean, abs=1e-5)


def test_no_more_epochs_than_the_exercise_s_runs():
    assert fast_gmm.n_epochs(GmmConfig(epochs=7)) == 7
    assert fast_gmm.n_epochs(GmmConfig(epochs=400)) == 15
