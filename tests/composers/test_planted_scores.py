"""Scores drawn at random and written down in both formats: both give them back."""

from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest

from composers import kern, musicxml
from tests.composers.conftest import measure, note, quarters, score

GRID = 12  # of a quarter: where notes may begin
METERS = ((4, 4), (3, 4), (6, 8), (3, 2), (5, 8))
SPELLED = ["c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b"]

# a part's bar is a list of (length, pitches, those tied to the next), a bar's meter and
# length go with it, lengths in quarters
Event = tuple[Fraction, list[int], set[int]]


def drawn_bars(random: Random) -> list[tuple[tuple[int, int], Fraction]]:
    """Meters, which may change, and lengths; the first bar may be a pickup."""
    meters = sorted(random.choices(METERS, k=4))
    lengths = [Fraction(4 * beats, unit) for beats, unit in meters]
    if random.random() < 0.5:
        lengths[0] -= 1
    return list(zip(meters, lengths, strict=True))


def drawn_part(random: Random, bars: list) -> list[list[Event]]:
    held: set[int] = set()
    found = []
    for _, length in bars:
        inner = range(1, int(length * GRID))
        cuts = sorted(random.sample(inner, random.randint(0, 3)))
        points = [0, *cuts, int(length * GRID)]
        events = []
        for a, b in pairwise(points):
            others = random.sample(range(36, 97), random.choice([0, 1, 1, 3]))
            pitches = sorted(held | set(others))
            held = set(random.sample(pitches, random.randint(0, len(pitches))))
            events.append((Fraction(b - a, GRID), pitches, held))
        found.append(events)
    return found


def planted_rows(bars: list, parts: list[list[list[Event]]]) -> list[tuple]:
    """What a reader should find, in quarters."""
    rows = []
    for i, part in enumerate(parts):
        held: dict[int, list] = {}
        begin = Fraction(0)
        for number, ((meter, length), events) in enumerate(
            zip(bars, part, strict=True)
        ):
            whole = Fraction(4 * meter[0], meter[1])
            place = whole - length if number == 0 else Fraction(0)
            now = begin
            for lasts, pitches, tied in events:
                going = {}
                for pitch in pitches:
                    row = held.get(pitch)
                    if row is None:
                        row = [now, Fraction(0), pitch, i, place, whole]
                        rows.append(row)
                    row[1] += lasts
                    if pitch in tied:
                        going[pitch] = row
                held, now, place = going, now + lasts, place + lasts
            begin += length
    return sorted(map(tuple, rows), key=lambda row: (row[0], row[2], row[3]))


def as_musicxml(bars: list, parts: list) -> bytes:
    found = []
    for part in parts:
        measures, held = [], set()
        for number, ((meter, _), events) in enumerate(zip(bars, part, strict=True)):
            items = []
            for lasts, pitches, tied in events:
                for j, pitch in enumerate(pitches or [None]):
                    tie = "stop " * (pitch in held) + "start" * (pitch in tied)
                    length = int(lasts * GRID)
                    items.append(note(pitch, length, chord=j > 0, tie=tie))
                held = tied
            measures.append(measure(*items, number=number, meter=meter, divisions=GRID))
        found.append(measures)
    return score(*found)


def kern_token(pitch: int | None, lasts: Fraction, begun: bool, goes_on: bool) -> str:
    share = lasts / 4  # of a whole note
    length = f"{share.denominator}%{share.numerator}"
    if pitch is None:
        return f"{length}r"
    letter, *sharp = SPELLED[pitch % 12]
    octave = pitch // 12 - 1
    letters = letter * (octave - 3) if octave > 3 else letter.upper() * (4 - octave)
    sign = {(True, True): "_", (True, False): "]"}.get((begun, goes_on), "")
    opened = "[" * (goes_on and not begun)
    return f"{opened}{length}{letters}{''.join(sharp)}{sign}"


def as_kern(bars: list, parts: list, ended: bool) -> bytes:
    """The lowest part first, and lyrics between."""
    n = len(parts)
    rows = [["**kern"] * n]
    before = [set() for _ in parts]
    for number, (meter, _) in enumerate(bars):
        rows.append([f"*M{meter[0]}/{meter[1]}"] * n)
        cells: dict[Fraction, list[str]] = {}
        for i, part in enumerate(parts):
            now = Fraction(0)
            for lasts, pitches, tied in part[number]:
                tokens = [
                    kern_token(p, lasts, p in before[i], p in tied)
                    for p in pitches or [None]
                ]
                cells.setdefault(now, ["."] * n)[i] = " ".join(tokens)
                now, before[i] = now + lasts, tied
        rows += [cells[now] for now in sorted(cells)]
        if number < len(bars) - 1 or ended:
            rows.append([f"={number}"] * n)
    rows.append(["*-"] * n)
    lyrics = {"**kern": "**text", "*-": "*-"}
    lines = []
    for row in rows:
        row.insert(1, lyrics.get(row[0], row[0] if row[0][0] == "=" else "*"))
        if row[0][0] not in "*=":
            row[1] = "la"
        lines.append("\t".join(reversed(row)))
    return "\n".join(lines).encode()


@pytest.mark.parametrize("seed", range(20))
def test_both_formats_give_a_planted_score_back(seed):
    random = Random(seed)
    bars = drawn_bars(random)
    parts = [drawn_part(random, bars) for _ in range(random.randint(1, 3))]
    wanted = planted_rows(bars, parts)
    assert quarters(musicxml.read_musicxml(as_musicxml(bars, parts))) == wanted
    found, _ = kern.read_kern(as_kern(bars, parts, random.random() < 0.5))
    assert quarters(found) == wanted
