"""What a score is here: its notes as rows of whole numbers."""

from collections.abc import Iterable

import numpy as np

TICKS = 10_080  # of a quarter note: halves to the fifth, thirds twice, fifths, sevenths
COLUMNS = ("onset", "duration", "pitch", "part", "place", "bar")
ONSET, DURATION, PITCH, PART, PLACE, BAR = range(len(COLUMNS))


class ScoreError(ValueError):
    """A file that is no score, or one that cannot be read: says why."""


def as_array(rows: Iterable[tuple[int, ...]]) -> np.ndarray:
    """Return notes (N, 6) int64 in the order of time, then pitch, then part.

    Columns: onset and duration in ticks, pitch as in MIDI (60 is middle C), part, place
    in the bar and length of the bar in ticks. Notes of no duration are left out.
    """
    notes = np.array([row for row in rows if row[DURATION] > 0], dtype=np.int64)
    notes = notes.reshape(-1, len(COLUMNS))
    order = np.lexsort((notes[:, PART], notes[:, PITCH], notes[:, ONSET]))
    return notes[order]


def merge_tied(rows: list[tuple[tuple[int, ...], bool]]) -> list[tuple[int, ...]]:
    """Return rows with tied ones as one note: the first's place, all durations.

    Each comes with whether a tie begins at it. The tie goes on with the note of its
    part and pitch that begins where it stops, marked or not; without one it is cut.
    """
    stops: dict[tuple[int, int, int], int] = {}
    merged: list[list[int]] = []
    for row, tied in sorted(rows, key=lambda r: r[0][ONSET]):
        at = stops.pop((row[PART], row[PITCH], row[ONSET]), None)
        if at is None:
            at = len(merged)
            merged.append(list(row))
        else:
            merged[at][DURATION] += row[DURATION]
        if tied:
            stops[row[PART], row[PITCH], row[ONSET] + row[DURATION]] = at
    return [tuple(row) for row in merged]
