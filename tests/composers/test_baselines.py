"""What counting says, against counts note by note; classifiers on planted classes."""

import sys
from collections import Counter

import numpy as np
import pytest

from composers import baselines
from composers.baselines import DURATIONS, classify, features
from composers.graphs import RELATIONS
from composers.notes import BAR, DURATION, ONSET, PART, PITCH, PLACE, TICKS
from machinery.errors import BadInput
from tests.composers.test_graphs import by_loop, some_scraps


def rows_of(*rows: tuple) -> np.ndarray:
    """One scrap of notes (onset, duration, pitch, part, place, bar) in quarters."""
    notes = np.array([rows], dtype=float)
    notes[:, :, [ONSET, DURATION, PLACE, BAR]] *= TICKS
    return notes.round().astype(np.int64)


def shares(counted: Counter, keys) -> np.ndarray:
    total = sum(counted.values())
    return np.array([counted[key] / max(total, 1) for key in keys])


def test_each_feature_is_a_count_over_a_scrap_s_notes():
    scraps = some_scraps(3)
    scraps[1, ::3, BAR] = 3 * TICKS
    found = features(scraps)
    for i, notes in enumerate(scraps):
        pitches = notes[:, PITCH].tolist()
        classes = shares(Counter(p % 12 for p in pitches), range(12))
        leaps, last = Counter(), {}
        for _, _, pitch, part, *_ in notes.tolist():  # in the order of time
            if part in last:
                leaps[min(max(pitch - last[part], -12), 12)] += 1
            last[part] = pitch
        lengths = Counter(
            min(DURATIONS, key=lambda d: abs(np.log2(n[DURATION] / TICKS / d)))
            for n in notes
        )
        related = by_loop(notes)
        together = Counter(
            abs(pitches[k] - pitches[j]) % 12
            for j, k, name in related
            if name in ("onset", "during")
        )
        eighths = Counter(min(8 * n[PLACE] // n[BAR], 7) for n in notes)
        ends = [n[ONSET] + n[DURATION] for n in notes]
        edges = Counter(name for *_, name in related)
        parts = len(set(notes[:, PART].tolist()))
        mean = sum(pitches) / 50
        spread = (sum((p - mean) ** 2 for p in pitches) / 50) ** 0.5
        register = [mean, spread, min(pitches), max(pitches), parts,
                    np.log(max(ends) / TICKS)]  # fmt: skip
        melody = [
            classes, shares(leaps, range(-12, 13)), shares(lengths, DURATIONS)
        ]  # fmt: skip
        rest = [shares(together, range(12)), shares(eighths, range(8)), register,
                [np.log1p(edges[name]) for name in RELATIONS[:-1]]]  # fmt: skip
        np.testing.assert_allclose(found["pitch"][i], classes, rtol=1e-12)
        wanted = np.concatenate(melody)
        np.testing.assert_allclose(found["melody"][i], wanted, rtol=1e-12)
        wanted = np.concatenate([*melody, *rest])
        np.testing.assert_allclose(found["all"][i], wanted, rtol=1e-12)


def test_scraps_in_chunks_have_the_same_features(monkeypatch):
    whole = features(some_scraps(5))["all"]
    monkeypatch.setattr(baselines, "CHUNK", 2)
    assert np.array_equal(features(some_scraps(5))["all"], whole)


def test_shares_of_nothing_are_zero():
    """Two notes one after the other: none sound together."""
    alone = rows_of((0, 1, 60, 0, 0, 4), (1, 1, 64, 1, 1, 4))
    harmony, _ = baselines.harmonic(alone)
    assert harmony.tolist() == [[0] * 12]
    assert baselines.melodic(alone).tolist() == [[0] * 25]  # one note of each part


def test_leaps_beyond_an_octave_count_as_one():
    found = baselines.melodic(rows_of(
        (0, 1, 60, 0, 0, 4), (1, 1, 90, 0, 1, 4), (2, 1, 50, 0, 2, 4),
        (3, 1, 62, 0, 3, 4),
    ))[0]  # fmt: skip
    assert {i - 12: s for i, s in enumerate(found) if s} == {-12: 1 / 3, 12: 2 / 3}


def test_a_length_counts_as_the_nearest_one_on_a_scale_of_ratios():
    for length, near in ((1, 1), (1 / 60, 1 / 8), (20, 8), (1.2, 1), (1.3, 1.5),
                         (2.4, 2), (0.43, 1 / 2), (0.4, 1 / 3), (5, 6)):  # fmt: skip
        (found,) = baselines.durations(rows_of((0, length, 60, 0, 0, 4)))
        assert found[DURATIONS.index(near)] == 1, length


def test_a_place_counts_by_the_eighth_of_its_bar():
    for place, bar, eighth in ((0, 4, 0), (0.49, 4, 0), (0.5, 4, 1), (3.9, 4, 7),
                               (2, 3, 5), (4, 4, 7), (9, 4, 7)):  # fmt: skip
        (found,) = baselines.metre(rows_of((0, 1, 60, 0, place, bar)))
        assert found[eighth] == 1, place
    notes = rows_of((0, 1, 60, 0, 0, 0))
    assert baselines.metre(notes)[0, 0] == 1  # a bar of no length
    notes[0, 0, [PLACE, BAR]] = 1, 2
    assert baselines.metre(notes)[0, 4] == 1  # half of two ticks
    notes[0, 0, [PLACE, BAR]] = 1, 0
    assert baselines.metre(notes)[0, 7] == 1


def planted(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that two features tell, each feature in units of its own."""
    labels = np.arange(n) % 3
    x = np.random.default_rng(0).normal(size=(n, 4))
    x[:, :2] += 8 * np.eye(3)[labels, 1:]
    return x * [1e-3, 1, 10, 1e3], labels


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_planted_classes_are_told_apart(kind, monkeypatch):
    monkeypatch.setattr(baselines, "N_TREES", 10)
    x, labels = planted()
    train, test = np.arange(40), np.arange(40, 60)[::-1]
    found = classify(kind, x, labels, train, test, 0)
    assert found.shape == (20, 3)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    assert (found.argmax(1) == labels[test]).all()
    again = classify(kind, x, labels, train, test, 0)
    assert np.array_equal(found, again)
    other = classify(kind, x, labels, train, test, 1)
    assert np.array_equal(found, other) == (kind == "logistic")  # it draws nothing


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_a_composer_without_training_scraps_has_no_chance(kind, monkeypatch):
    monkeypatch.setattr(baselines, "N_TREES", 10)
    x, labels = planted()
    train, test = np.flatnonzero(labels[:40] != 1), np.arange(40, 60)
    found = classify(kind, x, labels, train, test, 0)
    assert (found[:, 1] == 0).all()
    told = labels[test] != 1
    assert (found.argmax(1) == labels[test])[told].all()


def test_the_logistic_regression_is_regularized_and_blind_to_units():
    """Its gradient is zero where C is a tenth: sums over rows weigh against 10 W."""
    x, labels = planted()
    rows = np.arange(60)
    found = classify("logistic", x, labels, rows, rows, 0)
    shifted = classify("logistic", x * [7, 1e-3, 2, 1] + 5, labels, rows, rows, 0)
    np.testing.assert_allclose(shifted, found, rtol=1e-6)
    scaled = (x - x.mean(0)) / x.std(0)
    logits = np.log(found)
    logits -= logits.mean(1, keepdims=True)
    design = np.column_stack([scaled, np.ones(60)])
    weights = np.linalg.lstsq(design, logits, rcond=None)[0][:4]
    pull = scaled.T @ (np.eye(3)[labels] - found)
    np.testing.assert_allclose(pull * 0.1, weights, atol=1e-3)


def test_a_forest_is_the_mean_vote_of_its_trees_on_all_threads(monkeypatch):
    ensemble = pytest.importorskip("sklearn.ensemble")
    forest, asked = ensemble.RandomForestClassifier, []

    def watched(*given, **named):
        asked.append(named["n_jobs"])
        return forest(*given, **named)

    monkeypatch.setattr(ensemble, "RandomForestClassifier", watched)
    monkeypatch.setattr(baselines.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(baselines, "N_TREES", 7)
    x, labels = planted()
    votes = 7 * classify("forest", x, labels, np.arange(20), np.arange(20, 60), 3)
    np.testing.assert_allclose(votes, votes.round(), atol=1e-9)
    assert set(votes.round().ravel()) > {0, 1, 7}
    assert asked == [2]


@pytest.mark.parametrize(
    ("missing", "kind"),
    [
        ("sklearn.ensemble", "forest"), ("sklearn.linear_model", "logistic"),
        ("sklearn.pipeline", "logistic"), ("sklearn.preprocessing", "logistic"),
        ("sklearn", None),
    ],
)  # fmt: skip
def test_without_scikit_learn_what_to_install_is_named(missing, kind, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    x, labels = planted()
    rows = np.arange(60)
    with pytest.raises(BadInput, match=r"^scikit-learn is not .*'\.\[composers\]'$"):
        classify(kind, x, labels, rows, rows, 0) if kind else baselines.require()


def test_where_scikit_learn_is_there_nothing_is_asked_for():
    assert baselines.require() is None
