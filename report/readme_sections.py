"""The READMEs' results in Markdown, from the content of docs/summary.json."""

import math
from typing import Any

Row = tuple[str, str, float, str]  # assignment, driver, seconds, result


def overview(summary: dict[str, Any]) -> str:
    """Return the table of all assignments."""
    rooms = {
        "mixtures": mixture_rows(summary),
        "gpt": gpt_rows(summary),
        "headlines": headline_rows(summary["headlines"]),
        "sentiment": sentiment_rows(summary["sentiment"]),
        "gpt2": gpt2_rows(summary["gpt2"]),
    }
    lines = [
        "| assignment | command | minutes | result | more |",
        "|---|---|--:|---|---|",
        *(
            f"| {what} | `python {driver}.py` | {seconds / 60:.1f} | {result} "
            f"| [{room}]({room}/README.md) |"
            for room, rows in rooms.items()
            for what, driver, seconds, result in rows
        ),
    ]
    return "\n".join(lines)


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


def headline_rows(run: dict[str, Any]) -> list[Row]:
    best = next(m for m in run["models"] if m["size"] == run["best_size"])
    result = (
        f"{best['test']['bits']:.3f} bits per character, test set, size {best['size']};"
        f" counting {run['ngram']['bits']:.3f}, both {best['mixture']['bits']:.3f}"
    )
    what = "a decoder transformer in four sizes writes headlines"
    return [(what, "train_headlines", run["seconds"], result)]


def headlines(summary: dict[str, Any]) -> str:
    """Return the four sizes' results, beside counting and mixed with it."""
    run = summary["headlines"]
    ngram, most = run["ngram"], max(m["size"] for m in run["models"])
    lines = [
        *(f"{note}.\n" for note in run["texts"]),
        "| model | weights | best epoch | test NLL, nats a text | bits a character "
        "| mixed with the n-gram |",
        "|---|--:|---|--:|--:|--:|",
        *(
            f"| size {m['size']} | {m['n_parameters']:,} "
            f"| {m['best_epoch']} of {m['epochs']} "
            f"| {m['test']['nll']:.2f} ± {m['test']['error']:.1f} "
            f"| {m['test']['bits']:.3f} | {m['mixture']['nll']:.2f} |"
            for m in run["models"]
        ),
        f"| n-gram of {ngram['order'] + 1} | | | {ngram['nll']:.2f} "
        f"± {ngram['error']:.1f} | {ngram['bits']:.3f} | |",
        "",
        *(f"- {line}" for line in run["verdicts"]),
        "",
        "| temperature | distinct texts | words that a training text has |",
        "|---|--:|--:|",
        *(
            f"| {t['temperature']} | {t['distinct_texts']:,} of {t['n_texts']:,} "
            f"| {t['real_words']:.1%} |"
            for t in run["temperature"]
        ),
        "",
        f"`train_headlines.py`, recipe {run['recipe']}, sizes 1 to {most}, one run of "
        f"seed {run['seed']}; "
        + ", ".join(f"{k} {v}" for k, v in run["versions"].items())
        + f"; {run['seconds'] / 60:.1f} minutes.",
    ]
    return "\n".join(lines)


def sentiment_rows(run: dict[str, Any]) -> list[Row]:
    shown = ("the assignment", "n-gram network + NB-SVM", "NB-SVM")
    random, films = (
        {row["name"]: row["mean"] for row in run["tables"][split]["rows"]}
        for split in ("random", "films")
    )
    result = "test accuracy, films kept apart after the stroke: " + "; ".join(
        f"{name} {random[name]:.1%} / {films[name]:.1%}" for name in shown
    )
    what = "self-attention and layer norm by hand judge movie reviews"
    what += f" ({of_seeds(run)})"
    return [(what, "train_sentiment", run["seconds"], result)]


def sentiment(summary: dict[str, Any]) -> str:
    """Return the table of both splits, and what attention is worth."""
    run = summary["sentiment"]
    tables = run["tables"]
    names = list(dict.fromkeys(r["name"] for t in tables.values() for r in t["rows"]))
    titles = {"random": "random split", "films": "films kept apart"}
    lines = [
        *(f"{note}.\n" for note in run["notes"]),
        "| test accuracy | " + " | ".join(titles[name] for name in tables) + " |",
        "|---|" + "--:|" * len(tables),
    ]
    for name in names:
        cells = []
        for part in tables.values():
            row = next((r for r in part["rows"] if r["name"] == name), None)
            several = row is not None and len(row["accuracies"]) > 1
            spread = f" ± {100 * row['spread']:.2f}" if several else ""
            cells.append(f"{row['mean']:.2%}{spread}" if row else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        *(f"- {line}" for line in run["sentences"]),
        "",
        f"`train_sentiment.py`, {of_seeds(run)}, seed {run['seed']}; "
        + ", ".join(f"{k} {v}" for k, v in run["versions"].items())
        + f"; {run['seconds'] / 60:.1f} minutes.",
    ]
    return "\n".join(lines)


def gpt2_rows(run: dict[str, Any]) -> list[Row]:
    bits = ""
    if run["model"]["stand_in"]:
        bits = (
            f"a stand-in, {run['model']['bits']:.2f} bits per character on held-out "
            f"reviews (counting {run['model']['ngram_bits']:.2f}); "
        )
    area = run["areas"]["shuffled words, sum"][-1]
    result = f"{bits}reviews told from the same with shuffled words, area {area:.2f}"
    what = "GPT-2: sampling, likelihood, a temperature that looks ahead"
    return [(what, "sample_gpt2", run["seconds"], result)]


def gpt2(summary: dict[str, Any]) -> str:
    """Return what the sampled model is, the verdicts and the horizons."""
    run = summary["gpt2"]
    lines = [f"{line[0].upper()}{line[1:]}.\n" for line in run["model"]["lines"]]
    lines += [f"- {line}" for line in run["verdicts"]]
    lines += ["", "| prefix | a sentence |", "|---|---|"]
    for prefix, text in run["sentences"].items():
        lines.append(f"| {prefix} … | {text.replace('|', ' ')} |")
    lines += ["", "| drawn with | log-likelihood, nats per token |", "|---|--:|"]
    for row in run["ahead"]:
        how = " in blocks" if row["blocks"] else ""
        lines.append(
            f"| horizon {row['horizon']}{how}, T = {row['temperature']:.2f} "
            f"| {row['log_p']:.2f} ± {row['error']:.2f} |"
        )
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items())
    lines += ["", f"`sample_gpt2.py`, seed {run['seed']}; {versions}; "
              f"{run['seconds'] / 60:.1f} minutes."]  # fmt: skip
    return "\n".join(lines)


def of_seeds(run: dict[str, Any]) -> str:
    n = max(len(row["accuracies"]) for row in run["tables"]["random"]["rows"])
    if n == 1:
        return "one training of each kind (`--n-seeds 1`)"
    return f"means of {n} trainings with their standard deviation"


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
