"""Notes of a MusicXML score, plain or compressed (.mxl); repeats are not unfolded."""

import io
import zipfile
from itertools import accumulate, zip_longest
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers import expat

import numpy as np

from composers.notes import TICKS, ScoreError, as_array, merge_tied

LARGEST = 100 * 2**20  # bytes of a score, unpacked
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def read_mxl(data: bytes) -> np.ndarray:
    """Return the notes of a compressed score; ScoreError for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = root_file(archive)
            size = archive.getinfo(name).file_size
            if size > LARGEST:
                raise ScoreError(f"{name} unpacks to {size:,} bytes")
            with archive.open(name) as file:
                inside = file.read(LARGEST + 1)  # the size named may be a lie
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as error:
        raise ScoreError(f"a damaged archive: {error}") from error
    except Exception as error:  # zlib.error, and what zipfile leaves unchecked
        if isinstance(error, ScoreError):
            raise
        raise ScoreError(f"a damaged archive: {error}") from error
    if len(inside) > LARGEST:
        raise ScoreError(f"{name} unpacks to more than {LARGEST:,} bytes")
    return read_musicxml(inside)


def root_file(archive: zipfile.ZipFile) -> str:
    """Return the name of the score within an archive."""
    names = [
        name
        for name in archive.namelist()
        if PurePosixPath(name).suffix in (".xml", ".musicxml")
        and not name.startswith(("META-INF", "__MACOSX"))
    ]
    if not names:
        raise ScoreError("an archive without a score")
    return names[0]


class Begun(Exception):
    """The root element is there: what may declare entities is over."""


def parse(data: bytes) -> Element:
    """Return the root of XML; entities are refused, as they can grow without bound."""
    prologue = expat.ParserCreate()

    def declared(*_: object) -> None:
        raise ScoreError("XML that declares entities")

    def begun(*_: object) -> None:
        raise Begun

    prologue.EntityDeclHandler, prologue.StartElementHandler = declared, begun
    try:
        prologue.Parse(data, True)
    except Begun:
        pass
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ScoreError(f"no XML: {error}") from error
    try:
        return fromstring(data)
    except (ParseError, ValueError, LookupError) as error:
        raise ScoreError(f"no XML: {error}") from error


def read_musicxml(data: bytes) -> np.ndarray:
    """Return the notes of a score; ScoreError for anything else."""
    root = parse(data)
    if root.tag != "score-partwise":
        raise ScoreError(f"the root is {root.tag}, not score-partwise")
    try:
        parts = [read_part(part) for part in root.iterfind("part")]
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ScoreError(f"a part that breaks the format: {error}") from error
    bars = [length_of(bar) for bar in zip_longest(*(lengths for _, lengths in parts))]
    begins = [0, *accumulate(bars)]
    rows = []
    for i, (notes, _) in enumerate(parts):
        for bar, at, duration, pitch, missing, tied in notes:
            place, length = at + missing, bars[bar] + missing
            rows.append(((begins[bar] + at, duration, pitch, i, place, length), tied))
    return as_array(merge_tied(rows))


def length_of(bar: tuple[tuple[int, int] | None, ...]) -> int:
    """Return a bar's length from its length in each part, and its meter there.

    Parts may leave out what they do not play, and write rests that are too long: if one
    fills the meter, that is it; else the longest.
    """
    found = [part for part in bar if part is not None]
    full = [length for length, meter in found if length == meter]
    return full[0] if full else max(length for length, _ in found)


def read_part(part: Element) -> tuple[list[tuple], list[tuple[int, int]]]:
    """Return a part's notes, and of each bar its length and what the meter asks for.

    A note is the number of its bar, when it begins there, its duration and pitch, what
    a pickup bar lacks, and whether it is tied to the next. Times are in ticks.
    """
    divisions, meter = 1, 4 * TICKS
    transposed = 0
    notes: list[tuple] = []
    lengths: list[tuple[int, int]] = []

    def ticks(n: int) -> int:
        return round(n * TICKS / divisions)  # of a sum of divisions, so nothing adds up

    for bar, measure in enumerate(part.iterfind("measure")):
        now = begin = 0  # in divisions
        reached, first = 0, len(notes)
        for item in measure:
            if item.tag == "note":
                if item.find("grace") is not None or item.find("cue") is not None:
                    continue
                duration = whole(item.findtext("duration", "0"))
                if item.find("chord") is None:
                    begin, now = now, now + duration
                if (pitch := item.find("pitch")) is not None:
                    # the sign (tied) is there where the sound (tie) is left out
                    signs = (*item.iterfind("tie"), *item.iterfind("notations/tied"))
                    ties = {sign.get("type") for sign in signs}
                    at = ticks(begin)
                    notes.append(
                        (bar, at, ticks(begin + duration) - at,
                         pitch_of(pitch) + transposed, "start" in ties)
                    )  # fmt: skip
            elif item.tag in ("backup", "forward"):
                step = whole(item.findtext("duration"))
                now += step if item.tag == "forward" else -step
            elif item.tag == "attributes":
                if (text := item.findtext("divisions")) is not None:
                    now, divisions = now * whole(text) // divisions, whole(text)
                meter = meter_of(item.find("time")) or meter
                if (shift := item.find("transpose")) is not None:
                    transposed = whole(shift.findtext("chromatic", "0"))
                    transposed += 12 * whole(shift.findtext("octave-change", "0"))
            reached = max(reached, ticks(now))
        lengths.append((reached or meter, meter))
        # a bar that begins late, a pickup, lacks its front
        short = bar == 0 or measure.get("implicit") == "yes"
        missing = max(meter - reached, 0) if short else 0
        notes[first:] = [(*n[:4], missing, *n[4:]) for n in notes[first:]]
    return notes, lengths


def whole(text: str | None) -> int:
    return int(float(text))


def meter_of(time: Element | None) -> int:
    """Return a bar's length in ticks, 0 where none is named; 3+2 over 8 has five."""
    if time is None or time.find("beats") is None:
        return 0
    beats = sum(int(n) for n in time.findtext("beats").split("+"))
    return 4 * TICKS * beats // int(time.findtext("beat-type"))


def pitch_of(pitch: Element) -> int:
    step, octave = STEPS[pitch.findtext("step")], int(pitch.findtext("octave"))
    return 12 * (octave + 1) + step + round(float(pitch.findtext("alter", "0")))
