"""snapshots.pt: every early epoch's weights, the same after any interruption."""

import shutil
from dataclasses import replace

import pytest
import torch

import train_gpt
from gpt import runs, snapshots
from machinery import checkpoint
from machinery.checkpoint import CheckpointError
from machinery.run_folder import RunFolder
from tests.helpers import assert_equal, assert_one_line, read

CPU = torch.device("cpu")
NAMES = ("model.pt", "snapshots.pt", "metrics.csv", "samples.md")


@pytest.fixture(scope="module")
def folder(config, corpus, tmp_path_factory):
    """The folder of a run of two epochs, in this process."""
    with RunFolder(tmp_path_factory.mktemp("gpt")) as folder:
        train_gpt.train(runs.start(config, corpus, CPU), folder)
    return folder.path


@pytest.fixture
def train(config, corpus, tmp_path):
    """Train some epochs in one folder: as the bytes of its files."""
    here = replace(config, epoch_windows=130, output_dir=str(tmp_path / "run"))

    def run(epochs: int, resume: bool = False) -> dict[str, bytes]:
        wanted = replace(here, epochs=epochs, resume=resume)
        with RunFolder(wanted.output_dir) as folder:
            if resume:
                begun = runs.resume(wanted, corpus, CPU, folder.path)
            else:
                begun = runs.start(wanted, corpus, CPU)
            train_gpt.train(begun, folder)
        return {name: (folder.path / name).read_bytes() for name in NAMES}

    return run


def epochs_in(folder) -> list[int]:
    return [s["epoch"] for s in read(folder, "snapshots.pt")["snapshots"]]


def test_every_epoch_is_there_and_the_last_is_the_model(folder):
    content = checkpoint.read(folder / "snapshots.pt", also={"snapshots": list})
    first, _, last = content["snapshots"]
    assert epochs_in(folder) == [0, 1, 2]
    model = read(folder, "model.pt")
    assert_equal(last["state_dict"], model["state_dict"])
    assert_equal(content["state_dict"], model["state_dict"])
    assert content["config"] == model["config"]
    assert not torch.equal(
        first["state_dict"]["wte.weight"], last["state_dict"]["wte.weight"]
    )


def test_epoch_0_is_the_untrained_model(folder, config, corpus):
    untrained = runs.start(config, corpus, CPU).model.state_dict()
    first = read(folder, "snapshots.pt")["snapshots"][0]
    assert_equal(first["state_dict"], dict(untrained))


def test_a_file_of_snapshots_generates_as_the_model_does(folder):
    models = [runs.load(folder / name)[0] for name in ("model.pt", "snapshots.pt")]
    assert_equal(*(dict(model.state_dict()) for model in models))


def test_the_epochs_that_are_kept_thin_out():
    kept = [epoch for epoch in range(1001) if snapshots.is_kept(epoch)]
    assert kept[:11] == list(range(11))
    assert kept[11:] == [*range(20, 101, 10), *range(200, 1001, 100)]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_fault_9_a_run_stopped_after_any_epoch_ends_with_the_same_bytes(
    train, tmp_path, k
):
    whole = train(3)
    shutil.rmtree(tmp_path / "run")
    train(k)
    assert train(3, resume=True) == whole
    assert epochs_in(tmp_path / "run") == [0, 1, 2, 3]


def test_a_run_killed_before_checkpoint_pt_was_written_does_its_epoch_again(
    train, tmp_path
):
    whole = train(3)
    ahead = whole["snapshots.pt"]
    shutil.rmtree(tmp_path / "run")
    train(2)
    (tmp_path / "run" / "snapshots.pt").write_bytes(ahead)
    assert train(3, resume=True) == whole


def test_without_the_file_a_run_goes_on_and_keeps_what_follows(train, tmp_path):
    whole = train(3)
    train(1)
    (tmp_path / "run" / "snapshots.pt").unlink()
    train(2, resume=True)
    assert epochs_in(tmp_path / "run") == [2]
    found = train(3, resume=True)
    assert epochs_in(tmp_path / "run") == [2, 3]
    assert found["model.pt"] == whole["model.pt"]


def test_snapshots_that_do_not_lead_up_to_the_epoch_are_one_line(
    train_here, folder, tmp_path
):
    mine = tmp_path / "outputs" / "gpt"
    shutil.copytree(folder, mine)
    content = read(folder, "snapshots.pt")
    content["snapshots"] = content["snapshots"][:1]  # of a run begun anew and killed
    torch.save(content, mine / "snapshots.pt")
    status, out, err = train_here("--resume", "--epochs", 3)
    assert (status, out) == (2, "")
    assert_one_line(err, "snapshots.pt does not lead up to epoch 2", "remove it")


@pytest.mark.parametrize("part", [None, 3, {}, {"epoch": 0}, {"state_dict": {}}])
def test_snapshots_that_are_none_are_refused(folder, tmp_path, part):
    path = tmp_path / "snapshots.pt"
    content = read(folder, "snapshots.pt")
    content["snapshots"][1] = part
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="holds no snapshots"):
        snapshots.read(path, 2)


def test_a_model_is_no_file_of_snapshots(folder):
    with pytest.raises(CheckpointError, match="it lacks snapshots"):
        snapshots.read(folder / "model.pt", 2)


def with_epochs(folder, path, kept: list[int]) -> list[dict]:
    """Write a file of these epochs' snapshots; return them."""
    content = read(folder, "snapshots.pt")
    weights = content["snapshots"][0]["state_dict"]
    kept = [{"epoch": epoch, "state_dict": weights} for epoch in kept]
    torch.save(content | {"snapshots": kept}, path)
    return kept


@pytest.mark.parametrize("kept", [[0, 1, 2], [1, 2], [2], []])
@pytest.mark.parametrize("ahead", [[], [3]])
def test_a_run_goes_on_from_the_last_epochs_in_a_row(folder, tmp_path, kept, ahead):
    path = tmp_path / "snapshots.pt"
    written = with_epochs(folder, path, kept + ahead)
    assert_equal(snapshots.read(path, 2), written[: len(kept)])


@pytest.mark.parametrize("kept", [[0, 1], [0, 2], [1], [0, 1, 1, 2], [2, 1]])
def test_a_gap_before_the_epoch_is_refused(folder, tmp_path, kept):
    path = tmp_path / "snapshots.pt"
    with_epochs(folder, path, kept)
    with pytest.raises(CheckpointError, match="does not lead up to epoch 2, which"):
        snapshots.read(path, 2)
