"""The driver on small reviews: files, faults, going on, one's own reviews."""

import json
import random
import re
import shutil

import pytest
import torch

import train_sentiment
from machinery.errors import Interrupted
from sentiment import prepared, recipes, reviews, runs
from sentiment.data import HEAD, TAIL

SMALL = ("--epochs", 2, "--n-seeds", 1, "--max-len", 16, "--threads", 1)


def one_line(err: str, what: str) -> None:
    assert what in err
    assert len(err.strip().splitlines()) == 1, err


def assert_same(a, b, *models: str) -> None:
    """Two runs have the same metrics and, in the files of these names, weights."""
    assert (a / "metrics.csv").read_bytes() == (b / "metrics.csv").read_bytes()
    for name in models:
        weights = [
            torch.load(folder / name, weights_only=True)["state_dict"]
            for folder in (a, b)
        ]
        torch.testing.assert_close(*weights, rtol=0, atol=0, equal_nan=True)


def test_a_whole_run_writes_its_files(finished_sentiment):
    names = {path.name for path in finished_sentiment.iterdir()}
    assert {
        "summary.json", "metrics.csv", "model.pt", "assignment.pt", "accuracy.png",
        "losses.png", "losses_best.png", "attention.png", "trust.png", "telling.png",
        "mistakes.md", "costs.json", "costs.png",
    } <= names  # fmt: skip
    summary = json.loads((finished_sentiment / "summary.json").read_text())
    for split in ("random", "films"):
        rows = {r["name"]: r["mean"] for r in summary["tables"][split]["rows"]}
        assert rows["NB-SVM"] == 1.0  # one word tells the labels apart
        assert rows["n-gram network + NB-SVM"] == 1.0
        assert len(rows) == 7
    assert not re.search(r"seconds", (finished_sentiment / "metrics.csv").read_text())


def test_the_planted_word_is_learnt_and_named(finished_sentiment, run_here, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("the film is superb tonight\n\nthe film is awful tonight\n")
    status, out, err = run_here(
        train_sentiment, "--predict", file, "--output-dir", finished_sentiment
    )
    assert (status, err) == (0, "")
    first, why, second, _ = out.splitlines()
    assert first.startswith("praise")
    assert why.strip().startswith("superb +")
    assert second.startswith("blame")


@pytest.mark.parametrize("others", ["", "a superb film\n"])
def test_a_review_without_a_word_is_undecided(
    finished_sentiment, run_here, tmp_path, others
):
    file = tmp_path / "mine.txt"
    file.write_text(f"<br />\n{others}")
    status, out, err = run_here(
        train_sentiment, "--predict", file, "--output-dir", finished_sentiment
    )
    assert (status, err) == (0, "")
    assert out.split()[:2] == ["undecided", "50.0%"]


def test_a_saved_model_says_what_it_said_before(finished_sentiment, reviews_folder):
    model, lexicon = runs.load_model(finished_sentiment / "model.pt")
    content = torch.load(
        finished_sentiment / "trainings" / "best_random_0.pt", weights_only=True
    )
    said = content["state_dict"]["logits"]
    found = reviews.load(str(reviews_folder))
    tokens = prepared.number(found.texts)
    ids = lexicon.ids(tokens).long()
    with torch.no_grad():
        again = model(ids, ids[0] != 0)
    held_out = ~said.isnan()
    rows = reviews.split("random", found, 42)
    judged = {*rows["validation"].tolist(), *rows["test"].tolist()}
    assert set(held_out.nonzero()[:, 0].tolist()) == judged
    torch.testing.assert_close(again[held_out], said[held_out], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("planted_vectors")
def test_going_on_ends_with_the_same_bytes(
    reviews_folder, run_here, tmp_path, monkeypatch
):
    a, b = tmp_path / "a", tmp_path / "b"
    flags = ("--data-dir", reviews_folder, "--quick", *SMALL)
    assert run_here(train_sentiment, *flags, "--output-dir", a)[0] == 0
    train, ended = runs.train, []

    def stop_the_third(*arguments):
        if len(ended) == 2:
            raise Interrupted(2)
        ended.append(arguments[0].name)
        return train(*arguments)

    monkeypatch.setattr(runs, "train", stop_the_third)
    assert run_here(train_sentiment, *flags, "--output-dir", b)[0] == 130
    ended.clear()
    monkeypatch.setattr(
        runs, "train", lambda *a: (ended.append(a[0].name), train(*a))[1]
    )
    goes_on = run_here(train_sentiment, *flags, "--output-dir", b, "--resume")
    assert goes_on[0] == 0
    assert ended == ["best_random_0", "best_random_no_attention_0"]
    assert_same(a, b, "model.pt", "trainings/best_random_0.pt")


@pytest.mark.usefixtures("planted_vectors")
def test_a_run_goes_on_in_a_folder_that_has_had_another(
    reviews_folder, run_here, tmp_path, monkeypatch
):
    a, b = tmp_path / "a", tmp_path / "b"
    flags = ("--data-dir", reviews_folder, "--quick", "--recipe", "best", *SMALL)
    assert run_here(train_sentiment, *flags, "--seed", 1, "--output-dir", b)[0] == 0
    assert run_here(train_sentiment, *flags, "--output-dir", a)[0] == 0
    train = runs.train

    def stop_the_second(job, *rest):
        if not job.attention:
            raise Interrupted(2)
        return train(job, *rest)

    monkeypatch.setattr(runs, "train", stop_the_second)
    assert run_here(train_sentiment, *flags, "--output-dir", b)[0] == 130
    monkeypatch.setattr(runs, "train", train)
    goes_on = run_here(train_sentiment, *flags, "--output-dir", b, "--resume")
    assert goes_on[0] == 0, goes_on
    assert_same(a, b, "model.pt", "trainings/best_random_0.pt")


@pytest.mark.usefixtures("planted_vectors")
def test_a_model_of_another_run_is_not_taken_for_a_training_s(
    reviews_folder, run_here, tmp_path
):
    """--costs has the same training, and keeps no model of it."""
    a, b = tmp_path / "a", tmp_path / "b"
    flags = ("--data-dir", reviews_folder, "--quick", "--recipe", "best", *SMALL)
    assert run_here(train_sentiment, *flags, "--output-dir", a)[0] == 0
    assert run_here(train_sentiment, *flags, "--seed", 1, "--output-dir", b)[0] == 0
    costs = run_here(train_sentiment, *flags, "--costs", "--output-dir", b)
    assert costs[0] == 0, costs
    (b / "trainings" / "best_random_no_attention_0.pt").unlink()
    goes_on = run_here(train_sentiment, *flags, "--output-dir", b, "--resume")
    assert goes_on[0] == 0, goes_on
    assert_same(a, b, "model.pt", "trainings/best_random_0.pt")


@pytest.mark.usefixtures("planted_vectors")
def test_attention_is_judged_on_five_blocks_of_films(run_here, tmp_path, monkeypatch):
    draw = random.Random(0)
    told = ["awful", "boring"], ["superb", "lovely"]
    filler = ["the", "film", "is", "was", "plot", "actor"]
    made = [
        (
            " ".join([*draw.choices(filler, k=9), draw.choice(words), str(i)]),
            label,
            False,
        )
        for label, words in enumerate(told)
        for i in range(230)
    ]
    monkeypatch.setattr(reviews, "from_package", lambda: made)
    flags = (*SMALL, "--output-dir", tmp_path / "out", "--blocks")
    status, out, err = run_here(train_sentiment, *flags)
    assert (status, err) == (0, "")
    found = json.loads((tmp_path / "out" / "blocks.json").read_text())
    rows = {row["name"]: row["accuracies"] for row in found["rows"]}
    assert rows["NB-SVM"] == [1.0] * 5
    assert len(rows) == 5
    assert "over 280 reviews, one training a block" in out
    status, again, _ = run_here(train_sentiment, *flags, "--resume")
    assert status == 0
    assert again.splitlines()[-1] == out.splitlines()[-1]


def test_blocks_of_films_are_none_where_a_test_half_is_given(run_here, reviews_folder):
    status, _, err = run_here(train_sentiment, "--blocks", "--data-dir", reviews_folder)
    assert status == 2
    one_line(err, "--blocks needs reviews without a test half of their own")


@pytest.mark.usefixtures("planted_vectors")
def test_the_random_split_alone_needs_no_films_apart(
    reviews_folder, run_here, tmp_path
):
    few = tmp_path / "few"
    for part in ("train/pos", "train/neg", "test/pos", "test/neg"):
        (few / part).mkdir(parents=True)
        for path in sorted((reviews_folder / part).iterdir())[:40]:
            shutil.copy(path, few / part)
    flags = ("--data-dir", few, "--recipe", "assignment", *SMALL, "--output-dir")
    status, _, err = run_here(train_sentiment, *flags, tmp_path / "both")
    assert status == 2
    one_line(err, "too few to hold films apart")
    assert run_here(train_sentiment, *flags, tmp_path / "one", "--quick")[0] == 0


@pytest.mark.usefixtures("planted_vectors")
def test_trainings_side_by_side_are_those_of_one_process(
    reviews_folder, run_here, tmp_path, monkeypatch, asked_of_workers
):
    # the assignment: what the tests change of the other recipe, processes do not know
    wanted = ("--quick", "--recipe", "assignment")
    flags = ("--data-dir", reviews_folder, *wanted, *SMALL)
    for name, n in (("one", 1), ("two", 2)):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n: n)
        status = run_here(train_sentiment, *flags, "--output-dir", tmp_path / name)[0]
        assert status == 0
    assert asked_of_workers == [(1, 1), (2, 1)]
    files = "assignment.pt", "trainings/assignment_random_no_attention_0.pt"
    assert_same(tmp_path / "one", tmp_path / "two", *files)


@pytest.mark.usefixtures("planted_vectors")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--epochs", 3), "epochs 2, now 3"),
        (("--seed", 1), "seed 42, now 1"),
    ],
)
def test_going_on_with_other_options_is_refused(
    finished_sentiment, reviews_folder, run_here, flags, said
):
    everything = ("--data-dir", reviews_folder, "--output-dir", finished_sentiment)
    status, _, err = run_here(train_sentiment, *everything, *SMALL, *flags, "--resume")
    assert status == 2
    one_line(err, said)


@pytest.mark.usefixtures("planted_vectors")
def test_going_on_from_shorter_reviews_is_refused(
    finished_sentiment, reviews_folder, run_here, monkeypatch
):
    monkeypatch.setattr(runs, "TAIL", TAIL + 1)
    everything = ("--data-dir", reviews_folder, "--output-dir", finished_sentiment)
    status, _, err = run_here(train_sentiment, *everything, *SMALL, "--resume")
    assert status == 2
    one_line(err, f"tail {TAIL}, now {TAIL + 1}")


@pytest.mark.usefixtures("planted_vectors")
def test_going_on_with_other_reviews_is_refused(
    finished_sentiment, reviews_folder, run_here, tmp_path
):
    other = shutil.copytree(reviews_folder, tmp_path / "other")
    next((other / "train" / "pos").glob("*.txt")).write_text("another one")
    status, _, err = run_here(
        train_sentiment, "--data-dir", other, "--output-dir", finished_sentiment,
        *SMALL, "--resume",
    )  # fmt: skip
    assert status == 2
    one_line(err, "was trained on other reviews")


def test_no_model_no_reviews_no_prediction(run_here, tmp_path, finished_sentiment):
    file = tmp_path / "mine.txt"
    file.write_text("fine\n")
    status, _, err = run_here(train_sentiment, "--predict", file)
    assert status == 2
    one_line(err, "model.pt is missing: train one with python train_sentiment.py")
    file.write_text("\n \n")
    there = ("--output-dir", finished_sentiment)
    status, _, err = run_here(train_sentiment, "--predict", file, *there)
    assert status == 2
    one_line(err, "has no review")
    status, _, err = run_here(train_sentiment, "--predict", tmp_path / "none", *there)
    assert status == 2


def test_without_the_extra_the_line_to_install_is_said(run_here, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    from importlib import metadata

    monkeypatch.setattr("machinery.packages.metadata.distribution", missing)
    status, _, err = run_here(train_sentiment)
    assert status == 2
    one_line(err, "run: python -m pip install '.[sentiment]'")


def test_a_damaged_cache_is_made_anew(reviews_folder, tmp_path):
    found = reviews.load(str(reviews_folder))
    first = prepared.tokens_of(found, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], b"x" * 300):
        file.write_bytes(damaged)
        again = prepared.tokens_of(found, tmp_path)
        assert (again.ids == first.ids).all()
        assert file.read_bytes() == whole


def test_batches_hold_every_review_once_and_alike(reviews_folder):
    from types import SimpleNamespace

    data = SimpleNamespace(lengths=torch.randint(1, 600, (100,)))
    rows = torch.arange(3, 90)
    found = recipes.batches(data, rows, 8, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(found).tolist()) == rows.tolist()
    read = data.lengths.clamp(max=HEAD + TAIL).float()
    spread = [read[batch].std() for batch in found if len(batch) > 1]
    assert sum(spread) / len(spread) < 50
    assert [len(b) for b in found].count(8) == 10
