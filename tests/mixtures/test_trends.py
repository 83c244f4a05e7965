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


def test_a_trend_follows_the_boxes_from_epoch_to_epoch():
    first = boxes([[0.0, 0.0], [5.0, 5.0]], [[2.0, 2.0], [1.0, 1.0]])
    # the first box moves by (3, 4) and shrinks in x; the second in x, and grows in y
    last = boxes([[3.0, 4.0], [5.0, 5.0]], [[1.0, 2.0], [0.5, 4.0]])
    run = Run(UMM(2), "random", 42)
    run.rows += [{}, {}]
    run.states += [first.state_dict(), last.state_dict()]
    trend = trends.trend(run)
    assert trend.support.tolist() == pytest.approx([5.0, 4.0])
    np.testing.assert_allclose(trend.sides, [[2, 2, 1, 1], [1, 2, 0.5, 4]])
    np.testing.assert_allclose(trend.moved, [[0, 0], [5, 0]])
    summary = trends.summarise(trend)
    assert (summary["n_sides"], summary["sides_that_ever_grew"]) == (4, 1)
    assert (summary["side_first"], summary["side_last"]) == pytest.approx((1.5, 1.5))
    assert summary["largest_center_move"] == pytest.approx(5)
    text = trends.describe({"random": summary})
    assert "1 of 4 sides ever grew" in text
    assert "covers 5.00 before and 4.00 after" in text
