"""Reviews and splits: nothing in two of them, films apart, faults named."""

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


def test_the_course_sizes():
    rows = reviews.random_split(made(24904), 0)
    assert [len(rows[split]) for split in SPLITS] == [19904, 2500, 2500]


def test_too_few_reviews_to_hold_films_apart():
    with pytest.raises(BadInput, match="40 reviews of a label are too few"):
        reviews.film_split(made(80))


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


def test_one_label_alone_is_refused():
    with pytest.raises(BadInput, match=r"both labels 0 and 1 are needed, got \[1\]"):
        reviews.without_copies([("good", 1, False)], "here")
    with pytest.raises(BadInput, match=r"got \[\]"):
        reviews.without_copies([], "here")


def test_a_folder_without_reviews_is_named(tmp_path):
    with pytest.raises(BadInput, match="is not aclImdb"):
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
