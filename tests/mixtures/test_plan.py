"""What is trained: every training once, those that figures show first."""

from dataclasses import replace

import pytest
import torch

from machinery.errors import BadInput
from mixtures import annealing, fast_gmm
from mixtures.config import GmmConfig
from mixtures.data import load_places
from mixtures.plan import Plan, make_plan, shown_epochs
from mixtures.runs import GAUSSIANS, train
from tests.helpers import write_places


def test_component_counts_are_the_exercise_s_and_the_number_of_countries(loaded):
    plan = make_plan(GmmConfig(), loaded)
    assert [n_components for n_components, _, _ in plan.counted] == [1, 3, 5, 10]


def test_every_training_stands_once_and_the_shown_ones_first():
    keys = Plan(33, range(7, 9)).keys
    assert keys == [
        (33, "random", 7), (33, "country", 7),
        (1, "random", 7), (5, "random", 7), (10, "random", 7),
        (33, "random", 8), (33, "country", 8),
    ]  # fmt: skip


def test_the_seeds_follow_the_first(loaded):
    plan = make_plan(GmmConfig(seed=7, n_seeds=2), loaded)
    assert plan == Plan(3, range(7, 9))


def test_the_questions_share_their_trainings():
    plan = Plan(5, range(3, 4))
    assert (plan.random, plan.country) == ((5, "random", 3), (5, "country", 3))
    assert plan.random in plan.counted
    assert plan.keys == plan.shown


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (0, [0]), (1, [1]), (2, [1, 2]), (20, [1, 10, 20]),
        (60, [1, 10, 20, 30, 40, 50, 60]),
    ],
)  # fmt: skip
def test_shown_epochs_end_with_the_last(last, shown):
    assert shown_epochs(last) == shown


def test_the_bar_counts_the_steps_that_are_taken(loaded):
    config = GmmConfig(epochs=2, batch_size=128, n_seeds=3)
    plan = make_plan(config, loaded)
    # 300 places are three batches; K = 1, 5, 10, 3, and 3 again from the country start;
    # both starts for two more seeds
    assert plan.count_steps(config, loaded) == (4 + 1 + 2 * 2) * 2 * 3
    taken = []

    def watch(batches):
        for batch in batches:
            taken.append(len(batch))
            yield batch

    for key in plan.keys:
        for _ in train(GAUSSIANS, config, loaded, *key, watch=watch):
            pass
    assert len(taken) == plan.count_steps(config, loaded)


@pytest.mark.parametrize(
    ("count", "run"),
    [
        (fast_gmm.count_steps, fast_gmm.run_fast),
        (annealing.count_steps, annealing.run_annealed),
    ],
)
@pytest.mark.parametrize("epochs", [1, 3])
def test_the_bar_counts_the_steps_beyond_the_exercise(loaded, count, run, epochs):
    config = GmmConfig(epochs=epochs, n_seeds=2)
    many = replace(loaded, train=loaded.train.repeat(8, 1))  # two batches
    taken = []

    def watch(batches):
        for batch in batches:
            taken.append(len(batch))
            yield batch

    for seed in (42, 43):
        run(config, many, seed, watch=watch)
    assert len(taken) == count(config, many) == 2 * epochs * 2


def test_too_few_distinct_places_are_counted(tmp_path):
    few = [(str(x), str(2 * x), 0) for x in range(9)] * 20
    write_places(tmp_path, train=few, test=few[:3])
    places = load_places(str(tmp_path), torch.device("cpu"))
    message = "set has 9 distinct places; 10 components need at least 10$"
    with pytest.raises(BadInput, match=message):
        make_plan(GmmConfig(), places)


def test_as_many_distinct_places_as_components_are_enough(loaded):
    grid = torch.cartesian_prod(torch.arange(2.0), torch.arange(5.0))
    places = replace(loaded, train=grid.repeat(3, 1))
    assert max(make_plan(GmmConfig(), places).counted)[0] == 10
