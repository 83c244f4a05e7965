"""Rows of notes: their order, and ties planted by cutting long notes up."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composers.notes import as_array, merge_tied

row_of_few = st.tuples(
    st.integers(0, 3), st.integers(0, 2), st.integers(60, 62), st.integers(0, 2),
    st.integers(0, 9), st.integers(1, 9),
)  # fmt: skip


@given(st.lists(row_of_few, max_size=20))
def test_notes_that_sound_are_in_the_order_of_time_then_pitch_then_part(rows):
    sounding = [row for row in rows if row[1] >= 1]
    wanted = sorted(sounding, key=lambda row: (row[0], row[2], row[3]))
    found = as_array(iter(rows))
    assert found.dtype == np.int64
    assert found.shape == (len(wanted), 6)
    assert [tuple(row) for row in found.tolist()] == wanted


def test_no_notes_are_an_array_of_no_rows():
    found = as_array([])
    assert found.dtype == np.int64
    assert found.shape == (0, 6)


@pytest.mark.parametrize("seed", range(5))
def test_long_notes_that_were_cut_up_are_whole_again(seed):
    """A part's notes of one pitch touch one another; only what is tied is joined."""
    random = Random(seed)
    whole, pieces = [], []
    for part in (0, 1):
        for pitch in (60, 61):
            now = random.randint(0, 3)
            for _ in range(4):
                lengths = [random.randint(1, 3) for _ in range(random.randint(1, 4))]
                place = random.randint(0, 9)
                whole.append((now, sum(lengths), pitch, part, place, 10))
                for i, length in enumerate(lengths):
                    here = (now, length, pitch, part, place if i == 0 else 0, 10)
                    pieces.append((here, i < len(lengths) - 1))
                    now += length
                now += random.choice([0, 0, 2])
    random.shuffle(pieces)
    assert sorted(merge_tied(pieces)) == sorted(whole)


def test_notes_come_in_the_order_of_time_and_those_of_a_moment_as_written():
    rows = [(2, 1, 60, 0, 0, 9), (1, 1, 70, 1, 0, 9), (1, 1, 50, 0, 0, 9)]
    found = merge_tied([(row, False) for row in rows])
    assert found == [rows[1], rows[2], rows[0]]


def test_of_two_notes_in_unison_the_one_written_first_goes_on():
    begun = ((0, 2, 60, 0, 0, 8), True)
    long, short = ((2, 4, 60, 0, 2, 8), False), ((2, 1, 60, 0, 2, 8), False)
    assert merge_tied([begun, long, short]) == [(0, 6, 60, 0, 0, 8), short[0]]
    assert merge_tied([begun, short, long]) == [(0, 3, 60, 0, 0, 8), long[0]]
