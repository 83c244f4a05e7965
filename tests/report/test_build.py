"""The report and the README's results: made of the runs' numbers and nothing else."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

import train_gmm
import train_umm
from tests.helpers import ROOT, assert_one_line


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "report" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


build = load("build")
readme_results = load("readme_results")


@pytest.fixture(scope="module")
def finished(places, finished_gpt, tmp_path_factory) -> Path:
    """What the three drivers write, tiny."""
    outputs = tmp_path_factory.mktemp("outputs")
    for driver in (train_gmm, train_umm):
        folder = outputs / driver.__name__.removeprefix("train_")
        driver.main(
            driver.Config(
                data_dir=str(places), output_dir=str(folder), epochs=2, n_seeds=2
            )
        )
    shutil.copytree(finished_gpt[0], outputs / "gpt")
    return outputs


@pytest.fixture
def outputs(finished, tmp_path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(finished, tmp_path / "outputs")


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory) -> PdfReader:
    path = tmp_path_factory.mktemp("report") / "report.pdf"
    path.write_bytes(build.build(finished))
    return PdfReader(path)


def text_of(reader: PdfReader) -> str:
    """The words of all pages, lines joined and hyphens at their ends removed."""
    text = "\n".join(page.extract_text() for page in reader.pages)
    text = re.sub(r"[-\u00ad\u2010]\n", "", text)
    return re.sub(r"\s+", " ", text)


def rebuilt(outputs: Path) -> str:
    path = outputs / "report.pdf"
    path.write_bytes(build.build(outputs))
    return text_of(PdfReader(path))


def change(outputs: Path, name: str, edit) -> dict:
    path = outputs / name / "summary.json"
    summary = json.loads(path.read_text("utf-8"))
    edit(summary)
    path.write_text(json.dumps(summary), "utf-8")
    return summary


def alternatives(node) -> list[str]:
    """The alternative texts in a tagged PDF's tree."""
    node = node.get_object()
    if isinstance(node, list):
        return [text for child in node for text in alternatives(child)]
    if not isinstance(node, dict):
        return []
    own = [str(node["/Alt"])] if "/Alt" in node else []
    return own + (alternatives(node["/K"]) if "/K" in node else [])


# the document


def test_the_report_has_at_most_8_pages_of_a4(report):
    assert 1 <= len(report.pages) <= 8
    for page in report.pages:
        assert float(page.mediabox.width) == pytest.approx(595.3, abs=0.1)
        assert float(page.mediabox.height) == pytest.approx(841.9, abs=0.1)


def test_no_placeholder_is_left(report):
    text = text_of(report)
    assert not re.search(r"\b(none|nan|NaN|inf|TODO|TBD|XXX|lorem)\b|\?\?", text)
    assert ".map(" not in text
    assert ".join(" not in text


def test_every_question_has_a_bookmark_and_the_document_a_title(report):
    def titles(outline):
        for entry in outline:
            yield from titles(entry) if isinstance(entry, list) else [entry.title]

    assert report.metadata.title == "Mixture models and a small GPT"
    found = " | ".join(titles(report.outline))
    for part in (
        "Gaussian mixture", "Question 1", "Question 2 a, b", "Question 2 c",
        "Uniform mixture", "trends", "Task 2", "Tasks 3 and 4", "Errata",
        "Beyond the exercise",
    ):  # fmt: skip
        assert part in found


def test_every_figure_has_an_alternative_text(report):
    found = alternatives(report.trailer["/Root"]["/StructTreeRoot"]["/K"])
    figures = [f for files in build.NEEDED.values() for f in files if ".png" in f]
    assert len(found) >= len(figures)
    assert all(len(text) > 20 for text in found[: len(figures)])


def test_the_same_outputs_give_the_same_bytes(finished):
    assert build.build(finished) == build.build(finished)


def test_the_tests_that_the_report_names_exist():
    source = build.SOURCE.read_text("utf-8")
    named = [
        "".join(re.findall(r'"(\w+)"', parts))
        for parts in re.findall(r'#test-name\(("[^)]*)\)', source)
    ]
    assert len(named) >= 8
    tests = "".join(
        path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    for name in named:
        assert f"def {name}(" in tests


def test_no_number_is_typed_into_the_report():
    _, body = build.SOURCE.read_text("utf-8").split("// ---- text")
    # code, lengths and names of files are no prose; formulas are mathematics
    code = r'"[^"]*"|\$[^$]*\$|#(let|if) [^\n]*|#[\w.-]+\([^\n]*|[\d.]+(pt|mm|%)|luma.*'
    assert not re.findall(r"\d+[.,]\d+|\d{3,}", re.sub(code, "", body))


# its numbers


def minus(number: float, digits: int) -> str:
    return f"{number:,.{digits}f}".replace("-", "\u2212")


def test_the_numbers_are_the_runs_own(report, finished):
    text = text_of(report)
    for run in json.loads((finished / "gmm/summary.json").read_text())["runs"][:4]:
        assert minus(run["test_log_likelihood"], 4) in text
    gpt = json.loads((finished / "gpt/summary.json").read_text())
    assert minus(gpt["epochs"][-1]["test_loss"], 3) in text
    for j in gpt["sampling"].values():
        assert f"{100 * j['real_words']:.1f} %" in text


def test_a_changed_number_changes_the_text(outputs):
    def edit(summary):
        summary["runs"][0]["test_log_likelihood"] = -1.23454
        summary["n_train"] = 7654321

    change(outputs, "gmm", edit)
    text = rebuilt(outputs)
    assert "\u22121.2345" in text
    assert "7,654,321 places" in text


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        ({"mean": 0.5, "std": 0.25, "ahead": 2}, "Better. After the last epoch"),
        ({"mean": -0.5, "std": 0.25, "ahead": 0}, "Worse. After the last epoch"),
        ({"mean": 0.5, "std": 0.75, "ahead": 1}, "Neither, reliably."),
        ({"mean": 0.0, "std": 0.0, "ahead": 0}, "Neither: both starts end equal"),
    ],
)
def test_the_answer_to_question_2c_is_chosen_by_the_numbers(outputs, lead, expected):
    for name in ("gmm", "umm"):
        change(outputs, name, lambda s: s["starts"]["lead"][-1].update(lead))
    assert rebuilt(outputs).count(expected) == 2


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.2, 0.9), "Yes: with top-5 the sentences have more real words"),
        ((0.9, 0.2), "have fewer real words"),
        ((0.5, 0.5), "In real words there is no clear difference"),
    ],
)
def test_the_judgement_of_top_k_is_chosen_by_the_numbers(outputs, shares, expected):
    def edit(summary):
        for judged, share in zip(summary["sampling"].values(), shares, strict=True):
            judged.update(real_words=share, n_words=1000)

    change(outputs, "gpt", edit)
    assert expected in rebuilt(outputs)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (9.0, "Every one of these runs beats every Gaussian run"),
        (-99.0, "The Gaussians of question 2 stay better"),
    ],
)
def test_whether_boxes_beat_gaussians_is_chosen_by_the_numbers(
    outputs, boxes, expected
):
    def edit(summary):
        for run in summary["annealed"]:
            run["test_log_likelihood"] = boxes

    change(outputs, "umm", edit)
    assert expected in rebuilt(outputs)


# what can be missing


@pytest.mark.parametrize("name", ["gmm", "umm", "gpt"])
@pytest.mark.parametrize("file", ["summary.json", "metrics.csv", None])
def test_a_missing_output_names_the_driver_that_writes_it(
    run_here, outputs, name, file
):
    if file:
        (outputs / name / file).unlink()
    else:
        shutil.rmtree(outputs / name)
    status, out, err = run_here(build, "--outputs", outputs)
    assert status == 2
    assert out == ""
    assert_one_line(err, f"run python train_{name}.py", file or "summary.json")


def test_an_output_of_another_version_is_one_line(run_here, outputs):
    change(outputs, "umm", lambda s: s.pop("trends"))
    status, _, err = run_here(build, "--outputs", outputs)
    assert status == 2
    assert_one_line(err, "trends", "run the drivers again")


def test_the_report_is_written_where_it_is_wanted(run_here, outputs, tmp_path):
    pdf = tmp_path / "new" / "a.pdf"
    status, out, err = run_here(build, "--outputs", outputs, "--output", pdf)
    assert (status, err) == (0, "")
    assert str(pdf) in out
    assert pdf.read_bytes().startswith(b"%PDF")


# the README


MARKED = f"# A\n\n{readme_results.BEGIN}\nold\n{readme_results.END}\n\nend\n"


def test_the_readme_s_numbers_are_those_of_docs_summary():
    summary = json.loads((ROOT / "docs" / "summary.json").read_text("utf-8"))
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme == readme_results.insert(readme, readme_results.section(summary))


def test_the_results_are_written_from_the_outputs(run_here, outputs, tmp_path):
    readme, docs = tmp_path / "README.md", tmp_path / "docs"
    readme.write_text(MARKED)
    flags = ("--outputs", outputs, "--readme", readme, "--docs", docs)
    status, _, err = run_here(readme_results, *flags)
    assert (status, err) == (0, "")
    text = readme.read_text("utf-8")
    summary = json.loads((docs / "summary.json").read_text("utf-8"))
    assert readme_results.section(summary) in text
    assert text.startswith("# A\n")
    assert text.endswith("\n\nend\n")
    assert "old" not in text
    gpt = json.loads((outputs / "gpt/summary.json").read_text("utf-8"))
    assert f"| this GPT | {gpt['epochs'][-1]['test_loss']:.3f} |" in text
    for name in readme_results.FIGURES:
        assert (docs / name).stat().st_size < 200_000
    assert run_here(readme_results, *flags)[0] == 0
    assert readme.read_text("utf-8") == text


def test_a_readme_without_markers_is_one_line_and_left_alone(
    run_here, outputs, tmp_path
):
    readme, docs = tmp_path / "README.md", tmp_path / "docs"
    readme.write_text("# A\n")
    status, _, err = run_here(
        readme_results, "--outputs", outputs, "--readme", readme, "--docs", docs
    )
    assert status == 2
    assert_one_line(err, readme_results.BEGIN)
    assert readme.read_text() == "# A\n"
    assert not docs.exists()


def test_results_without_outputs_name_the_driver(run_here, outputs):
    (outputs / "umm" / "summary.json").unlink()
    status, _, err = run_here(readme_results, "--outputs", outputs)
    assert status == 2
    assert_one_line(err, "run python train_umm.py")
