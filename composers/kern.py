"""Notes of a score in Humdrum's kern: a spine for each part, a row for each moment."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from composers.notes import TICKS, ScoreError, as_array, merge_tied

DURATION = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
PITCH = re.compile(r"([a-gA-G])\1*")
METER = re.compile(r"\*M(\d+)/(\d+)(?:%(\d+))?")
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


@dataclass
class Spine:
    """A column of the file, as it is now."""

    part: int | None  # none: not of notes
    ends: int = 0  # ticks when its last note is over


def read_kern(data: bytes) -> tuple[np.ndarray, str | None]:
    """Return a score's notes and the work it belongs to, if it says so (OPR).

    Raise ScoreError for anything else.
    """
    text = data.decode(errors="replace")
    # on its own line: a record may be empty
    work = re.search(r"^!!!OPR[^:\n]*:[^\S\n]*(\S.*?)\s*$", text, re.M)
    try:
        notes = as_array(merge_tied(read_rows(text.splitlines())))
    except (ValueError, ArithmeticError, IndexError) as error:
        raise ScoreError(f"rows that break the format: {error}") from error
    return notes, work[1] if work else None


def read_rows(lines: list[str]) -> list[tuple]:
    spines: list[Spine] = []
    notes, n_parts = [], 0
    reached, bar_begins, meter = 0, 0, 4 * TICKS
    bars: list[tuple[int, int, int]] = []  # first note, begin, meter
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("!"):
            continue
        tokens = line.split("\t")
        if line.startswith("**"):
            n_parts = sum(token == "**kern" for token in tokens)
            parts = reversed(range(n_parts))  # kern writes the lowest first
            spines = [
                Spine(next(parts) if token == "**kern" else None) for token in tokens
            ]
            continue
        if len(tokens) != len(spines):
            raise ValueError(
                f"line {number} has {len(tokens)} columns and not {len(spines)}"
            )
        if line.startswith("*"):
            for token in tokens:
                if found := METER.fullmatch(token):
                    meter = 4 * TICKS * int(found[1]) * int(found[3] or 1)
                    meter //= int(found[2])
            spines = rearranged(spines, tokens)
        elif line.startswith("="):
            bars.append((len(notes), bar_begins, meter))
            bar_begins = reached
        else:
            reached = max(reached, read_moment(spines, tokens, notes))
    bars.append((len(notes), bar_begins, meter))
    if not n_parts:
        raise ScoreError("no column of notes (**kern)")
    return in_bars(notes, bars)


def rearranged(spines: list[Spine], tokens: list[str]) -> list[Spine]:
    """Return the columns after a row of interpretations: split, joined or ended."""
    found: list[Spine] = []
    joining = False
    for spine, token in zip(spines, tokens, strict=True):
        if token == "*v" and joining:
            found[-1].ends = max(found[-1].ends, spine.ends)
            continue
        joining = token == "*v"
        if token == "*-":
            continue
        found.append(spine)
        if token == "*^":
            found.append(Spine(spine.part, spine.ends))
        elif token in ("*+", "*x"):
            raise ValueError(f"columns that change by {token}")
    return found


def read_moment(spines: list[Spine], tokens: list[str], notes: list[tuple]) -> int:
    """Add the notes that begin in a row, and return the tick when all have ended, or 0.

    Columns of a row begin together.
    """
    playing = [
        (spine, token)
        for spine, token in zip(spines, tokens, strict=True)
        if spine.part is not None and token != "."
    ]
    if not playing:
        return 0
    now = max(spine.ends for spine, _ in playing)
    for spine, token in playing:
        duration = None
        for sub in token.split():  # a chord's notes
            if "q" in sub or "Q" in sub:
                continue  # a grace note
            if length := DURATION.search(sub):
                duration = duration_of(*length.groups())
            elif duration is None:
                continue
            spine.ends = now + duration
            if "r" not in sub and (pitch := PITCH.search(sub)):
                tied = "[" in sub or "_" in sub
                notes.append((now, duration, pitch_of(pitch[0], sub), spine.part, tied))
    return max(spine.ends for spine, _ in playing)


@cache
def duration_of(digits: str, over: str | None, dots: str) -> int:
    """Return ticks: 4 is a quarter, 0 a breve, 00 a long, 3%2 two thirds of a whole."""
    if set(digits) == {"0"}:
        quarters = Fraction(4 * 2 ** len(digits))
    else:
        quarters = Fraction(4 * int(over or 1), int(digits))
    return round(quarters * (2 - Fraction(1, 2 ** len(dots))) * TICKS)


@cache
def pitch_of(letters: str, token: str) -> int:
    """Return MIDI's number: c is middle C, cc above, C below, CC lower still."""
    n = len(letters)
    octave = 4 + (n - 1) if letters[0].islower() else 4 - n
    step = STEPS[letters[0].lower()]
    return 12 * (octave + 1) + step + token.count("#") - token.count("-")


def in_bars(notes: list[tuple], bars: list[tuple]) -> list[tuple]:
    """Return rows with each note's place in its bar, as merge_tied wants them."""
    rows, first = [], 0
    ends = [begin for _, begin, _ in bars[1:]] + [None]
    met_whole_bar = False
    for (last, begin, meter), end in zip(bars, ends, strict=True):
        length = meter if end is None else end - begin
        missing = 0
        if last > first and not met_whole_bar:
            missing = max(meter - length, 0)
            met_whole_bar = True
        for now, duration, pitch, part, tied in notes[first:last]:
            place = now - begin + missing
            row = (
                now, duration, pitch, part, place, max(length + missing, place + 1)
            )  # fmt: skip
            rows.append((row, tied))
        first = last
    return rows
