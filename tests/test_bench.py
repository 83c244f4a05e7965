"""bench/results.md: parts are measured anew by themselves, and the others stay."""

from pathlib import Path

import pytest

from bench import run_all

ROOT = Path(__file__).parents[1]
OLD = (
    "# Benchmarks\n\n## The GPT's epoch against the loop that courses hand out\n\nold\n"
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(run_all, "HERE", tmp_path)
    (tmp_path / "results.md").write_text(OLD)
    return tmp_path / "results.md"


def test_a_part_measured_anew_leaves_the_others(results):
    (results.parent / "bench_mixtures.py").write_text("print('12 times')")
    run_all.main(["bench_mixtures.py"])
    found = run_all.sections(results.read_text())
    first, second = (run_all.PARTS[f"bench_{x}.py"] for x in ("mixtures", "gpt"))
    assert list(found) == [first, second]  # in the order of PARTS
    assert "12 times" in found[first]
    assert found[second] == "old"


def test_a_part_that_fails_loses_nothing(results):
    (results.parent / "bench_mixtures.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match="bench_mixtures.py failed with status 3"):
        run_all.main(["bench_mixtures.py"])
    assert results.read_text() == OLD


def test_every_benchmark_is_there_and_an_unknown_one_is_named():
    assert all((ROOT / "bench" / script).exists() for script in run_all.PARTS)
    with pytest.raises(SystemExit, match=r"SCRIPT must be of .*'bench_mine.py'"):
        run_all.main(["bench_mine.py"])
