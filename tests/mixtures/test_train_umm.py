"""The driver as a user runs it: every file, and the same bytes."""

from machinery import checkpoint
from tests.helpers import run_driver


def test_the_driver_writes_every_promised_file(places, tmp_path):
    def run(name):
        return run_driver(
            "train_umm.py", "--data-dir", places, "--epochs", 2, "--n-seeds", 2,
            "--output-dir", tmp_path / name, cwd=tmp_path,
        )  # fmt: skip

    finished = run("a")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    names = {path.name for path in (tmp_path / "a").iterdir()} - {".lock"}
    assert names == {
        "metrics.csv", "summary.json", "model.pt", "snapshots.pt",
        "annealed_model.pt",
        "annealed_map.png", "q1_samples.png", "q2_samples_random_start.png",
        "q2_samples_country_start.png", "q2_log_likelihood.png", "q2_starts.png",
        "trends.png",
    }  # fmt: skip
    soft = checkpoint.read(tmp_path / "a" / "annealed_model.pt")["snapshots"]
    assert [snapshot["epoch"] for snapshot in soft] == [0, 1, 2]
    assert "sides ever grew" in finished.stdout
    assert all(name in finished.stdout for name in names)
    assert run("b").returncode == 0
    first, again = ((tmp_path / d / "metrics.csv").read_bytes() for d in "ab")
    assert first == again
