"""Small scores, written by hand."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

HEAD = '<?xml version="1.0"?>\n<!DOCTYPE score-partwise PUBLIC "-//A//B" "x.dtd">\n'


def note(
    pitch: int | None, duration: int, *, chord=False, tie="", grace=False, voice=1
) -> str:
    """One note of MusicXML, or a rest."""
    if pitch is None:
        sound = "<rest/>"
    else:
        step = "CCDDEFFGGAAB"[pitch % 12]
        alter = int(pitch % 12 in (1, 3, 6, 8, 10))
        sound = (
            f"<pitch><step>{step}</step><alter>{alter}</alter>"
            f"<octave>{pitch // 12 - 1}</octave></pitch>"
        )
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    length = "<grace/>" if grace else ""
    timed = "" if grace else f"<duration>{duration}</duration>"
    return (
        f"<note>{length}{'<chord/>' if chord else ''}{sound}{timed}{ties}"
        f"<voice>{voice}</voice></note>"
    )


def measure(*items: str, number: int = 1, meter: tuple[int, int] | None = None,
            divisions: int | None = None, implicit: bool = False) -> str:  # fmt: skip
    attributes = ""
    if divisions:
        attributes += f"<divisions>{divisions}</divisions>"
    if meter:
        attributes += (
            f"<time><beats>{meter[0]}</beats><beat-type>{meter[1]}</beat-type></time>"
        )
    kind = ' implicit="yes"' if implicit else ""
    return (
        f'<measure number="{number}"{kind}><attributes>{attributes}</attributes>'
        f"{''.join(items)}</measure>"
    )


def score(*parts: list[str]) -> bytes:
    """MusicXML of parts, each a list of measures."""
    inside = "".join(
        f'<part id="P{i}">{"".join(measures)}</part>'
        for i, measures in enumerate(parts)
    )
    return f"{HEAD}<score-partwise>{inside}</score-partwise>".encode()


def quarters(notes: np.ndarray) -> list[tuple]:
    """Rows as (onset, duration, pitch, part, place, bar) in quarters."""
    from composers.notes import TICKS

    return [
        (*(Fraction(int(n), TICKS) for n in row[:2]), int(row[2]), int(row[3]),
         *(Fraction(int(n), TICKS) for n in row[4:]))
        for row in notes
    ]  # fmt: skip


def melody(composer: int, work: int, n: int = 120) -> bytes:
    """A score of two parts whose intervals tell its composer."""
    generator = np.random.default_rng([composer, work])
    steps = generator.choice([[1, -1], [4, -4, 3], [7, -5, -7, 5]][composer % 3], n)
    pitches = np.clip(60 + np.cumsum(steps), 45, 80)
    upper, lower = [], []
    for first in range(0, n, 4):
        meter = {"meter": (4, 4), "divisions": 1} if first == 0 else {}
        four = [int(p) for p in pitches[first : first + 4]]
        number = first // 4 + 1
        upper.append(measure(*(note(p, 1) for p in four), number=number, **meter))
        lower.append(measure(note(four[0] - 12, 4), number=number, **meter))
    return score(upper, lower)


def write_scores(folder: Path, n_composers: int = 3, n_works: int = 5) -> Path:
    """A folder of small scores for each of some composers."""
    for i, name in enumerate(["Ada", "Bo", "Cy"][:n_composers]):
        (folder / name).mkdir(parents=True)
        for work in range(n_works):
            path = folder / name / f"work{work}.musicxml"
            path.write_bytes(melody(i, work))
    return folder


@pytest.fixture(scope="session")
def small_scores(tmp_path_factory) -> Path:
    return write_scores(tmp_path_factory.mktemp("scores"))
