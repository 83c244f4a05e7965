"""The READMEs' results: made of the runs' and the benchmarks' numbers alone."""

import json
import shutil

import pytest

import readme_results
from tests.helpers import ROOT, assert_one_line

PATHS = sorted({path for path, _, _ in readme_results.SECTIONS})


@pytest.fixture
def root(tmp_path):
    """A folder with the READMEs' markers, something old between them, and results."""
    folder = tmp_path / "root"
    for path, name, _ in readme_results.SECTIONS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        begin, end = readme_results.markers(name)
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(f"# {name}\n\n{begin}\nold\n{end}\n\nend\n")
    (folder / "bench").mkdir()
    shutil.copy(ROOT / "bench" / "results.md", folder / "bench")
    return folder


def test_the_readmes_numbers_are_those_of_docs_summary():
    summary = json.loads((ROOT / "docs" / "summary.json").read_text("utf-8"))
    for path, text in readme_results.filled(ROOT, summary).items():
        assert (ROOT / path).read_text("utf-8") == text, path


def test_the_speed_run_s_numbers_are_those_of_the_benchmark():
    summary = json.loads((ROOT / "docs" / "summary.json").read_text("utf-8"))
    results = (ROOT / "bench" / "results.md").read_text("utf-8")
    assert readme_results.speedrun_times(results) == summary["speedrun"]


def test_the_speed_run_is_read_from_the_benchmark_s_lines():
    lines = (
        "reference | 1.5 | 20.0 | 3.0 | 4",
        "speedrun.py | 1.25 | 19.0 | 3.0 | 4",
        "to the reference's 1.5000: 2.5 s against 18.5 s, 0.135 of it",
    )
    assert readme_results.speedrun_times("\n".join(lines)) == {
        "reference": {
            "validation_loss": 1.5, "seconds": 20.0, "seconds_to_reference": 18.5,
        },
        "speedrun.py": {
            "validation_loss": 1.25, "seconds": 19.0, "seconds_to_reference": 2.5,
        },
    }  # fmt: skip


def test_the_results_are_written_from_the_outputs(run_here, outputs, root):
    flags = ("--outputs", outputs, "--root", root)
    status, _, err = run_here(readme_results, *flags)
    assert (status, err) == (0, "")
    summary = json.loads((root / "docs" / "summary.json").read_text("utf-8"))
    for path, name, section in readme_results.SECTIONS:
        text = (root / path).read_text("utf-8")
        assert section(summary) in text
        assert text.startswith("# ")
        assert f"# {name}\n" in text
        assert text.endswith("\n\nend\n")
        assert "\nold\n" not in text
    gpt = json.loads((outputs / "gpt/summary.json").read_text("utf-8"))
    loss = f"{gpt['epochs'][-1]['test_loss']:.3f}"
    written = {path: (root / path).read_text("utf-8") for path in PATHS}
    assert f"| this GPT | {loss} |" in written["gpt/README.md"]
    assert f"| {loss} nats per character" in written["README.md"]
    gmm = json.loads((outputs / "gmm/summary.json").read_text("utf-8"))
    assert gmm["starts"]["verdict"] in written["mixtures/README.md"]
    for name in readme_results.FIGURES:
        assert (root / "docs" / name).stat().st_size < 200_000
    assert run_here(readme_results, *flags)[0] == 0
    assert {path: (root / path).read_text("utf-8") for path in PATHS} == written


@pytest.mark.parametrize("path", PATHS)
def test_a_readme_without_markers_is_one_line_and_all_are_left_alone(
    run_here, outputs, root, path
):
    (root / path).write_text("# A\n")
    before = {name: (root / name).read_text() for name in PATHS}
    status, _, err = run_here(readme_results, "--outputs", outputs, "--root", root)
    assert status == 2
    assert_one_line(err, path, "<!-- ", "written by report/readme_results.py -->")
    assert {name: (root / name).read_text() for name in PATHS} == before
    assert not (root / "docs").exists()


def test_results_without_outputs_name_the_driver(run_here, outputs, root):
    (outputs / "umm" / "summary.json").unlink()
    status, _, err = run_here(readme_results, "--outputs", outputs, "--root", root)
    assert status == 2
    assert_one_line(err, "run python train_umm.py")


def test_results_without_the_speed_run_name_the_benchmark(run_here, outputs, root):
    (root / "bench" / "results.md").write_text("# Benchmarks\n")
    status, _, err = run_here(readme_results, "--outputs", outputs, "--root", root)
    assert status == 2
    assert_one_line(err, "run python bench/run_all.py")


def test_every_figure_is_shown_once():
    pages = [path.read_text("utf-8") for path in ROOT.glob("*/*.md")]
    pages.append((ROOT / "README.md").read_text("utf-8"))
    for figure in (ROOT / "docs").glob("*.png"):
        shown = sum(page.count(f"docs/{figure.name})") for page in pages)
        assert shown == 1, figure.name
