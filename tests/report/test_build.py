"""The reports: made of the runs' numbers and nothing else."""

import json
import re
import shutil
from pathlib import Path

import pytest
from pypdf import PdfReader

import build
from tests.helpers import ROOT, assert_one_line

NAME, OTHER = "generative_models", "decoder_transformer"
SOURCES = sorted(path.name for path in build.SOURCES.glob("*.typ"))


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory) -> PdfReader:
    path = tmp_path_factory.mktemp("report") / "report.pdf"
    path.write_bytes(build.build(NAME, finished))
    return PdfReader(path)


def text_of(reader: PdfReader) -> str:
    """The words of all pages, lines joined and hyphens at their ends removed."""
    text = "\n".join(page.extract_text() for page in reader.pages)
    text = re.sub(r"[-\u00ad\u2010]\n", "", text)
    return re.sub(r"\s+", " ", text)


def rebuilt(outputs: Path) -> str:
    path = outputs / "report.pdf"
    path.write_bytes(build.build(NAME, outputs))
    return text_of(PdfReader(path))


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
    needed = build.needed(NAME).values()
    figures = [file for files in needed for file in files if ".png" in file]
    assert len(found) >= len(figures)
    assert all(len(text) > 20 for text in found[: len(figures)])


def test_the_same_outputs_give_the_same_bytes(finished):
    assert build.build(NAME, finished) == build.build(NAME, finished)


def test_the_tests_that_the_report_names_exist():
    source = "".join((build.SOURCES / name).read_text("utf-8") for name in SOURCES)
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


@pytest.mark.parametrize("name", sorted({*SOURCES} - {"house.typ"}))
def test_no_number_is_typed_into_a_section(name):
    text = (build.SOURCES / name).read_text("utf-8")
    # code, lengths and names of files are no prose; formulas are mathematics
    code = r'"[^"]*"|\$[^$]*\$|#(let|if) [^\n]*|#[\w.-]+\([^\n]*|[\d.]+(pt|mm|%)|luma.*'
    assert not re.findall(r"\d+[.,]\d+|\d{3,}", re.sub(code, "", text))


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


def test_the_report_on_headlines_has_its_runs_numbers(finished):
    found = json.loads((finished / "headlines/summary.json").read_text())
    path = finished / "other.pdf"
    path.write_bytes(build.build(OTHER, finished))
    text = text_of(PdfReader(path))
    for model in found["models"]:
        assert f"{model['test']['nll']:.2f}" in text
        assert f"{model['n_parameters']:,}" in text
    for line in found["verdicts"]:
        assert line in text
    assert not re.search(r"\b(nan|NaN|inf)\b|\?\?", text)


def test_the_report_on_sentiment_has_its_runs_numbers(finished):
    found = json.loads((finished / "sentiment/summary.json").read_text())
    path = finished / "sentiment.pdf"
    path.write_bytes(build.build("sentiment_analysis", finished))
    text = text_of(PdfReader(path))
    for part in found["tables"].values():
        for row in part["rows"]:
            assert row["name"] in text
            assert f"{100 * row['mean']:.2f} %" in text
    costs = json.loads((finished / "sentiment/costs.json").read_text())
    assert len(costs["sentences"]) == 4
    assert not re.search(r"\b(nan|NaN|inf)\b|\?\?", text)


def test_the_report_on_gpt2_has_its_runs_numbers(finished):
    found = json.loads((finished / "gpt2/summary.json").read_text())
    path = finished / "gpt2.pdf"
    path.write_bytes(build.build("gpt2_sampling", finished))
    text = text_of(PdfReader(path))
    for score in ("sum", "per_token"):
        assert f"{100 * found['classifier'][score]['accuracy']:.1f} %" in text
    for by in found["likelihood"].values():
        assert minus(by["sum"]["mean"], 1) in text
    for row in found["ahead"]:
        assert minus(row["log_p"], 2) in text
    assert f"{found['added_parameters']['tied']['added']:,}" in text
    assert "stand-in" in text
    assert not re.search(r"\b(nan|NaN|inf)\b|\?\?", text)


def test_a_missing_answer_to_why_names_the_flag(run_here, outputs):
    (outputs / "headlines" / "why.json").unlink()
    status, _, err = run_here(build, OTHER, "--outputs", outputs)
    assert status == 2
    assert_one_line(err, "run python train_headlines.py --why")


def test_a_changed_number_changes_the_text(outputs, change):
    def edit(summary):
        summary["runs"][0]["test_log_likelihood"] = -1.23454
        summary["n_train"] = 7654321

    change("gmm", edit)
    text = rebuilt(outputs)
    assert "\u22121.2345" in text
    assert "7,654,321 places" in text


@pytest.mark.parametrize(
    ("winner", "reason"),
    [
        ("country", "the country start spreads the components"),
        ("random", "the country start spends one component on every country"),
        (None, "Both are starts of the same climb"),
    ],
)
def test_the_answer_to_question_2c_is_the_driver_s_own(outputs, change, winner, reason):
    def edit(summary):
        summary["starts"] |= {"winner": winner, "verdict": "Judged: by -0.5 ± 0.25."}

    for name in ("gmm", "umm"):
        change(name, edit)
    text = rebuilt(outputs)
    assert text.count("Judged: by \u22120.5 ± 0.25.") == 2
    assert reason in text


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.2, 0.9), "Yes: with top-5 the sentences have more real words"),
        ((0.9, 0.2), "have fewer real words"),
        ((0.5, 0.5), "In real words there is no clear difference"),
    ],
)
def test_the_judgement_of_top_k_is_chosen_by_the_numbers(
    outputs, change, shares, expected
):
    def edit(summary):
        for judged, share in zip(summary["sampling"].values(), shares, strict=True):
            judged.update(real_words=share, n_words=1000)

    change("gpt", edit)
    assert expected in rebuilt(outputs)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (9.0, "Every one of these runs beats every Gaussian run"),
        (-99.0, "The Gaussians of question 2 stay better"),
    ],
)
def test_whether_boxes_beat_gaussians_is_chosen_by_the_numbers(
    outputs, change, boxes, expected
):
    def edit(summary):
        for run in summary["annealed"]:
            run["test_log_likelihood"] = boxes

    change("umm", edit)
    assert expected in rebuilt(outputs)


# what can be missing


@pytest.mark.parametrize("report", [(), (NAME,)])
@pytest.mark.parametrize("name", ["gmm", "umm", "gpt"])
@pytest.mark.parametrize("file", ["summary.json", "metrics.csv", None])
def test_a_missing_output_names_the_driver_that_writes_it(
    run_here, outputs, report, name, file
):
    if file:
        (outputs / name / file).unlink()
    else:
        shutil.rmtree(outputs / name)
    if not report:  # nor is there what any other report needs
        for other in ("headlines", "sentiment", "gpt2", "theory"):
            shutil.rmtree(outputs / other)
    status, out, err = run_here(build, *report, "--outputs", outputs)
    assert (status, out) == (2, "")
    assert_one_line(err, f"run python train_{name}.py", file or "summary.json")


def test_an_output_of_another_version_is_one_line(run_here, outputs, change):
    change("umm", lambda s: s.pop("trends"))
    status, _, err = run_here(build, "--outputs", outputs)
    assert status == 2
    assert_one_line(err, "trends", "run the drivers again")


def test_the_report_is_written_where_it_is_wanted(run_here, outputs, tmp_path):
    folder = tmp_path / "new" / "reports"
    status, out, err = run_here(
        build, NAME, "--outputs", outputs, "--output-dir", folder
    )
    assert (status, err) == (0, "")
    assert str(folder / f"{NAME}.pdf") in out
    assert (folder / f"{NAME}.pdf").read_bytes().startswith(b"%PDF")


def test_by_default_it_goes_to_outputs_reports(run_here, outputs, tmp_path):
    assert run_here(build, "--outputs", outputs)[0] == 0
    written = {p.stem for p in (tmp_path / "outputs" / "reports").iterdir()}
    assert written == build.REPORTS.keys()


def test_an_unknown_report_is_one_line_with_the_known(run_here):
    status, out, err = run_here(build, "poems")
    assert (status, out) == (2, "")
    assert_one_line(err, "poems", *build.REPORTS)


def test_without_a_name_every_report_whose_runs_are_there_is_written(
    run_here, outputs, monkeypatch
):
    monkeypatch.setitem(build.SECTIONS, "later", {"compare_later": ("summary.json",)})
    monkeypatch.setitem(build.REPORTS, "later", ("gpt", "later"))
    status, out, err = run_here(build, "--outputs", outputs)
    assert (status, err) == (0, "")
    missing = f"{outputs / 'later' / 'summary.json'} is missing"
    assert out.splitlines() == [
        f"left out later: {missing}: run python compare_later.py",
        f"wrote {Path('outputs', 'reports', NAME)}.pdf",
        f"wrote {Path('outputs', 'reports', OTHER)}.pdf",
        f"wrote {Path('outputs', 'reports', 'sentiment_analysis')}.pdf",
        f"wrote {Path('outputs', 'reports', 'gpt2_sampling')}.pdf",
        f"wrote {Path('outputs', 'reports', 'third_homework')}.pdf",
    ]
    status, _, err = run_here(build, "later", "--outputs", outputs)
    assert status == 2
    assert_one_line(err, missing)


def test_every_report_has_its_source_and_every_section_a_file():
    for name, sections in build.REPORTS.items():
        assert f"{name}.typ" in SOURCES
        assert {f"{section}.typ" for section in sections} <= {*SOURCES}
    used = {section for sections in build.REPORTS.values() for section in sections}
    assert used == build.SECTIONS.keys()


def test_the_report_on_the_third_homework_has_its_runs_numbers(finished):
    path = finished / "third.pdf"
    path.write_bytes(build.build("third_homework", finished))
    text = text_of(PdfReader(path))
    theory = json.loads((finished / "theory/summary.json").read_text())
    measured = [c["measured"] for c in theory["checks"] if c["question"][:3] == "001"]
    assert len(measured) > 8
    similarity = json.loads((finished / "similarity/summary.json").read_text())
    broken = [
        verdict["evidence"]
        for name in ("dot product", "softmax of rows", "softmax of all cosines")
        for verdict in similarity["verdicts"][name]
        if not verdict["holds"]
    ]
    assert len(broken) == 7
    for words in measured + broken:
        assert words in text
    assert not re.search(r"\b(nan|NaN|inf)\b|\?\?", text)


def test_the_report_on_gpt2_has_the_theory_s_measurements(finished):
    path = finished / "gpt2_and_theory.pdf"
    path.write_bytes(build.build("gpt2_sampling", finished))
    text = text_of(PdfReader(path))
    found = json.loads((finished / "theory/summary.json").read_text())
    for check in found["checks"]:
        assert (check["measured"] in text) == (check["question"][:3] == "003")


def test_the_report_on_sentiment_has_every_sentence_on_6_pages(finished):
    path = finished / "sentiment.pdf"
    path.write_bytes(build.build("sentiment_analysis", finished))
    report = PdfReader(path)
    assert len(report.pages) <= 6
    text = text_of(report)
    sentences = json.loads((finished / "gpt2/summary.json").read_text())["sentences"]
    assert len(sentences) == 10
    assert all(prefix in text for prefix in sentences)
    assert text.count("\u2b29") == sum(len(some) - 1 for some in sentences.values())
    assert {len(some) for some in sentences.values()} == {5}
