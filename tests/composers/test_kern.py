"""Kern by hand, one rule of the format at a time."""

from fractions import Fraction as F

import pytest

from composers import kern
from composers.notes import TICKS, ScoreError
from tests.composers.conftest import quarters


def rows_of(*lines: str) -> list[tuple]:
    """Notes in quarters of one part, or of what a header among the lines names."""
    head = () if lines[0].startswith("**") else ("**kern",)
    return quarters(kern.read_kern("\n".join((*head, *lines)).encode())[0])


def sounds(*lines: str) -> list[tuple]:
    """Their onsets, durations and pitches alone."""
    return [row[:3] for row in rows_of(*lines)]


def work_of(*lines: str) -> str | None:
    return kern.read_kern("\n".join((*lines, "**kern", "4c", "*-")).encode())[1]


def test_a_work_is_named_wherever_its_record_stands():
    assert work_of("!!!COM: Ada", "!!!OPR: Missa  Prima  ", "!!!OMD: Kyrie") == (
        "Missa  Prima"
    )
    assert work_of("!!!OPR@@IT: Orfeo\r") == "Orfeo"
    assert work_of("!!!OTL: Kyrie", "!! OPR: no record") is None


def test_a_record_without_a_name_names_no_work():
    assert work_of("!!!OPR:", "!!!OTL: Kyrie") is None
    assert work_of("!!!OPR:  ", "!!!COM: Ada") is None
    assert work_of("!!!OPR", "!!!COM: Ada") is None


def test_letters_of_an_old_encoding_do_not_hide_the_notes():
    notes, work = kern.read_kern(b"!!!OPR: Se\xf1ora\n**kern\n4c\n*-\n")
    assert [row[2] for row in quarters(notes)] == [60]
    assert work == "Se\N{REPLACEMENT CHARACTER}ora"


def test_comments_empty_lines_and_dots_take_no_time():
    assert sounds("**kern\t**kern", "!\t! here", "4C\t8e", "", "!! all", ".\t8f",
                  "4D\t4g", "*-\t*-") == [
        (0, 1, 48), (0, F(1, 2), 64), (F(1, 2), F(1, 2), 65), (1, 1, 50), (1, 1, 67),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["**kern", "4c", "4d\t4e"], "line 3 has 2 columns and not 1"),
        (["**kern\t**kern", "4c"], "line 2 has 1 columns and not 2"),
        (["**kern", "*+"], r"columns that change by \*\+"),
        (["**kern\t**kern", "*x\t*x"], r"columns that change by \*x"),
        (["**text", "la", "*-"], r"no column of notes \(\*\*kern\)"),
        (["**text", "la", "=2", "*-"], r"no column of notes"),
        (["!! nothing"], r"no column of notes \(\*\*kern\)"),
        (["**kern", "*M4/0", "4c"], "rows that break the format"),
    ],
)
def test_rows_that_break_the_format_are_named(lines, words):
    with pytest.raises(ScoreError, match=words):
        kern.read_kern("\n".join(lines).encode())


def test_parts_are_numbered_from_the_top_and_other_columns_are_no_parts():
    rows = rows_of("**text\t**kern\t**dynam\t**kern", "la\t4C\tf\t4c", "*-\t*-\t*-\t*-")
    assert [(row[2], row[3]) for row in rows] == [(48, 1), (60, 0)]


@pytest.mark.parametrize(
    ("letters", "pitch"),
    [
        ("c", 60), ("d", 62), ("e", 64), ("f", 65), ("g", 67), ("a", 69), ("b", 71),
        ("C", 48), ("D", 50), ("E", 52), ("F", 53), ("G", 55), ("A", 57), ("B", 59),
        ("cc", 72), ("bbb", 95), ("cccc", 96), ("CC", 36), ("BBB", 35), ("CCCC", 12),
        ("f##", 67), ("b--", 69), ("en", 64), ("CC-", 35), ("BB#", 48),
    ],
)  # fmt: skip
def test_letters_say_the_step_and_their_number_the_octave(letters, pitch):
    assert sounds(f"4{letters}", "*-") == [(0, 1, pitch)]


@pytest.mark.parametrize(
    ("digits", "length"),
    [
        ("1", 4), ("2", 2), ("4.", F(3, 2)), ("4..", F(7, 4)), ("8...", F(15, 16)),
        ("0", 8), ("00", 16), ("000", 32), ("0.", 12), ("3", F(4, 3)), ("20", F(1, 5)),
        ("3%4", F(16, 3)), ("5%2.", F(12, 5)), ("40", F(1, 10)),
    ],
)  # fmt: skip
def test_digits_say_the_share_of_a_whole_note(digits, length):
    assert sounds(f"{digits}c", "4d", "*-") == [(0, length, 60), (length, 1, 62)]


def test_a_chord_s_notes_last_as_long_as_the_one_before_where_they_do_not_say():
    assert sounds("2c e g", "4c 2e", "*-")[:4] == [
        (0, 2, 60), (0, 2, 64), (0, 2, 67), (2, 1, 60),
    ]  # fmt: skip


def test_grace_notes_and_notes_without_a_length_are_left_out():
    assert sounds("8qcc 4c", "qd", "8QQd", "4e qf", "*-") == [(0, 1, 60), (1, 1, 64)]
    assert sounds("c 4e", "g", "4f", "*-") == [(0, 1, 64), (1, 1, 65)]


def test_rests_and_cells_without_a_pitch_take_time():
    assert sounds("4r", "4c", "2ryy", "4", "4d", "*-") == [(1, 1, 60), (5, 1, 62)]
    assert sounds("4ggr", "4c", "*-") == [(1, 1, 60)]  # where it is drawn


def test_a_row_begins_when_the_longest_of_its_columns_is_free():
    assert sounds("**kern\t**kern", "2C\t4e", "4D\t4f", "*-\t*-")[2:] == [
        (2, 1, 50), (2, 1, 65),
    ]  # fmt: skip


def test_ties_begin_at_brackets_and_go_on_through_underscores():
    assert sounds("[4c", "=", "4c_", "=", "4c]", "4c", "*-") == [
        (0, 3, 60), (3, 1, 60),
    ]  # fmt: skip


def test_joined_columns_go_on_when_the_last_of_them_ends():
    for silent, sounding in (("4d\t.", "4e\t."), (".\t4d", ".\t4e")):
        lines = ("*^", "4c\t4c", silent, sounding, "*v\t*v", "4f", "*-")
        assert sounds(*lines)[2:] == [(1, 1, 62), (2, 1, 64), (3, 1, 65)]


def test_parts_that_split_join_each_their_own_columns():
    rows = rows_of(
        "**kern\t**kern", "*^\t*^", "4C\t4E\t4c\t4e", "*v\t*v\t*\t*", "4D\t4d\t4f",
        "*\t*v\t*v", "4F\t4g", "*-\t*-",
    )  # fmt: skip
    assert [row[:4] for row in rows] == [
        (0, 1, 48, 1), (0, 1, 52, 1), (0, 1, 60, 0), (0, 1, 64, 0),
        (1, 1, 50, 1), (1, 1, 62, 0), (1, 1, 65, 0), (2, 1, 53, 1), (2, 1, 67, 0),
    ]  # fmt: skip


def test_a_new_column_begins_where_the_old_one_has_come_to():
    assert sounds("4c", "*^", ".\t4e", "*v\t*v", "*-") == [(0, 1, 60), (1, 1, 64)]


def test_a_column_may_end_before_the_others():
    rows = rows_of("**kern\t**kern\t**kern", "4C\t4c\t4cc", "*-\t*\t*", "4d\t4dd",
                   "*\t*-", "4e", "*-")  # fmt: skip
    assert [row[:4] for row in rows[3:]] == [
        (1, 1, 62, 1),
        (1, 1, 74, 0),
        (2, 1, 64, 1),
    ]


def bars_of(*lines: str) -> list[tuple]:
    """Each note's place in its bar, and the bar's length."""
    return [row[4:] for row in rows_of(*lines)]


@pytest.mark.parametrize(
    ("meter", "length"),
    [("*", 4), ("*M2/4", 2), ("*M6/8", 3), ("*M3/3%2", 8), ("*MM120", 4)],
)  # fmt: skip
def test_a_meter_says_how_long_the_last_bar_is(meter, length):
    assert bars_of("*clefG2", meter, "*k[f#]", "4c", "*-") == [(0, length)]


def test_a_bar_is_what_lies_between_its_lines_whatever_the_meter():
    found = bars_of("*M4/4", "=1", "1c", "=2", "2c", "=3", "1c", "2d", "=4", "2c", "*-")
    assert found == [(0, 4), (0, 2), (0, 6), (4, 6), (0, 4)]


def test_only_the_first_bar_with_notes_is_a_pickup():
    found = bars_of("*M4/4", "=0", "4r", "=1", "4r", "4c", "=2", "2d", "=3", "*-")
    assert found == [(3, 4), (0, 2)]


def test_a_first_bar_that_is_too_long_begins_at_its_line():
    assert bars_of("*M2/4", "4c", "2d", "=1", "2e", "=2", "*-") == [
        (0, 3), (1, 3), (0, 2),
    ]  # fmt: skip
    words_first = ("**kern\t**text", "*M2/4\t*", ".\tla", "=1\t=1", "2.c\tla", "=\t=")
    assert bars_of(*words_first) == [(0, 3)]


def test_the_longest_part_ends_a_bar():
    for row in ("2C\t4c", "4C\t2c"):
        found = sounds("**kern\t**kern", row, "=\t=", "4D\t4d", "=\t=", "4E\t4e")
        assert [onset for onset, *_ in found] == [0, 0, 2, 2, 3, 3]
    lyrics = rows_of("**kern\t**text", "4c\tla", "=\t=", "4d\tla", "*-\t*-")
    assert [row[0] for row in lyrics] == [0, 1]
    assert bars_of("**kern\t**text", "4c\tla", "=\t=", "2d\tla", "=\t=") == [
        (3, 4), (0, 2),
    ]  # fmt: skip


def test_a_bar_ends_where_its_notes_do_even_if_their_column_has_ended():
    lyrics = bars_of("**kern\t**text", "=1\t=1", "1c\tla", "=2\t=2", "2d\tla",
                     "*-\t*", "=3", "*-")  # fmt: skip
    assert lyrics == [(0, 4), (0, 2)]


def test_a_file_without_bar_lines_has_every_place_within_its_bar():
    found = bars_of("*M2/4", "4c", "4d", "4e", "*-")
    assert found == [(0, 2), (1, 2), (2, 2 + F(1, TICKS))]


def test_a_tempo_is_no_meter_and_a_meter_may_stand_in_any_column():
    found = rows_of("**kern\t**kern", "*\t*M3/4", "4C\t4c", "*MM90\t*MM90", "4D\t4d")
    assert {row[5] for row in found} == {3}
