"""The driver: what it writes, what it learns, what it refuses."""

import json

import pytest
import torch

import train_composers
from composers import baselines, experiment, runs
from composers.scraps import N_FOLDS
from tests.composers.conftest import melody, write_scores
from tests.helpers import assert_one_line

FILES = {
    "model.pt", "summary.json", "lines.png", "votes.png", "roll.png",
    "confusion_attention.png", "confusion_forest.png",
}  # fmt: skip


def test_a_run_answers_everything(finished_composers):
    assert FILES <= {path.name for path in finished_composers.iterdir()}
    found = json.loads((finished_composers / "summary.json").read_text("utf-8"))
    assert found["composers"] == ["Ada", "Bo", "Cy"]
    by_work = {row["name"]: row for row in found["tables"]["by_work"]}
    at_random = {row["name"] for row in found["tables"]["at_random"]}
    assert at_random == set(baselines.BASELINES)
    attention = {"relational attention", "plain attention (GAT)"}
    assert set(by_work) - at_random == attention | {"relational attention and forest"}
    # each composer of the small scores has steps of its own
    assert by_work["all features, random forest"]["accuracy"] > 0.9
    assert by_work["relational attention"]["accuracy"] > 0.6
    assert len(found["silenced"]) == 5
    assert set(found["intervals"]) == {"Ada", "Bo", "Cy"}


def test_the_saved_model_names_a_score(finished_composers, run_here, tmp_path):
    path = tmp_path / "new.musicxml"
    path.write_bytes(melody(2, 77))
    flags = ("--output-dir", finished_composers, "--predict", path)
    status, out, err = run_here(train_composers, *flags)
    assert (status, err) == (0, "")
    assert out.splitlines()[0].startswith("the vote of 3 scraps")
    assert out.splitlines()[1].endswith("Cy")
    named = [int(line.split()[0]) for line in out.splitlines()[1:4]]
    assert sum(named) == 3
    assert (finished_composers / "predicted.png").exists()


def test_the_same_seed_trains_the_same_model(
    small_scores, run_here, tmp_path, monkeypatch
):
    """In this process or in two, whatever the threads."""
    monkeypatch.setattr(baselines, "N_TREES", 20)
    flags = ("--scores", small_scores, "--epochs", 1, "--scraps", 10, "--n-seeds", 2)
    for name, threads in (("a", 1), ("b", 2)):
        flags_here = (*flags, "--threads", threads, "--output-dir", name)
        assert run_here(train_composers, *flags_here)[0] == 0
    committee, again = (runs.load(str(tmp_path / n / "model.pt"))[0] for n in "ab")
    weights = committee.state_dict(), again.state_dict()
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert len(committee.members) == 2 * N_FOLDS
    first, second, *_ = (member.query.weight for member in committee.members)
    assert not torch.equal(first, second)  # the two of a fold have seeds of their own


@pytest.mark.parametrize(("flag", "file"), [("--ablate", "ablation.json"),
                                            ("--search", "search.json")])  # fmt: skip
def test_other_questions_write_their_file(small_scores, run_here, tmp_path, flag, file):
    flags = ("--scores", small_scores, "--epochs", 1, "--threads", 1, "--n-seeds", 1)
    status, _, err = run_here(train_composers, *flags, flag, "--output-dir", "o")
    assert (status, err) == (0, "")
    rows = json.loads((tmp_path / "o" / file).read_text())["rows"]
    assert len(rows) == (6 if flag == "--ablate" else len(experiment.SEARCHED))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--scores", "nowhere"), ("--scores nowhere is not a folder",)),
        (("--epochs", 0), ("--epochs must be at least 1, got 0",)),
        (("--search", "--ablate"), ("exclude each other",)),
        (("--predict", "no.mxl"), ("model.pt is missing", "train_composers.py")),
    ],
)
def test_bad_input(run_here, flags, words):
    status, _, err = run_here(train_composers, *flags)
    assert status == 2
    assert_one_line(err, *words)


def test_a_score_that_is_none_is_named(run_here, tmp_path):
    folder = write_scores(tmp_path / "s", 2, 5)
    (folder / "Bo" / "work3.musicxml").write_text("<score-partwise>")
    status, _, err = run_here(train_composers, "--scores", folder)
    assert status == 2
    assert_one_line(err, "work3.musicxml", "no XML")


def test_too_few_works_are_named(run_here, tmp_path):
    folder = write_scores(tmp_path / "s", 2, 3)
    status, _, err = run_here(train_composers, "--scores", folder)
    assert status == 2
    assert_one_line(err, "Ada needs at least 5 works", "found 3")


def test_a_short_or_foreign_file_is_refused(finished_composers, run_here, tmp_path):
    short, other = tmp_path / "short.musicxml", tmp_path / "song.mid"
    short.write_bytes(melody(0, 0, 8))
    other.write_bytes(b"MThd")
    for path, words in ((short, "a scrap needs 50"), (other, "must end in one of")):
        flags = ("--output-dir", finished_composers, "--predict", path)
        status, _, err = run_here(train_composers, *flags)
        assert status == 2
        assert_one_line(err, str(path), words)
