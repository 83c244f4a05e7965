"""Where scores lie, whose they are, what a cache may hold, and what is a copy."""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from composers import scores
from composers.notes import COLUMNS, ONSET, PITCH, TICKS
from composers.scores import (
    SAME,
    SHINGLE,
    Score,
    from_folder,
    from_music21,
    group_by_movement,
    load,
    read_score,
    shingles,
    without_copies,
)
from machinery import arrays, packages
from machinery.errors import BadInput
from tests.composers.conftest import melody, write_scores
from tests.composers.test_musicxml import ONE_NOTE, archive

KERN = "!!!OPR: Missa\n**kern\n4c\n*-\n"


def touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(KERN)
    return root


@pytest.mark.parametrize(
    ("name", "data", "work"),
    [
        ("a.krn", KERN.encode(), "Missa"), ("A.KRN", KERN.encode(), "Missa"),
        ("b.krn", b"**kern\n4c\n*-\n", None),
        ("a.mxl", archive(("a.xml", ONE_NOTE)), None),
        ("A.MXL", archive(("a.xml", ONE_NOTE)), None),
        ("a.xml", ONE_NOTE, None), ("a.musicxml", ONE_NOTE, None),
    ],
)  # fmt: skip
def test_a_file_s_ending_says_how_to_read_it(tmp_path, name, data, work):
    (tmp_path / name).write_bytes(data)
    notes, says = read_score(tmp_path / name)
    assert notes[:, PITCH].tolist() == [60]
    assert says == work


def test_a_file_of_exactly_the_largest_size_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.krn"
    path.write_text(KERN)
    monkeypatch.setattr(scores, "LARGEST", len(KERN))
    assert len(read_score(path)[0]) == 1
    monkeypatch.setattr(scores, "LARGEST", len(KERN) - 1)
    with pytest.raises(BadInput, match=f"a.krn has more than {len(KERN) - 1} bytes"):
        read_score(path)


def test_a_file_that_breaks_the_format_is_named_with_the_reason(tmp_path):
    path = tmp_path / "a.krn"
    path.write_text("**kern\n4c\t4d\n")
    with pytest.raises(BadInput, match="a.krn is no score to read: .* line 2 has 2"):
        read_score(path)


def test_works_of_the_corpus_are_folders_or_names_up_to_a_dot(tmp_path, monkeypatch):
    touched(
        tmp_path / "corpus", "bach/bwv244.32.mxl", "bach/bwv244.3.mxl",
        "bach/BWV5.XML", "bach/notes.txt", "mozart/k80/movement1.mxl",
        "mozart/k80/more/movement2.krn", "monteverdi/madrigal.3.13.mxl",
        "monteverdi/madrigal.3.17.mxl", "schumann_robert/opus41no1/movement1.xml",
        "ryansMammoth/reel.krn",
    )  # fmt: skip

    def asked(*given: str) -> Path:
        assert given == ("music21", scores.MUSIC21, "configure.py", "composers")
        return tmp_path / "configure.py"

    monkeypatch.setattr(packages, "data_file", asked)
    found = [
        (composer, work, path.relative_to(tmp_path / "corpus").as_posix())
        for composer, work, path in from_music21()
    ]
    assert found == [
        ("Bach", "BWV5", "bach/BWV5.XML"),
        ("Bach", "bwv244", "bach/bwv244.3.mxl"),
        ("Bach", "bwv244", "bach/bwv244.32.mxl"),
        ("Monteverdi", "madrigal.3.13", "monteverdi/madrigal.3.13.mxl"),
        ("Monteverdi", "madrigal.3.17", "monteverdi/madrigal.3.17.mxl"),
        ("Mozart", "k80", "mozart/k80/more/movement2.krn"),
        ("Mozart", "k80", "mozart/k80/movement1.mxl"),
        ("R. Schumann", "opus41no1", "schumann_robert/opus41no1/movement1.xml"),
    ]


def test_what_is_not_there_is_named(tmp_path):
    gone = tmp_path / "gone.krn"
    with pytest.raises(BadInput, match=f"^{re.escape(str(gone))} is no file$"):
        read_score(gone)
    words = f"^--scores {re.escape(str(gone))} is not a folder$"
    with pytest.raises(BadInput, match=words):
        from_folder(gone)


def test_a_folder_of_a_composer_holds_works_as_files_and_folders(tmp_path):
    touched(tmp_path, "Bo/b.krn", "Ada/mass/2/gloria.xml", "Ada/mass/1kyrie.MXL",
            "Ada/a.musicxml", "Ada/read.me", "stray.krn")  # fmt: skip
    (tmp_path / "Cy").mkdir()
    found = from_folder(tmp_path)
    assert [(c, w, p.relative_to(tmp_path).as_posix()) for c, w, p in found] == [
        ("Ada", "a.musicxml", "Ada/a.musicxml"),
        ("Ada", "mass", "Ada/mass/1kyrie.MXL"),
        ("Ada", "mass", "Ada/mass/2/gloria.xml"),
        ("Bo", "b.krn", "Bo/b.krn"),
    ]
    shutil.rmtree(tmp_path / "Bo")
    with pytest.raises(BadInput, match=r"\.krn, \.mxl, .* two composers .* found 1$"):
        from_folder(tmp_path)


def same_scores(a: list[Score], b: list[Score]) -> bool:
    def told(s: Score) -> tuple:
        return s.composer, s.work, s.name, s.notes.tolist()

    return [told(s) for s in a] == [told(s) for s in b]


def three_places(root: Path) -> list[tuple[str, str, Path]]:
    touched(root, "a.krn")
    for i in (0, 1):
        (root / f"{i}.xml").write_bytes(melody(i, i, 8 + 4 * i))
    return [("Ada", "by hand", root / "0.xml"), ("Bo", "by record", root / "a.krn"),
            ("Bo", "by hand", root / "1.xml")]  # fmt: skip


def test_scores_are_read_in_order_and_their_records_name_their_works(
    tmp_path, monkeypatch
):
    places = three_places(tmp_path)
    found = load(iter(places), tmp_path / "deep" / "cache")
    assert [(s.composer, s.work, s.name) for s in found] == [
        ("Ada", "by hand", "0"), ("Bo", "Missa", "a"), ("Bo", "by hand", "1"),
    ]  # fmt: skip
    for score, (*_, path) in zip(found, places, strict=True):
        assert np.array_equal(score.notes, read_score(path)[0])
    monkeypatch.setattr(scores, "read_score", lambda path: pytest.fail("read again"))
    assert same_scores(load(places, tmp_path / "deep" / "cache"), found)


def test_a_cache_is_named_by_all_that_its_scores_depend_on(tmp_path, monkeypatch):
    places, cache = three_places(tmp_path), tmp_path / "cache"
    moved = places[0][2].rename(tmp_path / "other.xml")
    others = [
        places[1:],
        places[::-1],
        [("Eve", *places[1][1:]), places[2]],
        [(places[1][0], "mass", places[1][2]), places[2]],
        [(*places[1][:2], moved), places[2]],
    ]
    others = [[p if p[2].exists() else (*p[:2], moved) for p in o] for o in others]
    for n, given in enumerate(others, 1):
        load(given, cache)
        assert len(list(cache.iterdir())) == n
        load(given, cache)
        assert len(list(cache.iterdir())) == n
    monkeypatch.setattr(scores, "RULES", b"other rules")
    load(others[0], cache)
    assert len(list(cache.iterdir())) == len(others) + 1
    (path, *_) = cache.glob("scores-*.npz")
    assert len(path.stem) == len("scores-") + 24


def test_a_cache_that_is_not_of_its_files_is_made_anew(tmp_path):
    places, cache = three_places(tmp_path), tmp_path / "cache"
    right = load(places, cache)
    (kept,) = cache.iterdir()
    notes, sizes, works = arrays.kept(kept, "notes", "sizes", "works")
    n, names = len(notes), ["a", "b", "c"]
    for wrong in (
        {"notes": notes[:-1]},
        {"notes": notes[:, :-1]},
        {"notes": np.zeros((n, len(COLUMNS), 1), int)},
        {"sizes": sizes[:-1]},
        {"sizes": np.array([n])},
        {"sizes": np.array([n]), "works": arrays.as_bytes(names[:1])},
        {"works": arrays.as_bytes(names[:2])},
        {"works": arrays.as_bytes([*names, "d"])},
        {"works": np.array([255], np.uint8)},  # no text
    ):
        arrays.keep(kept, **{"notes": notes, "sizes": sizes, "works": works} | wrong)
        assert same_scores(load(places, cache), right), wrong.keys()
    arrays.keep(kept, notes=notes, sizes=sizes, works=arrays.as_bytes(names))
    assert [s.work for s in load(places, cache)] == names  # this one is whole


@pytest.mark.parametrize(("threads", "n"), [(1, 1), (2, 2), (8, 3)])
def test_processes_are_as_many_as_files_are_worth_and_threads_there_are(
    tmp_path, monkeypatch, threads, n
):
    places = three_places(tmp_path) + three_places(tmp_path / "more")[1:]
    monkeypatch.setattr(scores, "WORTH_A_PROCESS", 2)  # five files: one and two more
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    asked = []

    @contextmanager
    def each(function, shared, jobs, n):
        asked.append(n)
        yield (function(*shared, job) for job in jobs)

    monkeypatch.setattr(scores.workers, "each", each)
    assert len(load(places, tmp_path / "cache")) == 5
    assert asked == [n]


def test_a_score_that_is_none_leaves_no_cache(tmp_path):
    folder = write_scores(tmp_path / "s", 2, 1)
    (folder / "Bo" / "work0.musicxml").write_text("<opus/>")
    with pytest.raises(BadInput, match="work0.musicxml is no score"):
        load(from_folder(folder), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def score_of(name: str, pitches: np.ndarray, onsets: np.ndarray | None = None) -> Score:
    notes = np.zeros((len(pitches), len(COLUMNS)), dtype=np.int64)
    notes[:, ONSET] = np.arange(len(pitches)) if onsets is None else onsets
    notes[:, PITCH] = pitches
    return Score("c", name, name, notes)


def random_pitches(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 90, n)


def names_of(given: list[Score]) -> tuple[list[str], list[tuple[str, str]]]:
    kept, copies = without_copies(given)
    return [s.name for s in kept], [(a.name, b.name) for a, b in copies]


def test_a_score_of_n_notes_has_a_row_from_each_but_the_last_eleven():
    pitches = random_pitches(0, 100)
    for n in (0, 1, SHINGLE - 1, SHINGLE, SHINGLE + 1, 100):
        found = shingles(score_of("a", pitches[:n]).notes)
        assert len(found) == max(n - SHINGLE + 1, 0)
    assert len(shingles(score_of("a", np.full(100, 60)).notes)) == 1


def test_the_rows_of_a_passage_are_among_those_of_the_whole_from_any_time_on():
    whole = score_of("a", random_pitches(0, 100)).notes
    passage = whole[30:60].copy()
    assert shingles(passage) < shingles(whole)
    for begin in (0, 1, 5 * TICKS):
        passage[:, ONSET] += begin - passage[0, ONSET]
        assert shingles(passage) < shingles(whole)


def test_rows_tell_chords_from_melodies_and_nothing_else_of_time():
    pitches = np.sort(random_pitches(0, 40))
    melody_, slower, chords = (
        shingles(score_of("a", pitches, np.arange(40) * 3 // by).notes)
        for by in (3, 1, 6)
    )
    assert melody_ == slower
    assert not melody_ & chords


def test_what_shares_fewer_notes_in_a_row_than_a_row_has_is_no_copy():
    one, two = random_pitches(1, 120), random_pitches(2, 120)
    for shared, copied in ((SHINGLE - 1, False), (2 * SHINGLE, True)):
        other = two.copy()
        for first in range(0, 120, 2 * SHINGLE):
            other[first : first + shared] = one[first : first + shared]
        kept, _ = names_of([score_of("a", one), score_of("b", other)])
        assert (kept == ["a"]) == copied


@pytest.mark.parametrize(("shared", "copied"), [(39, False), (40, True), (41, True)])
def test_a_copy_shares_four_tenths_of_the_shorter_one_s_rows(shared, copied):
    assert SAME == 0.4
    n = 100 + SHINGLE - 1  # notes with a hundred rows
    first, other = random_pitches(1, 3 * n), random_pitches(2, n)
    other[: shared + SHINGLE - 1] = first[: shared + SHINGLE - 1]
    found, pairs = names_of([score_of("long", first), score_of("short", other)])
    assert found == (["long"] if copied else ["long", "short"])
    assert pairs == ([("short", "long")] if copied else [])


def test_the_longest_edition_is_kept_and_the_order_stays():
    music = random_pitches(1, 200)
    given = [
        score_of("z", random_pitches(4, 50)), score_of("act", music[20:120]),
        score_of("all", music), score_of("b", random_pitches(5, 300)),
        score_of("scene", music[30:60]), score_of("a", random_pitches(6, 20)),
    ]  # fmt: skip
    kept, pairs = names_of(given)
    assert kept == ["z", "all", "b", "a"]
    assert pairs == [("act", "all"), ("scene", "all")]


def test_a_copy_is_of_the_score_that_shares_most_with_it():
    one, two = random_pitches(1, 200), random_pitches(2, 210)
    medley = np.concatenate([two[:60], one[:100]])
    assert names_of([score_of("1", one), score_of("2", two), score_of("m", medley)])[
        1
    ] == [("m", "1")]


def test_scores_too_short_for_a_row_are_no_copies():
    few = np.full(SHINGLE - 1, 60)
    assert names_of([score_of("a", few), score_of("b", few)]) == (["a", "b"], [])
    assert without_copies([]) == ([], [])


def test_movements_are_works_for_those_alone_who_have_too_few():
    given = [Score("b", "w", f"m{i}", np.zeros((0, 6))) for i in (1, 2, 3)]
    given += [Score("a", f"w{i % 2}", "m", np.zeros((0, 6))) for i in range(4)]
    for at_least, few in ((1, []), (2, ["b"]), (3, ["a", "b"])):
        found, named = group_by_movement(given, at_least)
        assert named == few
        wanted = [f"{s.work}/{s.name}" if s.composer in few else s.work for s in given]
        assert [s.work for s in found] == wanted
        assert [(s.composer, s.name) for s in found] == [
            (s.composer, s.name) for s in given
        ]


def test_files_of_the_same_content_share_a_cache_wherever_they_lie(tmp_path):
    for name, n in (("one", 1), ("two", 1), ("three", 2)):
        places = three_places(tmp_path / name)
        if n == 2:
            places[0][2].write_bytes(melody(0, 9, 8))
        load(places, tmp_path / "cache")
        assert len(list((tmp_path / "cache").iterdir())) == n
