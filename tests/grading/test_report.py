"""The result as a page."""

import re
import tomllib

from grading import report
from grading.sandbox import Row
from tests.helpers import ROOT


def test_the_page_escapes_what_a_solution_says():
    rows = [Row("GPT", "top-k sampling", "failed", "<script>", ["a & b"])]
    page = report.page("<b>", rows)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page


def test_an_assignment_of_which_nothing_was_handed_in_is_left_out():
    absent, homework = (
        "no models.py in the folder",
        "Self-attention of the GPT homework",
    )
    rows = [
        Row(homework, "it", "failed", "wrong"),
        Row("GPT", "top-k sampling", "skipped", "no transformer.py in the folder"),
        Row("Data", "windows", "skipped", "no dataset.py in the folder"),
        Row("Data", "places", "passed"),
        Row("Self-attention and layer norm", "norm", "skipped", absent),
    ]
    left = report.handed_in(rows)
    assert [row.title for row in left] == ["windows", "places", "top-k sampling", "it"]
    assert "windows" in report.table(left)


def test_the_teachers_page_counts_the_planted_mistakes():
    text = (ROOT / "grading" / "README.md").read_text()
    groups = (
        {"mixture_models.py", "transformer.py", "dataset.py"}, {"models.py"},
        {"model.py"}, {"headline_model.py"}, {"submission"},
    )  # fmt: skip
    mistakes = (ROOT / "tests" / "planted" / "mistakes").glob("*.toml")
    files = [tomllib.loads(file.read_text())["file"].split("/")[0] for file in mistakes]
    counts = [sum(file in group for file in files) for group in groups]
    assert [int(n) for n in re.findall(r"^\|.*\| (\d+) \|$", text, re.M)] == counts
    assert f"Each of the {sum(counts)} mistakes" in text
