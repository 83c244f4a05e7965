"""Bad data, divergence and signals: one line, and what was finished is kept."""

import signal

import pytest

from mixtures import experiment, runs
from mixtures.runs import load_mixture
from tests.helpers import (
    assert_one_line,
    blob_rows,
    rows_of,
    run_driver,
    write_places,
)


def test_an_absent_data_folder_is_one_line(train_gmm_here, tmp_path):
    status, out, err = train_gmm_here("--data-dir", tmp_path / "absent")
    assert (status, out) == (2, "")
    assert_one_line(err, "train_gmm.py: ", "absent", "No such file")
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(tmp_path):
    flags = ("--data-dir", tmp_path / "absent", "--debug")
    result = run_driver("train_gmm.py", *flags, cwd=tmp_path)
    assert result.returncode != 0
    assert result.stderr.startswith("Traceback")
    assert "FileNotFoundError" in result.stderr
    assert not list(tmp_path.iterdir())


def test_fault_7_a_folder_beneath_a_file_is_refused_before_training(
    train_gmm_here, places, tmp_path, monkeypatch
):
    monkeypatch.setattr(experiment, "train", lambda *_, **__: pytest.fail("trained"))
    (tmp_path / "file").write_text("in the way")
    flags = ("--data-dir", places, "--output-dir", tmp_path / "file" / "run")
    status, out, err = train_gmm_here(*flags)
    assert (status, out) == (2, "")
    assert_one_line(err, "cannot write to", str(tmp_path / "file" / "run"))


@pytest.mark.parametrize(
    ("split", "text", "message"),
    [
        ("train", "", "train.csv has no column long; found []"),
        ("test", ",long,lat,country\n", "test.csv has a header and no rows"),
        ("train", ",long,lat\n0,1,2\n", "train.csv has no column country; found ['',"),
        ("train", ",long,lat,country\n0,1,2,0\n1,2\n", "line 3 has 2 fields"),
        ("test", ",long,lat,country\n0,1,N/A,0\n", "test.csv line 2: lat is 'N/A'"),
        ("test", ",long,lat,country\n0,1,nan,0\n", "test.csv line 2: lat is nan"),
    ],
)
def test_fault_19_and_20_a_bad_file_is_one_line(
    train_gmm_here, tmp_path, split, text, message
):
    write_places(tmp_path / "data")
    (tmp_path / "data" / f"{split}.csv").write_text(text)
    status, out, err = train_gmm_here("--data-dir", tmp_path / "data")
    assert (status, out) == (2, "")
    assert_one_line(err, str(tmp_path / "data"), message)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([("1.5", "2.5", 0)], "every coordinate must vary"),
        ([("1.1", "2.3", 0)] * 50, "every coordinate must vary"),
        ([("1.1", str(i), 0) for i in range(50)], "every coordinate must vary"),
        ([("1", "2", 0), ("3", "4", 1)] * 25, "2 distinct places; 10 components"),
        ([(str(i), str(i), i) for i in range(11)] * 2, None),
        ([(str(i % 7), str(i % 7), i) for i in range(12)], "7 distinct places; 12"),
    ],
    ids=["one point", "identical", "a line", "two points", "just enough", "countries"],
)
def test_fault_21_fewer_distinct_places_than_components_are_refused(
    train_gmm_here, tmp_path, train, message
):
    write_places(tmp_path / "data", train=train, test=train[:1])
    status, _, err = train_gmm_here("--data-dir", tmp_path / "data", "--epochs", 1)
    if message is None:
        assert (status, err) == (0, "")
    else:
        assert status == 2
        assert_one_line(err, message)


def test_fault_22_divergence_names_epoch_and_step_and_keeps_a_finite_model(
    places, tmp_path
):
    flags = ("--learning-rate", 1e30, "--epochs", 5, "--data-dir", places)
    result = run_driver("train_gmm.py", *flags, cwd=tmp_path)
    assert result.returncode == 2
    assert_one_line(result.stderr, "epoch", "step", "learning rate")
    model, _ = load_mixture(tmp_path / "outputs" / "gmm" / "model.pt")
    assert all(p.isfinite().all() for p in model.parameters())
    assert rows_of(tmp_path / "outputs" / "gmm")


def test_fault_23_a_country_of_the_test_set_alone_is_one_line(train_gmm_here, tmp_path):
    test = [*blob_rows(9, seed=0), ("1.0", "50.0", 8)]
    write_places(tmp_path / "data", test=test)
    status, out, err = train_gmm_here("--data-dir", tmp_path / "data")
    assert (status, out) == (2, "")
    assert_one_line(err, "test.csv: country 8 is not in train.csv")


def stop_after(monkeypatch, start: str, epoch: int) -> None:
    """Have a signal arrive after an epoch of the first training from a start."""
    record = runs.record

    def interrupted(run, number, measured):
        record(run, number, measured)
        if (run.start, number) == (start, epoch):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(runs, "record", interrupted)


def test_a_signal_keeps_the_finished_epochs_and_the_model(
    train_gmm_here, places, tmp_path, monkeypatch
):
    stop_after(monkeypatch, "random", epoch=3)
    status, _, err = train_gmm_here("--epochs", 9, "--data-dir", places)
    assert status == 143
    assert_one_line(err, "SIGTERM")
    folder = tmp_path / "outputs" / "gmm"
    assert [row["epoch"] for row in rows_of(folder)] == ["0", "1", "2", "3"]
    assert load_mixture(folder / "model.pt")[0].n_components == 3
    for name in ("q2_samples_random_start.png", "q2_log_likelihood.png"):
        assert (folder / name).exists()


def test_a_signal_in_a_later_training_keeps_those_before_it_too(
    train_gmm_here, places, tmp_path, monkeypatch
):
    stop_after(monkeypatch, "country", epoch=1)
    status, _, err = train_gmm_here("--epochs", 3, "--data-dir", places)
    assert status == 143
    assert_one_line(err, "SIGTERM")
    folder = tmp_path / "outputs" / "gmm"
    found = [(row["start"], row["epoch"]) for row in rows_of(folder)]
    whole, begun = [("random", e) for e in "0123"], [("country", e) for e in "01"]
    assert found == whole + begun
    for start in ("random", "country"):
        assert (folder / f"q2_samples_{start}_start.png").exists()


def test_a_signal_in_the_first_epoch_leaves_the_start(
    train_gmm_here, places, tmp_path, monkeypatch
):
    stop_after(monkeypatch, "random", epoch=0)
    assert train_gmm_here("--data-dir", places)[0] == 143
    folder = tmp_path / "outputs" / "gmm"
    assert [row["epoch"] for row in rows_of(folder)] == ["0"]
    assert load_mixture(folder / "model.pt")[0].n_components == 3


@pytest.mark.parametrize("rate", [1e10, 1e18, 1e30])
@pytest.mark.parametrize("epochs", [1, 2])
def test_fault_22_divergence_in_the_last_epoch_is_named_too(
    train_gmm_here, places, rate, epochs
):
    flags = ("--learning-rate", rate, "--epochs", epochs, "--data-dir", places)
    status, _, err = train_gmm_here(*flags)
    assert status == 2
    assert_one_line(err, "epoch", "learning rate")
