"""The driver as a user runs it: every file, the same bytes, one line on errors."""

import csv
import json
import signal

import numpy as np
import pytest
import torch
from conftest import CENTRES, assert_one_line, blob_rows, run_driver, write_places
from PIL import Image

import checkpoint
import mixture_runs
from mixture_models import GMM
from mixture_runs import load_mixture
from training import in_chunks

FIGURES = {
    "q1_samples.png",
    "q2_samples_random_start.png",
    "q2_samples_country_start.png",
    "q2_log_likelihood.png",
    "q2_starts.png",
    "map.png",
}
FILES = FIGURES | {"metrics.csv", "summary.json", "model.pt", "forming.gif"}
FILES |= {"fast_model.pt"}
TINY = ("--epochs", 2, "--n-seeds", 2)


def rows_of(folder) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def key(row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("n_components", "start", "seed"))


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory):
    """A finished run in a process of its own: (folder, process)."""
    cwd = tmp_path_factory.mktemp("finished")
    result = run_driver("train_gmm.py", *TINY, "--data-dir", places, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return cwd / "outputs" / "gmm", result


@pytest.fixture(scope="module")
def folder(finished):
    return finished[0]


@pytest.fixture(scope="module")
def repeated(places, tmp_path_factory):
    """The folder of the same run again."""
    cwd = tmp_path_factory.mktemp("repeated")
    flags = (*TINY, "--data-dir", places, "--output-dir", "again")
    assert run_driver("train_gmm.py", *flags, cwd=cwd).returncode == 0
    return cwd / "again"


def test_every_promised_file_is_written_and_named(finished):
    folder, result = finished
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    for name in FILES:
        assert f"outputs/gmm/{name}" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_opens_and_shows_something(folder, name):
    with Image.open(folder / name) as image:
        assert image.format == "PNG"
        assert all(300 < side < 6000 for side in image.size)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10


def test_the_animation_has_a_frame_for_the_start_and_every_epoch(folder):
    with Image.open(folder / "forming.gif") as image:
        assert image.n_frames == 3
        assert image.size[0] > image.size[1] > 200


def test_the_metrics_have_every_epoch_of_every_run(folder):
    runs = [("3", "random", s) for s in ("42", "43")]
    runs += [("3", "country", s) for s in ("42", "43")]
    runs += [(k, "random", "42") for k in ("1", "5", "10")]
    rows = rows_of(folder)
    assert sorted(map(key, rows)) == sorted(runs * 3)
    for run in runs:
        assert [row["epoch"] for row in rows if key(row) == run] == ["0", "1", "2"]


def test_the_summary_s_numbers_are_the_last_rows_of_the_metrics(folder):
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    last = {key(row): row for row in rows_of(folder) if row["epoch"] == "2"}
    assert [key(run) for run in summary["runs"]] == list(last)
    for run in summary["runs"]:
        for name in ("train_log_likelihood", "test_log_likelihood"):
            assert run[name] == float(last[key(run)][name])
    leads = [
        float(last["3", "country", seed]["test_log_likelihood"])
        - float(last["3", "random", seed]["test_log_likelihood"])
        for seed in ("42", "43")
    ]
    assert summary["starts"]["lead"][-1]["mean"] == pytest.approx(np.mean(leads))


def test_the_summary_holds_the_config_and_the_sizes(folder, places):
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["config"]["epochs"] == 2
    assert summary["config"]["data_dir"] == str(places)
    assert (summary["n_train"], summary["n_test"]) == (300, 60)
    assert "nats" in summary["units"]
    assert summary["versions"]["torch"] == str(torch.__version__)


def test_the_printed_table_has_units_and_the_metrics_numbers(finished):
    folder, result = finished
    table = [line.split() for line in result.stdout.splitlines()]
    assert "nats per place, of standardised coordinates" in result.stdout
    for row in rows_of(folder):
        if row["epoch"] == "2" and row["seed"] == "42":
            numbers = [
                f"{float(row[f'{s}_log_likelihood']):.4f}" for s in ("train", "test")
            ]
            expected = [*key(row), *numbers]
            assert expected in [line[:5] for line in table]


def test_the_metrics_are_those_of_the_saved_model(folder, places):
    model, scale = load_mixture(folder / "model.pt")
    found = {key(row): row for row in rows_of(folder) if row["epoch"] == "2"}
    loaded = mixture_runs.load_europe(places)
    for split, data in zip(("train", "test"), loaded, strict=True):
        value = in_chunks(model, scale.apply(data.features)).mean().item()
        expected = float(found["3", "random", "42"][f"{split}_log_likelihood"])
        assert value == pytest.approx(expected, abs=1e-5)


def test_a_saved_mixture_draws_places_in_degrees_in_three_lines(folder):
    mixture, scale = load_mixture(folder / "model.pt")
    x = mixture.sample(1000, generator=torch.Generator().manual_seed(0))
    places = scale.undo(x)
    assert isinstance(mixture, GMM)
    assert mixture.n_components == 3
    assert places.shape == (1000, 2)
    middle = places.median(0).values.numpy()
    assert (abs(middle - CENTRES.mean(0)) < [10, 5]).all()
    assert places[:, 1].abs().max() < 90


def test_a_saved_model_does_not_tell_how_long_it_took(folder):
    content = checkpoint.read(folder / "model.pt")
    assert not [name for name in content | content["config"] if "second" in name]
    assert content["kind"] == "gmm"


def test_the_same_seed_gives_the_same_metrics_and_model(folder, repeated):
    name = "metrics.csv"
    assert (folder / name).read_bytes() == (repeated / name).read_bytes()
    one, two = (
        checkpoint.read(f / "model.pt")["state_dict"] for f in (folder, repeated)
    )
    assert one.keys() == two.keys() == {"logits", "means", "log_variances"}
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_same_seed_gives_the_same_pictures(folder, repeated):
    for name in FIGURES | {"forming.gif"}:
        assert (folder / name).read_bytes() == (repeated / name).read_bytes(), name


def test_another_seed_gives_another_run(folder):
    rows = {(*key(row), row["epoch"]): row for row in rows_of(folder)}
    for epoch in "012":
        one, other = (rows["3", "random", seed, epoch] for seed in ("42", "43"))
        assert one["train_log_likelihood"] != other["train_log_likelihood"]


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
    monkeypatch.setattr(mixture_runs.Trainer, "run", lambda *_: pytest.fail("trained"))
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


def test_a_signal_keeps_the_finished_epochs_and_the_model(
    train_gmm_here, places, tmp_path, monkeypatch
):
    record = mixture_runs.Trainer.record

    def interrupted(self, run, epoch):
        record(self, run, epoch)
        if epoch == 3 and len(self.runs) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(mixture_runs.Trainer, "record", interrupted)
    status, _, err = train_gmm_here("--epochs", 9, "--data-dir", places)
    assert status == 143
    assert_one_line(err, "SIGTERM")
    folder = tmp_path / "outputs" / "gmm"
    assert [row["epoch"] for row in rows_of(folder)] == ["0", "1", "2", "3"]
    assert load_mixture(folder / "model.pt")[0].n_components == 3
    for name in ("q2_samples_random_start.png", "q2_log_likelihood.png"):
        assert (folder / name).exists()


@pytest.mark.parametrize("rate", [1e10, 1e18, 1e30])
@pytest.mark.parametrize("epochs", [1, 2])
def test_fault_22_divergence_in_the_last_epoch_is_named_too(
    train_gmm_here, places, rate, epochs
):
    flags = ("--learning-rate", rate, "--epochs", epochs, "--data-dir", places)
    status, _, err = train_gmm_here(*flags)
    assert status == 2
    assert_one_line(err, "epoch", "learning rate")
