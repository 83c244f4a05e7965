"""Trainings: their start, their epochs, their numbers; files that are no mixture."""

import math

import numpy as np
import pytest
import torch

from machinery import checkpoint
from machinery.errors import Diverged
from machinery.training import fit, shuffled
from mixture_models import GMM, OUTSIDE
from mixtures.config import GmmConfig
from mixtures.runs import (
    BOXES,
    GAUSSIANS,
    Run,
    load_mixture,
    measure_coverage,
    model_file,
    record,
    train,
)

EPOCHS = 3
CONFIG = GmmConfig(epochs=EPOCHS, batch_size=128)


def trained(loaded, n_components=3, start="random", seed=42, kind=GAUSSIANS) -> Run:
    *_, run = train(kind, CONFIG, loaded, n_components, start, seed)
    return run


@pytest.mark.parametrize("kind", [GAUSSIANS, BOXES])
def test_the_country_start_puts_a_component_on_each_country(loaded, kind):
    start = trained(loaded, start="country", kind=kind).at(0)
    assert torch.equal(start.locations, loaded.country_means)


def test_the_random_start_is_standard_normal_and_seeded(loaded):
    one, again, other = (trained(loaded, seed=seed).at(0) for seed in (1, 1, 2))
    assert torch.equal(one.means, again.means)
    assert not torch.equal(one.means, other.means)
    assert not torch.equal(one.means, loaded.country_means)


def test_both_starts_share_the_weights_that_the_seed_gives(loaded):
    random, country = (trained(loaded, start=s, seed=5) for s in ("random", "country"))
    assert torch.equal(random.at(0).logits, country.at(0).logits)


def test_a_run_records_the_start_and_every_epoch(loaded):
    run = trained(loaded)
    assert [row["epoch"] for row in run.rows] == list(range(EPOCHS + 1))
    for split in ("train", "test"):
        for epoch, value in enumerate(run.curve(f"{split}_log_likelihood")):
            with torch.no_grad():
                expected = run.at(epoch)(getattr(loaded, split)).mean()
            assert value == pytest.approx(expected.item(), abs=1e-5)
    assert torch.equal(run.at(-1).means, run.model.means)
    assert not torch.equal(run.at(-1).means, run.at(0).means)


def test_a_run_grows_by_an_epoch_from_before_the_training_on(loaded):
    seen = [
        (len(run.rows), len(run.states), run.last_epoch)
        for run in train(GAUSSIANS, CONFIG, loaded, 3, "random", 42)
    ]
    assert seen == [(1, 1, 0), (2, 2, 1), (3, 3, 2), (4, 4, 3)]


def test_a_run_is_adam_on_batches_that_its_own_seed_draws(loaded):
    torch.manual_seed(9)
    model = GMM(3)
    adam = torch.optim.Adam(model.parameters(), 0.01)
    batches = shuffled(loaded.train, 128)
    for _ in fit(model, lambda m, x: -m(x).mean(), batches, adam, range(1, 4), 9):
        pass
    found = trained(loaded, seed=9).at(-1)
    for one, other in zip(model.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_a_run_does_not_depend_on_the_runs_before_it(loaded):
    one = trained(loaded, seed=8)
    trained(loaded, n_components=5, seed=9)
    assert trained(loaded, seed=8).rows == one.rows


def test_training_raises_the_likelihood(loaded):
    for start in ("random", "country"):
        curve = trained(loaded, start=start).curve("train_log_likelihood")
        assert (np.diff(curve) > 0).all()


def test_measure_explains_the_mean():
    log_likelihood = torch.tensor([-1.0, OUTSIDE, -3.0, OUTSIDE])
    assert measure_coverage(log_likelihood) == {
        "log_likelihood": -500_001.0,
        "coverage": 0.5,
        "covered_log_likelihood": -2.0,
    }
    nothing = measure_coverage(torch.tensor([OUTSIDE]))
    assert math.isnan(nothing["covered_log_likelihood"])


@pytest.mark.parametrize("kind", [GAUSSIANS, BOXES])
def test_every_measured_quantity_has_a_label(kind):
    assert kind.measure(torch.tensor([-1.0])).keys() == kind.quantities.keys()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_mean_that_is_not_finite_is_divergence_and_leaves_no_row(split):
    run = Run(GMM(3), "random", 42)
    means = {"train_log_likelihood": -1.0, "test_log_likelihood": -1.0}
    with pytest.raises(Diverged, match=f"the {split} log-likelihood became nan after"):
        record(run, 7, means | {f"{split}_log_likelihood": math.nan})
    assert run.rows == run.states == []


def test_snapshots_say_which_epoch_of_which_run_they_are(loaded):
    run = trained(loaded)
    snapshot = run.snapshot(2)
    weights = snapshot.pop("state_dict")
    assert snapshot == {"n_components": 3, "start": "random", "seed": 42, "epoch": 2}
    assert torch.equal(weights["means"], run.at(2).means)


def test_a_model_file_with_snapshots_is_a_model_file_too(loaded, tmp_path):
    run = trained(loaded)
    shown = [run.snapshot(epoch) for epoch in (1, 3)]
    data = model_file(run.at(-1), CONFIG, loaded, snapshots=shown)
    assert data == model_file(run.at(-1), CONFIG, loaded, snapshots=shown)
    path = tmp_path / "snapshots.pt"
    path.write_bytes(data)
    found = checkpoint.read(path, also={"snapshots": list})["snapshots"]
    for one, other in zip(found, shown, strict=True):
        assert one["epoch"] == other["epoch"]
        for name, weights in other["state_dict"].items():
            assert weights.dtype == torch.float32
            assert torch.equal(one["state_dict"][name], weights)
    model, scale = load_mixture(path)
    assert torch.equal(model.means, run.model.means)
    assert torch.equal(scale.std, loaded.standardization.std)


SCALE = {"mean": torch.zeros(2), "std": torch.ones(2)}


@pytest.mark.parametrize(
    ("config", "preprocessing"),
    [
        ({}, SCALE), ([], SCALE),
        ({"n_components": 0}, SCALE),
        ({"n_components": "3"}, SCALE),
        ({"n_components": 10**30}, SCALE),
        ({"n_components": 3}, {}),
        ({"n_components": 3}, {"mean": 1.0, "std": 1.0}),
        ({"n_components": 3}, {"mean": torch.zeros(2)}),
        ({"n_components": 3}, SCALE | {"std": torch.ones(3)}),
    ],
)  # fmt: skip
def test_a_checkpoint_that_is_no_mixture_is_refused(config, preprocessing, tmp_path):
    path = tmp_path / "model.pt"
    state = GMM(3).state_dict()
    path.write_bytes(checkpoint.dump("gmm", state, config, preprocessing))
    with pytest.raises(checkpoint.CheckpointError, match=r"model\.pt"):
        load_mixture(path)


def test_another_kind_of_model_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    state = GMM(3).state_dict()
    path.write_bytes(checkpoint.dump("gpt", state, {"n_components": 3}, SCALE))
    message = r"model\.pt holds a gpt, not a mixture \(gmm or umm\)"
    with pytest.raises(checkpoint.CheckpointError, match=message):
        load_mixture(path)
