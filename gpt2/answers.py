"""The texts and sentences that the numbers decide."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpt2.plots import describe
from machinery.tables import align


def sentences_page(found: Mapping[str, Sequence[str]], who: str) -> str:
    """Return the sentences as a table of Markdown, a row for each prefix."""
    lines = [f"# Five sentences of {who} for each of ten prefixes", ""]
    lines += ["| prefix | sentences |", "|---|---|"]
    for prefix, some in found.items():
        cells = "<br>".join(f"{i}. {escape(text)}" for i, text in enumerate(some, 1))
        lines.append(f"| {prefix} … | {cells} |")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def continuations_page(found: Sequence[tuple[str, str]], who: str) -> str:
    lines = [f"# Openings of held-out reviews, continued by {who}", ""]
    lines.append("The opening in bold; ¶ is where a review ends and another begins.")
    for opening, text in found:
        shown = escape(opening + text)
        n = len(escape(opening))
        lines += ["", f"**{shown[:n]}**{shown[n:]}"]
    return "\n".join(lines) + "\n"


def ahead_page(rows: Sequence[Mapping[str, Any]], who: str) -> str:
    """Return what each horizon makes of the same openings."""
    lines = [f"# What {who} writes with each horizon"]
    for i, opening in enumerate(rows[0]["openings"]):
        lines += ["", f"## {escape(opening)} …", ""]
        lines += [f"- {describe(row)}: {escape(row['texts'][i])}" for row in rows]
    return "\n".join(lines) + "\n"


def summarize_scores(scores: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict]:
    """Return mean and standard deviation of each score of each kind of text."""
    return {
        name: {
            score: {"mean": float(x.mean()), "std": float(x.std())}
            for score, x in by.items()
        }
        for name, by in scores.items()
    }


def verdicts(found: Mapping[str, Any]) -> list[str]:
    """Say what the numbers decide, whichever way they fall."""
    added, token = found["added_parameters"], found["bits_of_a_token"]
    by = found["classifier"]["sum"]
    areas = found["areas"]
    shuffled = dict(zip(areas["lengths"], areas["shuffled words, sum"], strict=True))
    gap = found["product_against_joint"]
    at = dict(zip(gap["temperature"], gap["joint"], strict=True))
    return [
        f"A token of {token['n_tokens']:,} takes {token['bits']:.2f} bits: "
        f"{token['whole_bits']} whole ones.",
        f"With 60,000 tokens GPT-2 has {added['tied']['added']:,} more parameters "
        f"({added['untied']['added']:,} with a head of its own).",
        f"Random strings against language: {by['accuracy']:.1%} right with a threshold "
        f"of {by['threshold']:.0f} nats, area {by['area']:.3f}.",
        "Reviews against the same with their words shuffled: area "
        + ", ".join(f"{shuffled[n]:.2f} at {n} characters" for n in (100, 10))
        + ".",
        "The product of tempered conditionals is not the tempered joint: total "
        f"variation {at[0.5]:.2f} at T = 0.5, {at[1.0]:.2f} at T = 1.",
    ]


def describe_ahead(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of what the horizons write."""
    table = [["", "nats per token", "±"]]
    table += [
        [describe(row), f"{row['log_p']:.2f}", f"{row['error']:.2f}"] for row in rows
    ]
    return align(table)
