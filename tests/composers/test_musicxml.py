"""MusicXML by hand, one rule of the format at a time."""

import io
import struct
import zipfile
from fractions import Fraction as F

import pytest

from composers import musicxml
from composers.musicxml import length_of, read_musicxml, read_mxl
from composers.notes import DURATION, ONSET, TICKS, ScoreError
from tests.composers.conftest import measure, note, quarters, score


def read(*parts: list[str]) -> list[tuple]:
    return quarters(read_musicxml(score(*parts)))


def sounds(*measures: str) -> list[tuple]:
    """Onsets, durations and pitches of one part."""
    return [row[:3] for row in read(list(measures))]


def bar(inside: str, kind: str = "") -> str:
    return f"<measure{kind}>{inside}</measure>"


def told(inside: str) -> str:
    return f"<attributes>{inside}</attributes>"


def moved(way: str, n: int) -> str:
    return f"<{way}><duration>{n}</duration></{way}>"


def pitched(inside: str, more: str = "") -> str:
    return f"<note><pitch>{inside}</pitch><duration>1</duration>{more}</note>"


@pytest.mark.parametrize(
    ("inside", "pitch"),
    [
        ("<step>C</step><octave>4</octave>", 60),
        ("<step>B</step><octave>3</octave>", 59),
        ("<step>A</step><octave>0</octave>", 21),
        ("<step>E</step><alter>-1</alter><octave>4</octave>", 63),
        ("<step>D</step><alter>2</alter><octave>4</octave>", 64),
        ("<step>F</step><alter>-2</alter><octave>5</octave>", 75),
        ("<step>G</step><alter>1.0</alter><octave>4</octave>", 68),
        ("<step>G</step><alter>0.5</alter><octave>4</octave>", 67),  # a quarter tone
    ],
)
def test_a_pitch_is_its_step_its_octave_and_its_alteration(inside, pitch):
    assert sounds(bar(pitched(inside))) == [(0, 1, pitch)]


def test_an_instrument_that_transposes_sounds_otherwise_than_written():
    def transposed(inside: str) -> str:
        return told(f"<transpose>{inside}</transpose>")

    b_flat = transposed("<chromatic>-2</chromatic>")
    horn = transposed("<chromatic>-7</chromatic><octave-change>-1</octave-change>")
    bass = transposed("<octave-change>-1</octave-change>")
    c = note(60, 1)
    key = told("<key><fifths>2</fifths></key>")  # says nothing of transposition
    found = sounds(bar(f"{c}{b_flat}{c}{key}{c}{horn}{c}"), bar(f"{c}{bass}{c}"))
    assert [row[2] for row in found] == [60, 58, 58, 41, 41, 48]


def test_times_that_no_tick_divides_leave_no_gap():
    """Eleven divisions of a quarter: each time is rounded, and errors do not add up."""
    notes = [note(60 + i % 2, 1) for i in range(44)]
    one_by_one = read_musicxml(score([measure(*notes, divisions=11, meter=(4, 4))]))
    ends = one_by_one[:, ONSET] + one_by_one[:, DURATION]
    assert (ends[:-1] == one_by_one[1:, ONSET]).all()
    assert ends[-1] == 4 * TICKS
    exact = [i * TICKS / 11 for i in range(44)]
    assert abs(one_by_one[:, ONSET] - exact).max() <= 0.5


def test_a_file_without_attributes_counts_quarters_in_bars_of_four():
    found = read([bar(note(60, 2) + note(62, 2)), bar(note(64, 4))])
    assert found == [(0, 2, 60, 0, 0, 4), (2, 2, 62, 0, 2, 4), (4, 4, 64, 0, 0, 4)]


def test_divisions_stay_until_others_are_told_in_the_middle_of_a_bar_too():
    two, three = (told(f"<divisions>{n}</divisions>") for n in (2, 3))
    found = sounds(
        bar(two + note(60, 2) + three + note(61, 1) + note(62, 2) + note(63, 6)),
        bar(told("") + note(64, 12)),
        bar(note(65, 3) + two + note(66, 6)),
        bar(note(67, 1) + three + note(68, 3)),  # from half a quarter on
    )
    assert found == [
        (0, 1, 60), (1, F(1, 3), 61), (F(4, 3), F(2, 3), 62), (2, 2, 63), (4, 4, 64),
        (8, 1, 65), (9, 3, 66), (12, F(1, 2), 67), (F(25, 2), 1, 68),
    ]  # fmt: skip


def test_a_chord_begins_with_its_first_note_and_time_goes_on_after_that():
    found = sounds(
        bar(note(60, 2) + note(64, 2, chord=True) + note(67, 1, chord=True)
            + note(62, 2))
    )  # fmt: skip
    assert found == [(0, 2, 60), (0, 2, 64), (0, 1, 67), (2, 2, 62)]


def test_cues_and_grace_notes_take_no_time_and_rests_do():
    cue, grace = (
        note(80, 2).replace("<note>", f"<note><{kind}/>") for kind in ("cue", "grace")
    )
    timeless = "<note><pitch><step>C</step><octave>4</octave></pitch></note>"
    found = sounds(bar(cue + grace + note(61, 0, grace=True) + note(None, 1) + timeless
                       + note(60, 3)))  # fmt: skip
    assert found == [(1, 3, 60)]


def test_what_is_no_note_and_no_move_takes_no_time():
    other = "<direction><duration>9</duration></direction>"
    assert sounds(bar(other + note(60, 4))) == [(0, 4, 60)]


def test_going_back_does_not_shorten_a_bar():
    found = sounds(
        bar(note(60, 4) + moved("backup", 4) + note(48, 1)),
        bar(note(62, 4) + moved("backup", 3) + moved("forward", 2) + note(50, 1)),
    )
    assert found == [(0, 1, 48), (0, 4, 60), (4, 4, 62), (7, 1, 50)]


def test_a_tie_may_be_told_by_its_sign_alone():
    c = "<step>C</step><octave>4</octave>"
    begun, ended = (
        pitched(c, f'<notations><tied type="{kind}"/></notations>')
        for kind in ("start", "stop")
    )
    assert sounds(bar(begun + ended + pitched(c))) == [(0, 2, 60), (2, 1, 60)]


@pytest.mark.parametrize(
    ("time", "length"),
    [
        ("<beats>3</beats><beat-type>4</beat-type>", 3),
        ("<beats>3+2</beats><beat-type>8</beat-type>", F(5, 2)),
        ("<beats>2</beats><beat-type>2</beat-type>", 4),
        ("<senza-misura/>", 2),
    ],
)
def test_a_meter_says_how_long_an_empty_bar_is(time, length):
    """One without a meter leaves that of the bar before."""
    before = bar(told("<time><beats>2</beats><beat-type>4</beat-type></time>")
                 + note(60, 2))  # fmt: skip
    later = bar(told(f"<time>{time}</time>"))
    assert [row[0] for row in read([before, later, bar(note(62, 1))])] == [
        0,
        2 + length,
    ]


@pytest.mark.parametrize(
    ("parts", "length"),
    [
        (((4, 4), (4, 4)), 4),
        (((1, 4), (4, 4), (8, 4)), 4),  # one fills its meter
        (((8, 4), (1, 4)), 8),  # none does: the longest
        (((2, 4), None, (3, 4)), 3),
        ((None, (2, 4)), 2),
        (((5, 3), (4, 4), (3, 3)), 4),  # the first that fills its own
    ],
)
def test_a_bar_is_as_long_as_a_part_that_fills_its_meter_else_as_the_longest(
    parts, length
):
    assert length_of(parts) == length


def test_parts_of_fewer_bars_and_of_short_ones_stay_in_time():
    found = read(
        [measure(note(72, 4)), measure(note(74, 4)), measure(note(76, 4))],
        [measure(note(48, 1)), measure(note(50, 2))],
        [measure(), measure(note(40, 4), note(41, 4))],
    )
    assert found == [
        (0, 1, 48, 1, 3, 7), (0, 4, 72, 0, 0, 4), (4, 4, 40, 2, 0, 4),
        (4, 2, 50, 1, 0, 4), (4, 4, 74, 0, 0, 4), (8, 4, 41, 2, 4, 4),
        (8, 4, 76, 0, 0, 4),
    ]  # fmt: skip


def test_bars_after_the_first_count_from_their_end_only_where_they_say_so():
    told_short, short = (measure(note(60, 1), implicit=on) for on in (True, False))
    full, long = measure(note(62, 4)), measure(note(64, 5), implicit=True)
    found = read([full, told_short, short, long, full])
    assert [row[4:] for row in found] == [(0, 4), (3, 4), (0, 1), (0, 5), (0, 4)]
    other = bar(note(60, 1), ' implicit="no"')
    assert [row[4:] for row in read([full, other])] == [(0, 4), (0, 1)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'<?xml version="1.0" encoding="klingon"?><score-partwise/>', "no XML: "),
        (b"<score-partwise>&none;</score-partwise>", "no XML: undefined entity"),
        (b"<a><b></a>", "no XML: mismatched tag"),
        (b"", "no XML: no element found"),
        (b"plain words", "no XML: syntax error"),
        (b"<!DOCTYPE s [<!ENTITY a 'ha'>]><s/>", "XML that declares entities$"),
        (b"<opus/>", "^the root is opus, not score-partwise$"),
    ],
)
def test_what_is_no_score_is_named(data, words):
    with pytest.raises(ScoreError, match=words):
        read_musicxml(data)


@pytest.mark.parametrize(
    "item",
    [
        pitched("<step>H</step><octave>4</octave>"),
        pitched("<octave>4</octave>"),
        pitched("<step>C</step>"),
        "<forward/>",
        "<backup><duration>x</duration></backup>",
        told("<divisions>0</divisions>") + note(60, 1),
        told("<time><beats>3</beats></time>"),
        told("<time><beats>3</beats><beat-type>0</beat-type></time>"),
    ],
)
def test_a_part_that_breaks_the_format_is_named(item):
    with pytest.raises(ScoreError, match="^a part that breaks the format: "):
        read([bar(item)])


def test_a_score_without_parts_has_no_notes():
    assert read_musicxml(b"<score-partwise/>").shape == (0, 6)


ONE_NOTE = score([measure(note(60, 4))])
OTHER_NOTE = score([measure(note(72, 4))])


def archive(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in files:
            file.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "files",
    [
        ("score.xml", "other.xml"),
        ("META-INF/container.xml", "a/score.musicxml", "other.xml"),
        ("__MACOSX/score.xml", "cover.png", "score.xml"),
    ],
)
def test_an_archive_s_first_score_is_read_and_not_what_is_about_it(files):
    inside = [(f, ONE_NOTE if "score." in f else OTHER_NOTE) for f in files]
    inside = [(f, b"<x/>" if f.startswith("__") else data) for f, data in inside]
    assert [row[2] for row in quarters(read_mxl(archive(*inside)))] == [60]


def test_an_archive_of_other_things_has_no_score():
    with pytest.raises(ScoreError, match="^an archive without a score$"):
        read_mxl(archive(("META-INF/a.xml", ONE_NOTE), ("score.txt", ONE_NOTE)))


def test_a_score_of_exactly_the_largest_size_is_read(monkeypatch):
    monkeypatch.setattr(musicxml, "LARGEST", len(ONE_NOTE))
    assert len(read_mxl(archive(("a.xml", ONE_NOTE)))) == 1
    words = f"^a.xml unpacks to {len(ONE_NOTE) + 1} bytes, at most are {len(ONE_NOTE)}$"
    with pytest.raises(ScoreError, match=words):
        read_mxl(archive(("a.xml", ONE_NOTE + b" ")))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_that_lies_about_a_size_is_damaged(method):
    data = ONE_NOTE + b" " * 5000
    packed = archive(("a.xml", data), method=method)
    size, lie = struct.pack("<I", len(data)), struct.pack("<I", len(ONE_NOTE))
    with pytest.raises(ScoreError, match="^a damaged archive: "):
        read_mxl(packed.replace(size, lie))
