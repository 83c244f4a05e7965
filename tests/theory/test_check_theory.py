"""The driver: what it writes, and what it refuses."""

import json

import pytest

import check_theory
from tests.helpers import assert_one_line
from theory import regression

FLAGS = ("--n-draws", 1000, "--threads", 1)
FIGURES = {
    f"{n}.png" for n in ("regression", "noise", "prior", "reversal", "monte_carlo")
}


def test_a_run_checks_everything(run_here, tmp_path):
    status, out, err = run_here(check_theory, *FLAGS)
    assert (status, err) == (0, "")
    folder = tmp_path / "outputs" / "theory"
    assert FIGURES | {"summary.json"} <= {path.name for path in folder.iterdir()}
    found = json.loads((folder / "summary.json").read_text("utf-8"))
    assert found["agreeing"] == len(found["checks"])
    assert f"{found['agreeing']} of {found['agreeing']} claims agree" in out


def test_a_wrong_formula_is_shown(run_here, monkeypatch, capsys, tmp_path):
    right = regression.estimate
    monkeypatch.setattr(regression, "estimate", lambda x, y, z, b: right(x, y, z, -b))
    with pytest.raises(RuntimeError, match="do not agree"):  # a bug: status 1
        run_here(check_theory, *FLAGS)
    assert "NO\n" in capsys.readouterr().out
    assert (tmp_path / "outputs" / "theory" / "summary.json").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--n-draws", 10), "--n-draws must be at least 1000, got 10"),
        (("--seed", 2**32), "--seed must be at most 4294967295, got 4294967296"),
    ],
)
def test_bad_input(run_here, tmp_path, flags, words):
    status, _, err = run_here(check_theory, *flags)
    assert status == 2
    assert_one_line(err, words)
    assert not (tmp_path / "outputs").exists()
