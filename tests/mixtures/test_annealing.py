"""The soft training, measured on hard boxes."""

import time
from dataclasses import replace

import pytest
import torch

from machinery.training import seed_epoch, shuffled
from mixture_models import UMM
from mixtures import annealing, soft_umm
from mixtures.config import UmmConfig
from mixtures.data import Places
from tests.helpers import boxes

CONFIG = UmmConfig(epochs=3, n_seeds=2)


@pytest.fixture
def annealed(loaded):
    return annealing.run_annealed(CONFIG, loaded, 42)


def test_the_numbers_are_the_hard_boxes_on_all_places(annealed, loaded):
    for split in ("train", "test"):
        mean = annealed.after(getattr(loaded, split)).mean().item()
        found = annealed.measured[f"{split}_log_likelihood"]
        assert found == pytest.approx(mean, abs=1e-5)
    share = annealing.share_in_small_boxes(annealed.after, loaded)
    assert annealed.measured["test_in_small_boxes"] == share
    assert annealed.measured["seed"] == 42


def test_the_start_is_kept_as_it_was(annealed):
    assert annealed.before.n_components == annealed.after.n_components == 3
    for name in ("logits", "log_sizes"):
        before, after = (getattr(m, name) for m in (annealed.before, annealed.after))
        assert not torch.equal(before, after)
    assert torch.equal(annealed.before.centers[0], annealed.after.centers[0])


def test_it_starts_from_clusters_that_the_seed_draws(annealed, loaded):
    start = UMM(3)
    generator = torch.Generator().manual_seed(42)
    soft_umm.start_boxes(start, loaded.train, generator)
    for name, weights in start.state_dict().items():
        assert torch.equal(annealed.before.state_dict()[name], weights)


def test_the_seconds_are_those_of_the_training(loaded):
    began = time.perf_counter()
    seconds = annealing.run_annealed(CONFIG, loaded, 42).measured["seconds"]
    assert 0 < seconds < time.perf_counter() - began


def test_batches_are_watched_as_the_seed_draws_them(loaded):
    seen = []

    def watch(batches):
        seen.extend(batches)
        return batches

    annealing.run_annealed(CONFIG, loaded, 42, watch=watch)
    x = loaded.train
    drawn = [b for n in (1, 2, 3) for b in shuffled(x, 2048)(seed_epoch(42, n))]
    assert len(seen) == 3
    assert all(map(torch.equal, seen, drawn))


def test_places_may_have_any_number_of_dimensions(loaded):
    train, test = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(0))
    in_space = replace(loaded, train=train, test=test)
    assert annealing.run_annealed(CONFIG, in_space, 42).after.centers.shape == (3, 3)


def test_places_on_another_device_are_fitted_on_the_processor(
    annealed, loaded, monkeypatch
):
    elsewhere = loaded.to("meta")
    monkeypatch.setattr(Places, "to", lambda self, device: {"cpu": loaded}[device])
    found = annealing.run_annealed(CONFIG, elsewhere, 42)
    assert torch.equal(annealed.after.centers, found.after.centers)


def test_every_epoch_is_kept_with_edges_that_sharpen(annealed):
    kept = annealed.snapshots
    assert [s["epoch"] for s in kept] == [0, 1, 2, 3]
    softness = [s["temperature"] for s in kept]
    assert softness[0] == 0.1
    assert softness == sorted(softness, reverse=True)
    for model, i in ((annealed.before, 0), (annealed.after, -1)):
        for name, weights in model.state_dict().items():
            assert torch.equal(kept[i]["state_dict"][name], weights)
    changed = [s["state_dict"]["log_sizes"] for s in kept]
    assert not any(map(torch.equal, changed, changed[1:]))


def test_the_training_depends_on_the_seed_alone(annealed, loaded):
    again = annealing.run_annealed(CONFIG, loaded, 42)
    other = annealing.run_annealed(CONFIG, loaded, 43)
    assert torch.equal(annealed.after.centers, again.after.centers)
    assert not torch.equal(annealed.after.centers, other.after.centers)


def test_only_small_boxes_say_where_a_place_is(loaded):
    x = loaded.test
    (width, height), (low, high) = x.amax(0) - x.amin(0), (x.amin(0), x.amax(0))
    middle = ((low + high) / 2).tolist()
    all_of_it, half = [2 * width, 2 * height], [width, 2 * height]
    large = boxes([middle, middle], [all_of_it, half]).float()
    assert annealing.share_in_small_boxes(large, loaded) == 0
    sides = [[0.02, 0.02], all_of_it]
    one = boxes([x[0].tolist(), middle], sides).float()
    assert 1 / 60 <= annealing.share_in_small_boxes(one, loaded) < 0.2


def test_a_box_is_small_up_to_a_twentieth_of_the_bounding_box(loaded):
    square = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    # two places in box 0 alone, one in box 1 alone, one in both and one in none
    test = [[0.02, 0.1], [0.02, 0.9], [0.5, 0.02], [0.02, 0.02], [0.5, 0.5]]
    centers = [[0.025, 0.5], [0.5, 0.025]]

    def share(*sides, train=square):
        x = replace(loaded, train=train, test=torch.tensor(test))
        return annealing.share_in_small_boxes(boxes(centers, sides).float(), x)

    assert share([0.05, 1.0], [1.0, 0.0505]) == pytest.approx(3 / 5)
    assert share([0.0505, 1.0], [1.0, 0.05]) == pytest.approx(2 / 5)
    assert share([0.05, 1.0], [1.0, 0.05]) == pytest.approx(4 / 5)
    assert share([0.19, 1.0], [1.0, 0.21], train=2 * square) == pytest.approx(3 / 5)


def test_no_more_epochs_than_the_exercise_s_runs():
    assert annealing.n_epochs(UmmConfig(epochs=7)) == 7
    assert annealing.n_epochs(UmmConfig(epochs=400)) == 40


def planted(*measured: tuple[float, float]) -> list[annealing.Annealed]:
    """Trainings of four boxes that reached these likelihoods and shares."""
    return [
        annealing.Annealed(
            UMM(4),
            UMM(4),
            {"test_log_likelihood": test, "test_in_small_boxes": share},
            [],
        )
        for test, share in measured
    ]


@pytest.mark.parametrize(
    ("measured", "likelihood", "share"),
    [
        (
            [(-2.5, 0.75), (-1.0, 0.5), (-2.0, 0.875)],
            "-2.0000 (median; -2.5000 to -1.0000)",
            "75.0% (median; from 50.0%)",
        ),
        (
            [(-1.25, 0.25)],
            "-1.2500 (median; -1.2500 to -1.2500)",
            "25.0% (median; from 25.0%)",
        ),
    ],
)
def test_the_seeds_are_told_by_median_and_range(measured, likelihood, share):
    first, second, third = annealing.describe(planted(*measured)).splitlines()
    assert first.endswith(f"K = 4, all test places, {len(measured)} seeds:")
    assert second == f"  test log-likelihood {likelihood} nats per place;"
    small = "in a box of at most 5% of the bounding box"
    assert third == f"  {share} of the places are {small}"


def test_the_summary_holds_what_each_seed_measured():
    trained = planted((-2.5, 0.75), (-1.0, 0.5))
    assert annealing.summarise(trained) == [a.measured for a in trained]
