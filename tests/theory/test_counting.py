"""003, 3: counts of parameters by hand, by enumeration and by rank."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.theory.conftest import generator, refused, stated
from theory import counting
from theory.checks import doubles


@pytest.mark.parametrize(
    ("sizes", "order", "n"),
    [
        ((2, 2, 2), 2, 7),
        ((2, 2, 2), 1, 5),  # 1 + 2 + 2
        ((2, 2, 2), 0, 3),
        ((3, 2, 4), 1, 2 + 3 + 6),
        ((3, 2, 4), 2, 23),
        ((5,), 0, 4),
    ],
)
def test_counts_by_hand(sizes, order, n):
    assert counting.n_chain(sizes, order) == n
    assert counting.by_enumeration(sizes, order) == n
    generator = torch.Generator().manual_seed(0)
    assert counting.by_rank(sizes, order, generator) == n


@given(st.lists(st.integers(2, 4), min_size=1, max_size=5), st.integers(0, 6))
def test_the_formula_counts_what_enumeration_does(sizes, order):
    sizes = tuple(sizes)
    assert counting.n_chain(sizes, order) == counting.by_enumeration(sizes, order)
    assert counting.n_chain(sizes, 0) == counting.n_independent(sizes)
    assert counting.n_chain(sizes, len(sizes)) == counting.n_full(sizes)


def test_the_table_is_a_distribution_and_a_chain_forgets():
    sizes, generator = (2, 3, 2, 2), torch.Generator().manual_seed(0)
    n = sum(math.prod(s) for s in counting.shapes(sizes, 1))
    table = counting.joint(doubles(n, generator=generator), sizes, 1).view(sizes)
    assert table.sum().item() == pytest.approx(1)
    # given x2, x3 does not depend on x1
    of_three = table.sum(3)
    given_two = of_three / of_three.sum(2, keepdim=True)
    torch.testing.assert_close(given_two[0], given_two[1])


def test_xor_is_independent_in_pairs_alone():
    assert counting.xor() == (0.0, 0.125)


def wrong_at(function, place, by=1):
    """A function that is right but at one place, its first arguments."""

    def wrong(*arguments):
        given = arguments[: len(place)]
        return function(*arguments) + by * (given == place)

    return wrong


@pytest.mark.usefixtures("torchs_own_generator_rests")
def test_counting_states_three_claims():
    checks = counting.experiment(generator())
    assert stated(checks) == [
        ("003-3", "all and none dependent, 4 joints", "∏k − 1, Σ(k − 1)"),
        ("003-3", "chains of order 0 to 3 of k = (3, 2, 2, 2)", "5, 9, 15, 23"),
        ("003-3", "x, y, x xor y: independent in pairs, not all three", "0, 1/8"),
    ]
    measured = [check.measured for check in checks]
    assert measured == ["0 ranks differ", "5, 9, 15, 23", "0, 0.125"]


@pytest.mark.parametrize(
    ("name", "place", "seen"),
    [
        ("n_chain", ((3, 2, 2, 2), 1), [1]),
        ("by_enumeration", ((3, 2, 2, 2), 1), [1]),
        ("by_rank", ((3, 2, 2, 2), 1), [1]),
        ("by_rank", ((2, 3, 2), 0), [0, 1]),
        ("by_rank", ((4, 3, 3), 2), [0, 1]),
        ("n_full", ((4, 3, 3),), [0]),
        ("n_independent", ((2, 3, 2),), [0]),
    ],
)
def test_one_wrong_count_is_seen(monkeypatch, name, place, seen):
    monkeypatch.setattr(counting, name, wrong_at(getattr(counting, name), place))
    checks = counting.experiment(generator())
    assert refused(checks) == seen
    assert [checks[i].error for i in seen] == [1] * len(seen)


@pytest.mark.parametrize(
    ("pairs", "all_three", "error"),
    [(0.25, 0.5, 0.625), (0.5, 0.125, 0.5), (0.0, 0.0, 0.125), (1e-11, 0.125, 1e-11)],
)
def test_pairs_that_depend_are_seen_and_three_that_depend_less(
    monkeypatch, pairs, all_three, error
):
    monkeypatch.setattr(counting, "xor", lambda: (pairs, all_three))
    checks = counting.experiment(generator())
    assert refused(checks) == [2]
    assert checks[2].error == error
