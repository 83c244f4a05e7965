"""What boxes do along a training, on planted boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_models import UMM
from mixtures import trends
from mixtures.runs import Run
from mixtures.trends import union_area
from tests.helpers import boxes

seeds = st.integers(0, 2**32 - 1)


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


def planted() -> trends.Trend:
    """Two boxes over two epochs: the first leaves and comes back, the second stays."""
    run = Run(UMM(2), "random", 42)
    for first, second, sides in (
        ([0.0, 0.0], [5.0, 5.0], [[2.0, 2.0], [1.0, 1.0]]),
        ([3.0, 4.0], [5.0, 5.0], [[1.0, 1.5], [0.5, 4.0]]),
        ([0.0, 0.0], [5.0, 5.0], [[3.0, 2.5], [0.5, 3.0]]),
    ):
        run.rows.append({})
        run.states.append(boxes([first, second], sides).state_dict())
    return trends.trend(run)


def test_a_trend_follows_the_boxes_from_epoch_to_epoch():
    trend = planted()
    assert trend.support.tolist() == pytest.approx([5.0, 3.5, 9.0])
    expected = [[2, 2, 1, 1], [1, 1.5, 0.5, 4], [3, 2.5, 0.5, 3]]
    np.testing.assert_allclose(trend.sides, expected)
    np.testing.assert_allclose(trend.moved, [[0, 0], [5, 0], [0, 0]])


def test_a_trend_is_told_by_its_ends_and_by_what_ever_grew_or_moved():
    summary = trends.summarise(planted())
    # all but the second box's width grew, each in one of the two epochs
    assert summary == pytest.approx(
        {
            "support_first": 5.0, "support_last": 9.0,
            "side_first": 1.5, "side_last": 2.75,
            "n_sides": 4, "sides_that_ever_grew": 3, "largest_center_move": 5.0,
        }
    )  # fmt: skip
    lines = trends.describe({"random": summary, "country": summary}).splitlines()
    why = trends.WHY.splitlines()
    assert lines[3:] == [
        "  country start: the support covers 5.00 before and 9.00 after training; "
        "the median side goes from 1.500 to 2.750;",
        "    3 of 4 sides ever grew from epoch to epoch; "
        "the farthest that a centre moved is 5.",
        *why,
    ]
    assert lines[0] == "What the boxes do (standardised units):"
    assert lines[1].startswith("  random start:")
