"""Counting, voting and comparing, by hand."""

import numpy as np
import pytest

from composers import baselines, plots, questions
from composers.notes import TICKS
from tests.composers.test_graphs import some_scraps


def test_a_histogram_by_hand():
    values = np.array([[0, 0, 2], [1, 1, 1]])
    assert baselines.histogram(values, 3).tolist() == [[2 / 3, 0, 1 / 3], [0, 1, 0]]
    there = np.array([[True, False, True], [False] * 3])
    assert baselines.histogram(values, 3, there).tolist() == [[0.5, 0, 0.5], [0, 0, 0]]


def test_melodic_intervals_are_within_parts():
    notes = np.zeros((1, 4, 6), dtype=np.int64)
    notes[0, :, 0] = [0, 0, TICKS, TICKS]
    notes[0, :, 1] = TICKS
    notes[0, :, 2] = [60, 40, 64, 39]  # up four, down one
    notes[0, :, 3] = [0, 1, 0, 1]
    shares = baselines.melodic(notes)[0]
    assert {i - 12: s for i, s in enumerate(shares) if s} == {4: 0.5, -1: 0.5}


def test_features_have_a_row_for_each_scrap_and_no_hole():
    found = baselines.features(some_scraps(300))
    assert {len(x) for x in found.values()} == {300}
    assert all(np.isfinite(x).all() for x in found.values())
    assert found["all"].shape[1] > found["melody"].shape[1] > found["pitch"].shape[1]


def test_a_vote_adds_what_scraps_say():
    said = np.array([[0.6, 0.4], [0.6, 0.4], [0.01, 0.99], [0.9, 0.1]])
    works, labels = np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0])
    assert questions.vote_of_works(said, labels, works) == 1.0
    assert (said.argmax(1) == labels).mean() == 0.5


def test_more_voters_are_right_more_often():
    generator = np.random.default_rng(0)
    works = np.repeat(np.arange(30), 10)
    labels = works % 2
    right = generator.random(300) < 0.65
    sure = np.where(right == labels, 0.7, 0.3)
    said = np.stack([1 - sure, sure], 1)
    rows = questions.vote_by_number(said, labels, works, 0)
    assert [row["n"] for row in rows] == list(questions.VOTES)
    assert rows[0]["share"] == pytest.approx(0.65, abs=0.07)
    assert rows[-1]["share"] > rows[0]["share"] + 0.05
    assert {row["works"] for row in rows} == {30}


def test_a_lead_is_judged_over_works():
    labels = np.zeros(200, dtype=int)
    one, two = np.tile([0.9, 0.1], (200, 1)), np.tile([0.9, 0.1], (200, 1))
    two[:40] = [0.1, 0.9]  # wrong about forty scraps
    spread = questions.lead(one, two, labels, np.arange(200) % 50, 0)
    one_work = questions.lead(one, two, labels, np.arange(200) // 40, 0)
    assert spread["mean"] == one_work["mean"] == pytest.approx(0.2)
    assert spread["low"] > 0
    assert one_work["low"] == 0  # one work of five is no evidence


def test_a_scrap_without_a_relation_is_drawn():
    begin, pitch = np.arange(3.0), np.array([60, 64, 67])
    lines, none = np.array([[0, 1], [1, 2]]), np.zeros((0, 2), dtype=int)
    figure = plots.piano_roll(
        begin, np.ones(3), pitch, np.zeros(3, int), {"onset": none, "rest": lines},
        {"during": np.zeros((0, 3)), "consecutive": np.c_[lines, [0.5, 1]]},
    )  # fmt: skip
    drawn = [len(ax.collections) for ax in figure.axes]
    assert drawn == [0, 1, 0, 1]


def test_confusions_are_shares_of_rows():
    labels = np.array([0, 0, 1])
    said = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    assert questions.confusion(said, labels).tolist() == [[0.5, 0.5], [0, 1]]


def test_known_composers_stand_in_the_order_of_their_time():
    names = ("Bach", "Beethoven,_L", "Haydn", "Unknown", "Palestrina")
    assert [names[i] for i in questions.order_of(names)] == [
        "Palestrina", "Bach", "Haydn", "Beethoven,_L", "Unknown",
    ]  # fmt: skip
