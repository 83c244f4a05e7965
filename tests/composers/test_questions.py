"""Counting, voting and comparing, by hand."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from composers import baselines, plots, questions
from composers.experiment import BOTH, FOREST, LOGISTIC, PLAIN, RELATIONAL, Judged
from composers.notes import TICKS
from composers.scraps import Scraps
from machinery.errors import BadInput
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


def test_a_scrap_that_is_certain_can_be_outvoted():
    said = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]] * 5)
    labels, works = np.ones(15, int), np.arange(15) // 3
    assert questions.vote_of_works(said, labels, works) == 1
    assert questions.vote_by_number(said, labels, works, 0)[-1] == {
        "n": 3, "share": 1.0, "works": 5,
    }  # fmt: skip


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


def voted(scraps_of_works, seed=0) -> list[dict]:
    """Votes on works of so many scraps, of which every third is taken for another's."""
    works = np.repeat(np.arange(len(scraps_of_works)), scraps_of_works)
    wrong = np.arange(len(works)) % 3 == 0
    said = np.where(wrong[:, None], [0.4, 0.6], [0.6, 0.4])
    return questions.vote_by_number(said, np.zeros(len(works), int), works, seed)


def test_a_curve_of_votes_has_the_same_works_all_along():
    rows = voted([3, 3, 3, 3, 3, 2])
    assert [(row["n"], row["works"]) for row in rows] == [(1, 5), (2, 5), (3, 5)]
    assert rows[-1]["share"] == 1
    assert rows[0]["share"] == pytest.approx(2 / 3, abs=0.05)


def test_too_few_works_for_a_curve_vote_with_one_scrap():
    (row,) = voted([3, 3, 3, 1])
    assert (row["n"], row["works"]) == (1, 4)


def test_a_curve_of_votes_is_its_seed_s():
    assert voted([5] * 6, seed=1) == voted([5] * 6, seed=1) != voted([5] * 6, seed=2)


def test_a_lead_is_judged_over_works():
    labels = np.zeros(200, dtype=int)
    one, two = np.tile([0.9, 0.1], (200, 1)), np.tile([0.9, 0.1], (200, 1))
    two[:40] = [0.1, 0.9]  # wrong about forty scraps
    spread = questions.lead(one, two, labels, np.arange(200) % 50, 0)
    one_work = questions.lead(one, two, labels, np.arange(200) // 40, 0)
    assert spread["mean"] == one_work["mean"] == pytest.approx(0.2)
    assert spread["low"] > 0
    assert one_work["low"] == 0  # one work of five is no evidence


def test_works_that_agree_leave_no_doubt_of_a_lead():
    labels = np.array([0, 1] * 6)
    right = np.eye(2)[labels]
    half = right.copy()
    half[::2] = half[::2, ::-1]  # wrong about every other scrap
    works = np.repeat([0, 1, 2], [2, 4, 6])
    for one, two, by in ((right, half, 0.5), (half, right, -0.5)):
        found = questions.lead(one, two, labels, works, 0)
        assert found == {"mean": by, "low": by, "high": by}


def test_the_interval_of_a_lead_is_that_of_a_coin_over_works():
    labels = np.zeros(200, int)
    one = np.tile([0.9, 0.1], (200, 1))
    two = np.where(np.arange(200)[:, None] % 100 < 50, one, one[:, ::-1])
    found = questions.lead(one, two, labels, np.arange(200) % 100, 0)
    width = 1.96 * (0.25 / 100) ** 0.5
    assert found["low"] == pytest.approx(0.5 - width, abs=0.015)
    assert found["high"] == pytest.approx(0.5 + width, abs=0.015)


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
    assert questions.confusion(1 - said, 1 - labels).tolist() == [[1, 0], [0.5, 0.5]]


def test_a_last_composer_whom_nobody_is_taken_for_has_a_column():
    said = np.tile([1.0, 0.0], (2, 1))
    assert questions.confusion(said, np.array([0, 1])).tolist() == [[1, 0], [1, 0]]


def test_known_composers_stand_in_the_order_of_their_time():
    names = ("Bach", "Beethoven,_L", "Haydn", "Unknown", "Palestrina")
    assert [names[i] for i in questions.order_of(names)] == [
        "Palestrina", "Bach", "Haydn", "Beethoven,_L", "Unknown",
    ]  # fmt: skip


def chord(moment: float, *pitches: int) -> list[tuple[float, float, int]]:
    return [(moment, 0.5, pitch) for pitch in pitches]


def sounding(*notes: tuple[float, float, int]) -> np.ndarray:
    """A scrap's notes (n, 6) of (onset, duration, pitch) in quarters."""
    found = np.zeros((len(notes), 6), dtype=np.int64)
    for row, (onset, duration, pitch) in zip(found, notes, strict=True):
        row[:3] = onset * TICKS, duration * TICKS, pitch
    return found


def test_intervals_that_tell_are_of_notes_that_sound_together():
    fifths = sounding(*chord(0, 62, 69), *chord(2, 81, 62), *chord(4, 62, 66))
    thirds = sounding(*chord(0, 62, 66), *chord(2, 62, 66), *chord(4, 62, 66))
    # during the long one: two thirds (one an octave wider) and a seventh; the short
    # ones follow each other, each when the one before ends
    under = sounding(
        (0, 4, 62), (1, 1, 66), (2, 1, 78), (3, 0.5, 72), *chord(8, 5), *chord(9, 5)
    )
    unheard = sounding(*chord(0, 62, 63), *chord(2, 62, 63), *chord(4, 62, 63))
    scraps = Scraps(
        np.stack([fifths, thirds, under, unheard]), ("Ada", "Bo"),
        np.array([0, 0, 1, 0]), np.arange(4), np.array([True, True, True, False]),
    )  # fmt: skip
    found = questions.telling_intervals(scraps)
    # Ada: 1/3 fifths and 2/3 thirds; Bo: 2/3 thirds and 1/3 sevenths
    expected = {
        "Ada": [("fifth", 1 / 3 / 1e-4, 1 / 3), ("major third", 1, 2 / 3)],
        "Bo": [("minor seventh", 1 / 3 / 1e-4, 1 / 3), ("major third", 1, 2 / 3)],
    }
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        assert [row["interval"] for row in found[name]] == [row[0] for row in rows]
        numbers = [(row["times"], row["share"]) for row in found[name]]
        assert np.array(numbers) == pytest.approx(np.array([row[1:] for row in rows]))


def test_a_pair_that_begins_together_tells_as_much_as_one_that_does_not():
    mixed = sounding(*chord(0, 62, 69), (2, 1, 62), (2.5, 1, 66))  # a fifth, a third
    fifths = sounding(*chord(0, 62, 69), *chord(2, 62, 69))
    scraps = Scraps(
        np.stack([mixed, fifths]), ("Ada", "Bo"), np.arange(2), np.arange(2),
        np.ones(2, bool),
    )  # fmt: skip
    found = questions.telling_intervals(scraps)["Ada"]
    assert {row["interval"]: row["share"] for row in found} == {
        "major third": 1 / 2, "fifth": 1 / 2,
    }  # fmt: skip


LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1])
WORKS = np.array([0, 0, 0, 1, 1, 1, 2, 2])


def planted(labels=LABELS, works=WORKS) -> SimpleNamespace:
    """A corpus of base scraps, and of others that no table may count."""
    n = len(labels)
    beyond = np.full(n, 2)
    return SimpleNamespace(
        scraps=Scraps(
            np.zeros((2 * n, 50, 6), np.int64), ("Ada", "Bo", "Cy"),
            np.concatenate([labels, beyond]), np.concatenate([works, beyond]),
            np.arange(2 * n) < n,
        )
    )  # fmt: skip


def judged(by_work=True, **said) -> Judged:
    tests = [np.array(test) for test in ([0, 4, 5], [1, 2, 3], [6, 7])]
    return Judged(by_work, [(None, test) for test in tests], said, [])


def all_right(labels=LABELS) -> np.ndarray:
    return np.eye(3)[labels]


def all_but_one() -> np.ndarray:
    """Taken for the second composer: one scrap, with more certainty than the others
    of its work have."""
    said = np.where(LABELS[:, None] == 0, [0.5, 0.4, 0.1], [0.1, 0.8, 0.1])
    said[5] = [0.01, 0.98, 0.01]
    return said


def test_a_line_s_numbers_by_hand():
    found = judged(right=all_right(), one=all_but_one())
    right, one = questions.table(planted(), found)
    assert right == {
        "name": "right", "accuracy": 1, "spread": 0, "macro_f1": 1, "vote": 1,
    }  # fmt: skip
    # folds: 2/3, 1, 1; F1 of 5 found of 6, and of 2 found of 2 with one too many
    assert one == {
        "name": "one",
        "accuracy": 7 / 8,
        "spread": pytest.approx(3**0.5 / 9),
        "macro_f1": pytest.approx((10 / 11 + 4 / 5) / 2),
        "vote": pytest.approx(2 / 3),
    }


def test_works_vote_only_where_they_are_kept_whole():
    found = judged(by_work=False, one=all_but_one())
    assert questions.table(planted(), found)[0]["vote"] is None


def test_a_table_without_scikit_learn_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(BadInput, match=r"^scikit-learn is not .*'\.\[composers\]'$"):
        questions.table(planted(), judged(right=all_right()))


def test_a_silenced_relation_costs_what_is_wrong_without_it(monkeypatch):
    corpus, found = planted(), judged(**{RELATIONAL: all_but_one()})
    never = np.tile([0.0, 0.0, 1.0], (8, 1))
    without = {"onset": all_right(), "during": never}
    asked = []
    monkeypatch.setattr(
        questions, "silence", lambda *given: asked.append(given) or without
    )
    assert questions.silenced(corpus, found) == [
        {"kind": "onset", "loss": -1 / 8}, {"kind": "during", "loss": 7 / 8},
    ]  # fmt: skip
    assert asked == [(corpus, found)]


def test_a_table_as_text():
    rows = [
        {"name": "forest", "accuracy": 0.622, "spread": 0.055, "macro_f1": 0.5824,
         "vote": 0.948},
        {"name": "pitch classes", "accuracy": 1, "spread": 0.1, "macro_f1": 1,
         "vote": None},
    ]  # fmt: skip
    assert (
        questions.describe(rows, "by work")
        == """\
by work        accuracy  over folds  macro-F1  vote of works
forest            62.2%  ±     5.5%     0.582          94.8%
pitch classes    100.0%  ±    10.0%     1.000"""
    )


def line(name, accuracy, macro_f1, vote) -> dict:
    return {"name": name, "accuracy": accuracy, "macro_f1": macro_f1, "vote": vote}


BY_WORK = [
    line(LOGISTIC, 0.639, 0.5, 0.95), line(FOREST, 0.622, 0.582, 0.948),
    line(RELATIONAL, 0.619, 0.585, 0.939), line(BOTH, 0.632, 0.4, 0.957),
]  # fmt: skip
AT_RANDOM = [line(LOGISTIC, 0.785, 0.7, None), line(FOREST, 0.861, 0.8, None)]
LOST = [{"kind": kind, "loss": x} for kind, x in (("onset", 0.1), ("rest", 0.208))]


def test_the_findings_follow_the_numbers():
    leads = {PLAIN: {"mean": 0.158, "low": 0.107, "high": 0.248}}
    assert questions.verdicts(planted(), BY_WORK, AT_RANDOM, leads, LOST) == [
        "chance, the commonest composer: 75.0% of the scraps",
        "a random split flatters: where no work is on both sides the forest falls from "
        "86.1% to 62.2%, the logistic regression from 78.5% to 63.9%",
        "relational attention against plain attention (GAT): +15.8 points (+10.7 to "
        "+24.8 over works), beyond chance",
        "best by macro-F1: relational attention, 0.585",
        "the trained networks lose most without the edges “rest”: 20.8 points",
        "a vote of a work's scraps: 93.9% of the works by relational attention, "
        "94.8% by the forest, 95.7% by both",
    ]


@pytest.mark.parametrize(
    ("low", "high", "how"),
    [
        (0.1, 0.2, "beyond chance"), (-0.2, -0.1, "beyond chance"),
        (-0.1, 0.1, "within chance"), (0, 0.1, "within chance"),
        (-0.1, 0, "within chance"),
    ],
)  # fmt: skip
def test_a_lead_whose_interval_holds_zero_may_be_chance(low, high, how):
    leads = {FOREST: {"mean": (low + high) / 2, "low": low, "high": high}}
    found = questions.verdicts(planted(), BY_WORK, AT_RANDOM, leads, LOST)
    assert found[2].endswith(
        f"({100 * low:+.1f} to {100 * high:+.1f} over works), {how}"
    )


def test_relational_attention_is_compared_with_three_lines_by_seed():
    draw = np.random.default_rng(0)
    labels, works = draw.integers(0, 2, 300), np.sort(draw.integers(0, 40, 300))
    right = all_right(labels)

    def wrong(share):
        mistaken = draw.random(300) < share
        return np.where(mistaken[:, None], right[:, [1, 0, 2]], right)

    said = {PLAIN: wrong(0.4), FOREST: wrong(0.3), LOGISTIC: wrong(0.2)}
    found = judged(**{RELATIONAL: right, **said, BOTH: right})
    corpus = planted(labels, works)
    first, again, other = (questions.compare(corpus, found, n) for n in (1, 1, 2))
    assert first == again != other
    assert list(first) == [PLAIN, FOREST, LOGISTIC]
    for name, gain in first.items():
        mistakes = (said[name].argmax(1) != labels).mean()
        assert gain["mean"] == pytest.approx(mistakes)
        assert 0 < gain["low"] < mistakes < gain["high"]
