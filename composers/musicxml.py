"""Notes of a MusicXML score, plain or compressed (.mxl); repeats are not unfolded."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from itertools import accumulate, zip_longest
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers import expat

import numpy as np

from composers.notes import TICKS, ScoreError, as_array, merge_tied

LARGEST = 100 * 2**20  # bytes of a score, unpacked
# what zipfile has been seen to raise for one
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    LookupError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted one, or an unknown method of compression
    OverflowError,
    UnicodeDecodeError,
)
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def read_mxl(data: bytes) -> np.ndarray:
    """Return the notes of a compressed score; ScoreError for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = root_file(archive)
            size = archive.getinfo(name).file_size
            if size > LARGEST:
                raise ScoreError(
                    f"{name} unpacks to {size:,} bytes, at most are {LARGEST:,}"
                )
            with archive.open(name) as file:  # a size that is a lie fails its checksum
                inside = file.read(LARGEST)  # and takes no more memory than this
    except DAMAGED as error:
        raise ScoreError(f"a damaged archive: {error}") from error
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
        return in_one(list(map(read_part, root.iterfind("part"))))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ScoreError(f"a part that breaks the format: {error}") from error


def in_one(parts: list["Part"]) -> np.ndarray:
    """Return the notes of all parts, whose bars begin together."""
    bars = [length_of(bar) for bar in zip_longest(*(part.lengths for part in parts))]
    begins = [0, *accumulate(bars)]
    rows = []
    for i, part in enumerate(parts):
        for bar, at, duration, pitch, tied in part.notes:
            lacks = part.lacks[bar]
            place, length = at + lacks, bars[bar] + lacks
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


@dataclass
class Part:
    """A part as it is read, bar by bar. Times are in ticks from the bar's begin."""

    divisions: int = 1  # of a quarter: the file's unit of time
    meter: int = 4 * TICKS
    transposed: int = 0  # semitones from what is written to what sounds
    # number of the bar, begin, duration, pitch, and whether it is tied to the next
    notes: list[tuple[int, int, int, int, bool]] = field(default_factory=list)
    lengths: list[tuple[int, int]] = field(default_factory=list)  # and the meter there
    lacks: list[int] = field(default_factory=list)  # what a pickup bar is short of

    def ticks(self, n: int) -> int:
        """Return a sum of divisions as ticks: rounded once, so nothing adds up."""
        return round(n * TICKS / self.divisions)

    def follow(self, attributes: Element) -> None:
        """Take over the unit of time, the meter and the transposition."""
        self.divisions = whole(attributes.findtext("divisions", str(self.divisions)))
        self.meter = meter_of(attributes.find("time")) or self.meter
        if (shift := attributes.find("transpose")) is not None:
            self.transposed = whole(shift.findtext("chromatic", "0"))
            self.transposed += 12 * whole(shift.findtext("octave-change", "0"))

    def add(self, note: Element, begin: int, duration: int) -> None:
        """Add a note of the bar that is being read; rests add nothing."""
        if (pitch := note.find("pitch")) is None:
            return
        # the sign (tied) is there where the sound (tie) is left out
        signs = (*note.iterfind("tie"), *note.iterfind("notations/tied"))
        tied = any(sign.get("type") == "start" for sign in signs)
        at = self.ticks(begin)
        length = self.ticks(begin + duration) - at
        sounds = pitch_of(pitch) + self.transposed
        self.notes.append((len(self.lengths), at, length, sounds, tied))

    def end_bar(self, reached: int, short: bool) -> None:
        """End a bar that the part fills so far; one that may be short is a pickup."""
        self.lengths.append((reached or self.meter, self.meter))
        self.lacks.append(max(self.meter - reached, 0) if short else 0)


def read_part(element: Element) -> Part:
    """Return a part's notes and bars."""
    part = Part()
    for number, measure in enumerate(element.iterfind("measure")):
        now = begin = reached = 0  # now and begin in divisions
        for item in measure:
            if item.tag == "attributes":
                before = part.divisions
                part.follow(item)
                now = now * part.divisions / before  # not cut off to a whole one
            elif item.tag in ("backup", "forward"):
                step = whole(item.findtext("duration"))
                now += step if item.tag == "forward" else -step
            elif item.tag == "note" and sounds_in_time(item):
                duration = whole(item.findtext("duration", "0"))
                if item.find("chord") is None:
                    begin, now = now, now + duration
                part.add(item, begin, duration)
            reached = max(reached, part.ticks(now))
        part.end_bar(reached, number == 0 or measure.get("implicit") == "yes")
    return part


def sounds_in_time(note: Element) -> bool:
    """Whether a note takes time: grace notes and cues of other parts do not."""
    return note.find("grace") is None and note.find("cue") is None


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
