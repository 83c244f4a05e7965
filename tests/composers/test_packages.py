"""The readers against music21's own, on a dozen of its scores."""

import warnings
from collections import Counter
from fractions import Fraction

import pytest

from composers import scores
from composers.notes import TICKS

SAME = (
    "bach/bwv175.7.mxl", "bach/bwv244.32.mxl", "bach/bwv277.krn", "bach/bwv350.mxl",
    "palestrina/Agnus_I_81.krn", "palestrina/Kyrie_30.krn",
    "palestrina/Gloria_73_h.krn", "monteverdi/madrigal.3.13.mxl",
    "monteverdi/madrigal.3.17.mxl", "mozart/k80/movement1.mxl",
    "mozart/k156/movement4.mxl", "haydn/opus1no1/movement1.mxl",
)  # fmt: skip


def by_music21(path) -> Counter:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says about itself is its own
        import music21

        score = music21.converter.parse(str(path), forceSource=True).stripTies()
        found = Counter()
        for part in score.parts:
            for sound in part.flatten().notes:
                begin = Fraction(sound.getOffsetInHierarchy(score))
                length = Fraction(sound.quarterLength)
                if sound.duration.isGrace or not length:
                    continue
                for pitch in sound.pitches:
                    found[begin, length, int(pitch.midi)] += 1
        return found


@pytest.mark.packages
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SAME)
def test_a_score_is_read_as_music21_reads_it(name):
    paths = {path.as_posix(): path for _, _, path in scores.from_music21()}
    path = next(path for whole, path in paths.items() if whole.endswith(f"/{name}"))
    notes, _ = scores.read_score(path)
    ours = Counter(
        (Fraction(int(begin), TICKS), Fraction(int(length), TICKS), int(pitch))
        for begin, length, pitch in notes[:, :3]
    )
    assert ours == by_music21(path)


@pytest.mark.packages
def test_the_corpus_has_its_seven_composers():
    found = Counter(composer for composer, _, _ in scores.from_music21())
    assert found == {
        "Bach": 413, "Beethoven": 26, "Haydn": 9, "Monteverdi": 49, "Mozart": 16,
        "Palestrina": 1318, "R. Schumann": 7,
    }  # fmt: skip
