"""The READMEs' results in Markdown, from the content of docs/summary.json."""

import math
from typing import Any

import build
import readme_rooms as rooms_of
from readme_rooms import Row

EXPECTED = {  # driver: what the course itself names as a result
    "train_gmm": "plots, no number",
    "train_umm": "plots, no number",
    "train_gpt": "plots, no number",
    "speedrun": "",
    "train_headlines": "its best of four: 89.5 nats a text, pads counted, on other "
    "texts",
    "train_sentiment": "80 to 85%; a bonus above 90%",
    "sample_gpt2": "plots and texts, no number",
    "compare_similarity": "proofs and plots",
    "train_composers": "an analysis, no number",
    "check_theory": "derivations",
}


def overview(summary: dict[str, Any]) -> str:
    """Return the table of all assignments."""
    rooms = {
        "mixtures": mixture_rows(summary),
        "gpt": gpt_rows(summary),
        **{name: rows(summary[name]) for name, rows in rooms_of.ROWS.items()},
    }
    lines = [
        "| assignment | command | minutes | result | the course expects | report "
        "| room |",
        "|---|---|--:|---|---|---|---|",
        *(overview_row(room, *row) for room, rows in rooms.items() for row in rows),
    ]
    return "\n".join(lines)


def overview_row(room: str, what: str, driver: str, seconds: float, result: str) -> str:
    reports = ", ".join(f"`{name}`" for name in build.REPORTS if reads(name, driver))
    return (
        f"| {what} | `python {driver}.py` | {seconds / 60:.1f} | {result} "
        f"| {EXPECTED[driver]} | {reports} | [{room}]({room}/README.md) |"
    )


def reads(report: str, driver: str) -> bool:
    """Whether a report needs what a driver writes, with a flag or without."""
    return driver in {command.split()[0] for command in build.needed(report)}


def mixture_rows(summary: dict[str, Any]) -> list[Row]:
    gaussians, boxes = (summary[k]["final"] for k in ("gaussians", "boxes"))
    random, country = (nats(gaussians[k])[0] for k in ("random", "country"))
    gaussian = f"{random} nats per place, test set; started at the countries {country}"
    hard, soft = (nats(x)[0] for x in (boxes["random"], summary["soft_boxes"]))
    box = f"{hard} nats per place, test set; with soft edges that sharpen {soft}"
    seconds = summary["seconds"]
    what = "a mixture of Gaussians for Europe's places"
    return [
        (what, "train_gmm", seconds["gmm"], gaussian),
        ("the same with boxes", "train_umm", seconds["umm"], box),
    ]


def gpt_rows(summary: dict[str, Any]) -> list[Row]:
    result = f"{summary['epoch']['test_loss']:.3f} nats per character, test set"
    for name, loss in summary["baselines"].items():
        if "windows" in name:
            result += f"; counting in the same windows {loss:.3f}"
    seconds, runs = summary["seconds"]["gpt"], summary["speedrun"]
    ours, theirs = (runs[k] for k in ("speedrun.py", "reference"))
    fast = (
        f"{ours['validation_loss']:.3f} nats per character, validation; nanoGPT's "
        f"recipe for a processor {theirs['validation_loss']:.3f}"
    )
    return [
        ("a small GPT that writes Shakespeare", "train_gpt", seconds, result),
        ("Tiny Shakespeare as fast as possible", "speedrun", ours["seconds"], fast),
    ]


def mixtures(summary: dict[str, Any]) -> str:
    """Return both mixtures' results."""
    n_seeds = len(summary["gaussians"]["seeds"])
    gaussians, boxes = summary["gaussians"], summary["boxes"]
    rows = [
        ("Gaussians, random start", nats(gaussians["final"]["random"])),
        ("Gaussians, started at the countries", nats(gaussians["final"]["country"])),
        ("boxes, random start", nats(boxes["final"]["random"])),
        ("boxes, started at the countries", nats(boxes["final"]["country"])),
        ("boxes with soft edges that sharpen", nats(summary["soft_boxes"])),
    ]
    lines = [
        f"{summary['n_train']:,} places to fit, {summary['n_test']:,} to test, "
        f"K = {summary['n_components']} components; test log-likelihood in nats per "
        f"place, standardised coordinates:",
        "",
        f"| mixture | median of {n_seeds} seeds | lowest to highest |",
        "|---|---|---|",
        *(f"| {name} | {middle} | {ends} |" for name, (middle, ends) in rows),
        "",
        f"- *Gaussians.* {gaussians['verdict']}",
        f"- *Boxes.* {boxes['verdict']} From the random start they cover "
        f"{boxes['coverage']['median']:.0%} of the test places (median); each of the "
        "others counts -1,000,000.",
        "",
        circumstances(summary, "gmm", "umm"),
    ]
    return "\n".join(lines)


def gpt(summary: dict[str, Any]) -> str:
    """Return the GPT's results."""
    epoch = summary["epoch"]
    texts = {"this GPT": epoch["test_loss"], **summary["baselines"]}
    lines = [
        f"The GPT, {summary['n_parameters']:,} parameters, after {epoch['epoch']} "
        "epochs, beside models that count:",
        "",
        "| model | test loss, nats per character | bits |",
        "|---|---|---|",
        *(
            f"| {name} | {loss:.3f} | {loss / math.log(2):.3f} |"
            for name, loss in texts.items()
        ),
        "",
        f"It predicts the last character of {epoch['test_accuracy']:.1%} of the test "
        "windows.",
        "",
        "| sentences | words that exist | different words | log-likelihood |",
        "|---|---|---|---|",
        *(
            f"| {name} | {j['real_words']:.1%} of {j['n_words']:,} "
            f"| {j['distinct_words']:,} | {j['log_likelihood']:.3f} |"
            for name, j in summary["sampling"].items()
        ),
        "",
        circumstances(summary, "gpt"),
    ]
    return "\n".join(lines)


def speedrun(summary: dict[str, Any]) -> str:
    """Return the table of the speed run and its reference."""
    names = {"reference": "nanoGPT's for a processor", "speedrun.py": "`speedrun.py`"}
    goal = summary["speedrun"]["reference"]["validation_loss"]
    lines = [
        f"| recipe | validation loss | seconds | to {goal:.3f} |",
        "|---|--:|--:|--:|",
        *(
            f"| {name} | {run['validation_loss']:.3f} | {run['seconds']:.1f} "
            f"| {run['seconds_to_reference']:.1f} |"
            for name, run in ((v, summary["speedrun"][k]) for k, v in names.items())
        ),
    ]
    return "\n".join(lines)


def circumstances(summary: dict[str, Any], *names: str) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in summary["versions"].items())
    seconds = ", ".join(
        f"`train_{name}.py` {summary['seconds'][name]:.0f}" for name in names
    )
    return f"Seed {summary['seed']}; {versions}; seconds: {seconds}."


def nats(values: dict[str, float]) -> tuple[str, str]:
    digits = 0 if abs(values["median"]) >= 100 else 3
    low, middle, high = (
        f"{values[name]:,.{digits}f}" for name in ("lowest", "median", "highest")
    )
    return middle, f"{low} to {high}"
