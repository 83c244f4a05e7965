"""The soft training, measured on hard boxes."""

import pytest
import torch

from mixtures import annealing
from mixtures.config import UmmConfig
from tests.helpers import boxes

CONFIG = UmmConfig(epochs=3, n_seeds=2)


@pytest.fixture(scope="module")
def annealed(loaded):
    return annealing.run_annealed(CONFIG, loaded, 42)


def test_the_numbers_are_the_hard_boxes_on_all_places(annealed, loaded):
    for split in ("train", "test"):
        mean = annealed.after(getattr(loaded, split)).mean().item()
        found = annealed.measured[f"{split}_log_likelihood"]
        assert found == pytest.approx(mean, abs=1e-5)
    assert annealed.measured["seed"] == 42


def test_the_start_is_kept_as_it_was(annealed):
    assert annealed.before.n_components == annealed.after.n_components == 3
    for name in ("logits", "log_sizes"):
        before, after = (getattr(m, name) for m in (annealed.before, annealed.after))
        assert not torch.equal(before, after)
    assert torch.equal(annealed.before.centers[0], annealed.after.centers[0])


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


def test_no_more_epochs_than_the_exercise_s_runs():
    assert annealing.n_epochs(UmmConfig(epochs=7)) == 7
    assert annealing.n_epochs(UmmConfig(epochs=400)) == 40
