"""The result of a check as a table for the terminal and as a page."""

import html
import itertools
import re
import textwrap
from collections.abc import Iterator

from grading.sandbox import Row

WORDS = {"passed": "passed", "failed": "FAILED", "skipped": "not checked"}
WIDTH = 88
ASSIGNMENTS = (  # the sections of each
    (
        "Data",
        "Gaussian mixture",
        "Uniform mixture",
        "Causal self-attention",
        "GPT",
    ),
    ("Self-attention and layer norm",),
    ("Self-attention of the GPT homework",),
    ("Headlines: attention and block",),
    ("GPT-2: likelihood and temperature",),
)
ABSENT = re.compile("no .+ in the folder")


def handed_in(rows: list[Row]) -> list[Row]:
    """Leave out the assignments of which the folder has nothing."""
    found = []
    for sections in ASSIGNMENTS:
        own = [row for section in sections for row in rows if row.section == section]
        absent = [
            row.outcome == "skipped" and ABSENT.fullmatch(row.text) for row in own
        ]
        found += own if not all(absent) else []
    return found


def by_section(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    for section, group in itertools.groupby(rows, lambda row: row.section):
        yield section, list(group)


def wrapped(text: str) -> list[str]:
    indent = " " * 15
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def counts(rows: list[Row]) -> str:
    found = [row.outcome for row in rows]
    parts = [f"{found.count(outcome)} {word}" for outcome, word in WORDS.items()]
    return ", ".join(parts).lower()


def table(rows: list[Row]) -> str:
    """Each question, passed or failed, with a sentence for what failed."""
    lines = []
    for section, group in by_section(rows):
        lines += ["", section]
        for row in group:
            lines.append(f"  {WORDS[row.outcome]:12} {row.title}")
            lines += wrapped(row.text)
            lines += [line for text in row.remarks for line in wrapped(text)]
    return "\n".join(lines[1:])


STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem }
td { border-top: 1px solid #ddd }
.passed { color: #00704f } .failed { color: #b3261e; font-weight: bold }
.skipped { color: #666 } p { margin: 0 } .remark { color: #666 }
"""


def page(name: str, rows: list[Row]) -> str:
    """The same as a page of HTML that needs no other file."""
    body = []
    for section, group in by_section(rows):
        body.append(f'<tr><th colspan="2">{html.escape(section)}</th></tr>')
        for row in group:
            said = f"<p>{html.escape(row.text)}</p>" if row.text else ""
            said += "".join(
                f'<p class="remark">{html.escape(text)}</p>' for text in row.remarks
            )
            body.append(
                f'<tr><td class="{row.outcome}">{WORDS[row.outcome].lower()}</td>'
                f"<td>{html.escape(row.title)}{said}</td></tr>"
            )
    rows_html = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{html.escape(name)}</title>\n<style>{STYLE}</style>\n"
        f"<h1>{html.escape(name)}</h1>\n<p>{counts(rows)}</p>\n"
        f"<table>\n{rows_html}\n</table>\n</html>\n"
    )
