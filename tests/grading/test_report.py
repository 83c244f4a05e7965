"""The result as a page."""

from grading import report
from grading.sandbox import Row


def test_the_page_escapes_what_a_solution_says():
    rows = [Row("GPT", "top-k sampling", "failed", "<script>", ["a & b"])]
    page = report.page("<b>", rows)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
