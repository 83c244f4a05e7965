"""Scraps, copies, folds: nothing on both sides."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composers import scores, scraps
from composers.notes import DURATION, ONSET, PITCH, TICKS
from composers.scores import Score, group_by_movement, without_copies
from composers.scraps import SIZE, cut, evenly, folds, make_scraps
from machinery.errors import BadInput
from tests.composers.conftest import melody, write_scores


def notes_of(seed: int, n: int = 200) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack([
        np.arange(n) * TICKS, np.full(n, TICKS), generator.integers(40, 90, n),
        np.zeros(n), np.zeros(n), np.full(n, 4 * TICKS),
    ], 1).astype(np.int64)  # fmt: skip


def some_scores(n_composers=3, n_works=6, n=200):
    return [
        Score(f"c{i}", f"w{j}", f"m{j}", notes_of(100 * i + j, n))
        for i in range(n_composers)
        for j in range(n_works)
    ]


def test_a_scrap_is_fifty_notes_in_a_row_from_time_zero():
    notes = notes_of(0, 130)
    found = cut(notes)
    assert found.shape == (2, SIZE, 6)
    assert np.array_equal(found[1, :, PITCH], notes[50:100, PITCH])
    assert (found[:, 0, ONSET] == 0).all()
    assert (np.diff(found[:, :, ONSET]) == TICKS).all()
    assert cut(notes[:49]).shape == (0, SIZE, 6)
    assert cut(notes[:0]).shape == (0, SIZE, 6)


def test_copies_are_left_out_whatever_their_files_say():
    music = notes_of(1)
    slower = music.copy()
    slower[:, [ONSET]] *= 2  # the same music with another time signature
    part = music[60:180]
    other = notes_of(2)
    given = [
        Score("c", "a", "1", music), Score("c", "b", "2", slower),
        Score("c", "c", "3", part), Score("c", "d", "4", other),
    ]  # fmt: skip
    kept, copies = without_copies(given)
    assert [s.name for s in kept] == ["1", "4"]
    assert {(a.name, b.name) for a, b in copies} == {("2", "1"), ("3", "1")}


def test_composers_with_few_works_are_split_by_movement():
    given = [Score("few", "w", f"m{i}", notes_of(i)) for i in range(6)]
    given += [Score("many", f"w{i}", "m", notes_of(9 + i)) for i in range(5)]
    found, few = group_by_movement(given, 5)
    assert few == ["few"]
    assert {s.work for s in found if s.composer == "few"} == {
        f"w/m{i}" for i in range(6)
    }
    assert {s.work for s in found if s.composer == "many"} == {
        f"w{i}" for i in range(5)
    }


def test_no_work_is_in_two_folds_and_every_scrap_is_tested_once():
    found = make_scraps(some_scores(), 1000, 0)
    tested = []
    for train, test in folds(found, True, 0):
        assert not set(found.works[train]) & set(found.works[test])
        assert set(found.labels[test]) == {0, 1, 2}
        assert found.base[test].all()
        # training has all scraps of the other works, the ones in between as well
        of_others = ~np.isin(found.works, found.works[test])
        assert sorted(train) == np.flatnonzero(of_others).tolist()
        tested += test.tolist()
    assert sorted(tested) == list(range(found.base.sum()))


def test_at_random_no_training_scrap_overlaps_a_test_one():
    found = make_scraps(some_scores(), 1000, 0)
    shared = False
    for train, test in folds(found, False, 0):
        assert found.base[train].all()
        assert not set(train) & set(test)
        shared |= bool(set(found.works[train]) & set(found.works[test]))
    assert shared  # that is what flatters


def test_scraps_for_training_begin_half_a_scrap_later():
    found = make_scraps(some_scores(1, 1, 130), 1000, 0)
    assert found.base.tolist() == [True, True, False, False]
    whole, half = found.notes[0], found.notes[2]
    assert np.array_equal(whole[25:, PITCH], half[:25, PITCH])


def numbered_scores(lengths: list[int], n_composers: int = 2) -> list[Score]:
    """Scores of so many notes, a work each; durations number the notes from 1."""
    found = []
    for work, n in enumerate(lengths):
        notes = notes_of(work, n)
        notes[:, DURATION] = np.arange(1, n + 1)
        found.append(Score(f"c{work % n_composers}", f"w{work:02}", "m", notes))
    return found


def begins_of(found, base: bool) -> list[tuple[int, int]]:
    """(number of the work, number of the first note) of each scrap."""
    rows = found.base == base
    firsts = found.notes[rows, 0, DURATION] - 1
    return list(zip(found.works[rows].tolist(), firsts.tolist(), strict=True))


@pytest.mark.parametrize("most", [1000, 5])
def test_every_scrap_s_later_half_is_its_own_where_the_score_has_it(most):
    lengths = [130, 100, 124, 125, 49, 270, 74, 75]
    scores = numbered_scores(lengths)
    found = make_scraps(scores, most, 0)
    assert found.composers == ("c0", "c1")
    works = sorted((score.composer, score.work) for score in scores)
    for row in range(len(found)):
        composer, work = works[found.works[row]]
        assert found.composers[found.labels[row]] == composer
        notes = next(s.notes for s in scores if s.work == work)
        first = found.notes[row, 0, DURATION] - 1
        assert np.array_equal(found.notes[row, :, PITCH],
                              notes[first : first + SIZE, PITCH])  # fmt: skip
        assert found.notes[row, 0, ONSET] == 0
    whole = begins_of(found, True)
    sizes = [lengths[int(work[1:])] for _, work in works]
    all_of_them = [(w, b) for w, n in enumerate(sizes) for b in range(0, n - 49, 50)]
    if most == 1000:
        assert sorted(whole) == all_of_them
    else:
        assert len(whole) == 2 * most
        assert set(whole) < set(all_of_them)
    later = [(w, b + 25) for w, b in whole if b + 75 <= sizes[w]]
    assert begins_of(found, False) == later


def test_scraps_are_drawn_by_the_seed_alone():
    one, again, other = (
        make_scraps(numbered_scores([1000, 2000]), 6, seed) for seed in (3, 3, 4)
    )
    assert begins_of(one, True) == begins_of(again, True)
    assert begins_of(one, True) != begins_of(other, True)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 9))
def test_rows_in_turn_are_a_shuffle_of_which_every_work_gives_one_a_round(works, seed):
    rows = np.flatnonzero(np.array(works) != 4)
    shuffled = np.random.default_rng(seed).permutation(rows).tolist()
    left, wanted = shuffled, []
    while left:
        served, next_round = set(), []
        for row in left:
            (next_round if works[row] in served else wanted).append(row)
            served.add(works[row])
        left = next_round
    assert evenly(rows, np.array(works), seed).tolist() == wanted


@pytest.mark.parametrize("by_work", [True, False])
def test_folds_are_a_function_of_the_seed(by_work):
    found = make_scraps(some_scores(), 1000, 0)
    one, again, other = (folds(found, by_work, seed) for seed in (1, 1, 2))
    pairs = list(zip(one, again, other, strict=True))
    assert all(np.array_equal(a[1], b[1]) for a, b, _ in pairs)
    assert not all(np.array_equal(a[1], c[1]) for a, _, c in pairs)


@pytest.mark.parametrize("by_work", [True, False])
def test_there_are_as_many_folds_as_asked(by_work, monkeypatch):
    found = make_scraps(some_scores(), 1000, 0)
    assert len(folds(found, by_work, 0)) == scraps.N_FOLDS
    monkeypatch.setattr(scraps, "N_FOLDS", 3)
    assert len(folds(found, by_work, 0)) == 3


def test_folds_without_scikit_learn_name_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    with pytest.raises(BadInput, match=r"^scikit-learn is not .*'\.\[composers\]'$"):
        folds(make_scraps(some_scores(), 1000, 0), True, 0)


def test_a_limit_takes_scraps_of_every_work():
    found = make_scraps(some_scores(2, 6), 7, 0)
    assert np.bincount(found.labels[found.base]).tolist() == [7, 7]
    for label in (0, 1):
        assert len(set(found.works[found.base & (found.labels == label)])) == 6


def test_reading_is_kept_and_a_damaged_cache_made_anew(
    small_scores, tmp_path, monkeypatch
):
    places = scores.from_folder(small_scores)
    first = scores.load(places, tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    monkeypatch.setattr(scores, "read_score", lambda path: pytest.fail("read again"))
    second = scores.load(places, tmp_path)
    for a, b in zip(first, second, strict=True):
        assert (a.composer, a.work, a.name) == (b.composer, b.work, b.name)
        assert np.array_equal(a.notes, b.notes)
    monkeypatch.undo()
    kept.write_bytes(kept.read_bytes()[:100])
    again = scores.load(places, tmp_path)
    assert all(
        np.array_equal(a.notes, b.notes) for a, b in zip(first, again, strict=True)
    )


def test_another_file_is_another_cache(tmp_path):
    folder = write_scores(tmp_path / "s", 2, 1)
    scores.load(scores.from_folder(folder), tmp_path / "cache")
    (folder / "Ada" / "work0.musicxml").write_bytes(melody(0, 9))
    scores.load(scores.from_folder(folder), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_folder_needs_two_composers(tmp_path):
    folder = write_scores(tmp_path / "s", 1, 1)
    with pytest.raises(BadInput, match="two composers or more, found 1"):
        scores.from_folder(folder)
    with pytest.raises(BadInput, match="is not a folder"):
        scores.from_folder(tmp_path / "none")
