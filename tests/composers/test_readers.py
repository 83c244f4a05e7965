"""MusicXML and kern, against what is written by hand."""

import io
import zipfile
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composers import kern, musicxml
from composers.notes import ScoreError
from composers.scores import read_score
from machinery.errors import BadInput
from tests.composers.conftest import measure, note, quarters, score


def read(*parts):
    return quarters(musicxml.read_musicxml(score(*parts)))


def test_notes_in_the_order_of_time_then_pitch():
    found = read(
        [measure(note(72, 2), note(71, 2), divisions=2, meter=(2, 4))],
        [measure(note(48, 4), divisions=2, meter=(2, 4))],
    )
    assert found == [
        (0, 2, 48, 1, 0, 2), (0, 1, 72, 0, 0, 2), (1, 1, 71, 0, 1, 2),
    ]  # fmt: skip


def test_chords_rests_and_grace_notes():
    found = read([
        measure(note(60, 1), note(64, 1, chord=True), note(61, 0, grace=True),
                note(None, 1), note(67, 2), divisions=1, meter=(4, 4)),
    ])  # fmt: skip
    assert [row[:3] for row in found] == [(0, 1, 60), (0, 1, 64), (2, 2, 67)]


def test_backup_and_forward_move_the_time():
    back, on = (f"<{way}><duration>{n}</duration></{way}>"
                for way, n in (("backup", 4), ("forward", 1)))  # fmt: skip
    voices = (note(72, 4), back, on, note(60, 2, voice=2))
    found = read([measure(*voices, divisions=1, meter=(4, 4)), measure(note(50, 4))])
    assert [row[:3] for row in found] == [(0, 4, 72), (1, 2, 60), (4, 4, 50)]


def test_tied_notes_are_one_over_a_bar_line():
    found = read([
        measure(note(62, 2), note(60, 2, tie="start"), divisions=1, meter=(4, 4)),
        measure(note(60, 4, tie="stop start")),
        measure(note(60, 1, tie="stop"), note(60, 3)),
    ])  # fmt: skip
    assert [row[:3] for row in found] == [(0, 2, 62), (2, 7, 60), (9, 3, 60)]


def test_a_tie_that_nothing_continues_is_cut():
    found = read([
        measure(note(60, 2, tie="start"), note(61, 2), divisions=1, meter=(4, 4)),
        measure(note(60, 4)),
    ])  # fmt: skip
    assert [row[:3] for row in found] == [(0, 2, 60), (2, 2, 61), (4, 4, 60)]


def test_a_pickup_bar_counts_from_its_end():
    found = read([
        measure(note(67, 1), divisions=1, meter=(4, 4), number=0, implicit=True),
        measure(note(60, 4)),
    ])  # fmt: skip
    assert found == [(0, 1, 67, 0, 3, 4), (1, 4, 60, 0, 0, 4)]


def test_a_part_that_leaves_its_rests_out_stays_in_time():
    found = read(
        [measure(note(72, 4), divisions=1, meter=(4, 4)), measure(note(74, 4))],
        [measure(note(48, 1), divisions=1, meter=(4, 4)), measure(note(50, 4))],
        [measure(note(None, 8), divisions=1, meter=(4, 4)), measure(note(40, 4))],
    )
    assert {row[0] for row in found if row[2] in (74, 50, 40)} == {4}


def test_divisions_that_change_and_triplets():
    found = read([
        measure(note(60, 2), note(61, 1), note(62, 1), note(63, 1), note(64, 1),
                divisions=2, meter=(4, 4)),
        measure(*(note(60 + i, 1) for i in range(12)), divisions=3),
    ])  # fmt: skip
    assert [row[0] for row in found[-12:]] == [3 + F(i, 3) for i in range(12)]


def packed(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["score.xml", "score.musicxml"])
def test_a_compressed_score_is_the_same(name):
    plain = score([measure(note(60, 4), divisions=1, meter=(4, 4))])
    found = musicxml.read_mxl(packed(name, plain))
    assert quarters(found) == quarters(musicxml.read_musicxml(plain))


BOMB = b"""<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<score-partwise>&b;</score-partwise>"""


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.musicxml", BOMB, "declares entities"),
        ("a.musicxml", b"<score-partwise><part>", "no XML"),
        ("a.musicxml", b"", "no XML"),
        ("a.musicxml", b"<score-timewise/>", "not score-partwise"),
        ("a.mxl", b"PK\x03\x04 no archive", "damaged archive"),
        ("a.mxl", packed("cover.png", b"x"), "without a score"),
        ("a.mxl", packed("a.xml", BOMB), "declares entities"),
        ("a.krn", b"no\tcolumns\n", "format"),
        ("a.krn", b"**kern\n4c\n*-\n4c\t4d\n", "format"),
    ],
)
def test_a_file_that_is_no_score_is_one_line(tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput, match=words) as error:
        read_score(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_zip_bomb_is_refused_before_it_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(musicxml, "LARGEST", 1000)
    path = tmp_path / "bomb.mxl"
    path.write_bytes(packed("a.xml", b" " * 10_000))
    with pytest.raises(BadInput, match="unpacks to 10,000 bytes"):
        read_score(path)


@given(st.data())
def test_a_damaged_archive_never_breaks_out(data):
    whole = bytearray(packed("a.xml", score([measure(note(60, 4), divisions=1)])))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    outcome = attempt(musicxml.read_mxl, bytes(whole))
    assert isinstance(outcome, np.ndarray) or "\n" not in str(outcome)


def attempt(read, data: bytes) -> np.ndarray | ScoreError:
    """What a reader gives for a file; any other error than its own comes through."""
    try:
        return read(data)
    except ScoreError as error:
        return error


@given(st.data())
def test_text_that_is_no_kern_never_breaks_out(data):
    token = st.sampled_from(
        [
            "**kern",
            "*^",
            "*v",
            "*-",
            "=1",
            "4c",
            "0" * 400,
            "4c]",
            ".",
            "*M4/0",
            "!",
            "",
        ]
    )
    rows = data.draw(st.lists(st.lists(token, min_size=1, max_size=3), max_size=8))
    text = "**kern\n" + "\n".join(map("\t".join, rows))
    outcome = attempt(lambda data: kern.read_kern(data)[0], text.encode())
    assert isinstance(outcome, np.ndarray) or "\n" not in str(outcome)


@pytest.mark.parametrize("duration", [10**30, "1e999", "nan", -3, "x"])
def test_a_duration_beyond_all_bounds_is_refused_or_left_out(duration):
    outcome = attempt(
        musicxml.read_musicxml, score([measure(note(60, duration), divisions=1)])
    )
    assert isinstance(outcome, ScoreError) or len(outcome) == 0


KERN = """!!!OPR: Missa Test
**kern\t**text\t**kern
*M4/4\t*\t*M4/4
=1-\t=1-\t=1-
2C\tla\t4cc
.\t.\t8dd#
.\t.\t8ee-
[2D\tla\t4r
.\t.\tqff
.\t.\t4ff 4aa
=2\t=2\t=2
2D]\t.\t*^
""".replace("2D]\t.\t*^\n", "")


def kern_rows(text: str):
    notes, work = kern.read_kern(text.encode())
    return quarters(notes), work


def test_kern_by_hand():
    text = KERN + "2D]\t.\t2.gg\n4BB\t.\t.\n4r\t.\t4r\n==\t==\t==\n*-\t*-\t*-\n"
    rows, work = kern_rows(text)
    assert work == "Missa Test"
    assert [row[:4] for row in rows] == [
        (0, 2, 48, 1), (0, 1, 72, 0), (1, F(1, 2), 75, 0), (F(3, 2), F(1, 2), 75, 0),
        (2, 4, 50, 1), (3, 1, 77, 0), (3, 1, 81, 0), (4, 3, 79, 0), (6, 1, 47, 1),
    ]  # fmt: skip
    assert [row[4] for row in rows[-2:]] == [0, 2]


def test_a_spine_that_splits_and_joins():
    rows, _ = kern_rows(
        "**kern\n*M4/4\n*^\n2c\t4e\n.\t4f\n2d\t2g\n*v\t*v\n=2\n1c\n*-\n"
    )
    assert [row[:3] for row in rows] == [
        (0, 2, 60), (0, 1, 64), (1, 1, 65), (2, 2, 62), (2, 2, 67), (4, 4, 60),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "length", "pitch"),
    [
        ("4c", 1, 60), ("8.cc", F(3, 4), 72), ("0C", 8, 48), ("00CC", 16, 36),
        ("3%2a", F(8, 3), 69), ("16b-", F(1, 4), 70), ("2..f#", F(7, 2), 66),
        ("12ddd", F(1, 3), 86),
    ],
)  # fmt: skip
def test_kern_tokens(token, length, pitch):
    rows, _ = kern_rows(f"**kern\n{token}\n*-\n")
    assert rows[0][1:3] == (length, pitch)


def test_a_pickup_in_kern_counts_from_its_end():
    rows, _ = kern_rows("**kern\n*M3/4\n4c\n=1\n2.d\n=2\n2.e\n*-\n")
    assert [(row[0], row[4], row[5]) for row in rows] == [
        (0, 2, 3),
        (1, 0, 3),
        (4, 0, 3),
    ]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.mxl is no file"):
        read_score(tmp_path / "gone.mxl")
