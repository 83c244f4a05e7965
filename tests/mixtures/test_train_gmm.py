"""The driver as a user runs it: every file, the same bytes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import train_gmm
from dataset import load_europe
from machinery import checkpoint
from machinery.training import in_chunks
from mixture_models import GMM
from mixtures.runs import load_mixture
from tests.helpers import CENTRES, rows_of, run_driver

FIGURES = {
    "q1_samples.png",
    "q2_samples_random_start.png",
    "q2_samples_country_start.png",
    "q2_log_likelihood.png",
    "q2_starts.png",
    "map.png",
}
FILES = FIGURES | {"metrics.csv", "summary.json", "model.pt", "forming.gif"}
FILES |= {"fast_model.pt", "snapshots.pt"}
TINY = ("--epochs", 2, "--n-seeds", 2)


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
    """The folder of the same run again, in this process."""
    again = tmp_path_factory.mktemp("repeated") / "again"
    options = {"data_dir": str(places), "output_dir": str(again)}
    train_gmm.main(train_gmm.Config(**options, epochs=2, n_seeds=2))
    return again


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
    loaded = load_europe(places)
    for split, data in zip(("train", "test"), loaded, strict=True):
        value = in_chunks(model, scale.transform(data.features)).mean().item()
        expected = float(found["3", "random", "42"][f"{split}_log_likelihood"])
        assert value == pytest.approx(expected, abs=1e-5)


def test_a_saved_mixture_draws_places_in_degrees_in_three_lines(folder):
    mixture, scale = load_mixture(folder / "model.pt")
    x = mixture.sample(1000, generator=torch.Generator().manual_seed(0))
    places = scale.inverse_transform(x)
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


def test_the_snapshots_are_every_epoch_of_what_the_figures_show(folder, places):
    content = checkpoint.read(folder / "snapshots.pt", also={"snapshots": list})
    snapshots = {(*key(s), str(s["epoch"])): s for s in content["snapshots"]}
    along = [("3", start, "42", e) for start in ("random", "country") for e in "012"]
    counted = [(k, "random", "42", e) for k in ("1", "5", "10") for e in "012"]
    assert list(snapshots) == along + counted
    rows = {(*key(row), row["epoch"]): row for row in rows_of(folder)}
    _, scale = load_mixture(folder / "snapshots.pt")
    x = scale.transform(load_europe(places)[1].features)
    for which, snapshot in snapshots.items():
        model = GMM(snapshot["n_components"])
        model.load_state_dict(snapshot["state_dict"])
        expected = float(rows[which]["test_log_likelihood"])
        assert model(x).mean().item() == pytest.approx(expected, abs=1e-5)


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
