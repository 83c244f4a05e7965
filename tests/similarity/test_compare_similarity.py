"""The driver: what it writes, and what it refuses."""

import json

import pytest

import compare_similarity
from tests.helpers import assert_one_line

FIGURES = {
    "image.png", "maps_dot.png", "maps_cosine.png", "matrices.png", "heads.png",
    "sharpness.png",
}  # fmt: skip
FLAGS = ("--height", 3, "--width", 4, "--n-sets", 5, "--threads", 1)


def test_a_run_answers_everything(run_here, tmp_path):
    status, out, err = run_here(compare_similarity, *FLAGS, "--output-dir", "a")
    assert (status, err) == (0, "")
    written = {path.name for path in (tmp_path / "a").iterdir()}
    assert FIGURES | {"summary.json"} <= written
    found = json.loads((tmp_path / "a" / "summary.json").read_text("utf-8"))
    assert found["n_pixels"] == 12
    assert found["by_convolution"] < 1e-6
    assert found["sharp_enough"] <= 20
    kept = [v["rule"] for v in found["verdicts"]["cosine on the sphere"] if v["holds"]]
    assert len(kept) == 4
    beaten = {name: sum(w["beaten"] for w in ws) for name, ws in found["maps"].items()}
    assert beaten["cosine"] == 0 < beaten["dot product"]
    assert "12 kernels" in out
    run_here(compare_similarity, *FLAGS, "--output-dir", "b")
    for name in FIGURES:
        same = (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
        assert same, name


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--height", 1), "--height must be at least 2, got 1"),
        (("--width", 3), "--width must be at least 4, got 3"),
        (("--height", 40, "--width", 40), "at most 1024, got 40 times 40"),
        (("--kernel-size", 4), "--kernel-size must be odd, got 4"),
        (("--n-sets", 0), "--n-sets must be at least 1, got 0"),
        (("--seed", -1), "--seed must be at least 0, got -1"),
    ],
)
def test_bad_input(run_here, tmp_path, flags, words):
    status, _, err = run_here(compare_similarity, *flags)
    assert status == 2
    assert_one_line(err, words)
    assert not (tmp_path / "outputs").exists()
