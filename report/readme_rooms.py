"""The READMEs' results of the rooms that joined, each from its own part."""

from typing import Any

from machinery.errors import BadInput

Row = tuple[str, str, float, str]  # assignment, driver, seconds, result


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
    ngram, sizes = run["ngram"], [str(m["size"]) for m in run["models"]]
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
        f"`train_headlines.py`, recipe {run['recipe']}, sizes {', '.join(sizes)}, one "
        f"run of seed {run['seed']}; {made_by(run)}",
    ]
    return "\n".join(lines)


def sentiment_rows(run: dict[str, Any]) -> list[Row]:
    shown = ("the assignment", "n-gram network + NB-SVM", "NB-SVM")
    if "films" not in run["tables"]:
        raise BadInput(
            "a README shows both splits: run train_sentiment.py, not --quick"
        )
    random, films = (
        {row["name"]: row["mean"] for row in run["tables"][split]["rows"]}
        for split in ("random", "films")
    )
    result = "test accuracy, films kept apart after the stroke: " + "; ".join(
        f"{name} {random[name]:.1%} / {films[name]:.1%}" for name in shown
    )
    what = "self-attention and layer norm by hand judge movie reviews"
    what += f" (means of {n_seeds(run)} trainings)" if n_seeds(run) > 1 else ""
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
        f"`train_sentiment.py`, {of_seeds(run)}, seed {run['seed']}; {made_by(run)}",
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
    lines += ["", f"`sample_gpt2.py`, seed {run['seed']}; {made_by(run)}"]
    return "\n".join(lines)


def n_seeds(run: dict[str, Any]) -> int:
    return max(len(row["accuracies"]) for row in run["tables"]["random"]["rows"])


def of_seeds(run: dict[str, Any]) -> str:
    if n_seeds(run) == 1:
        return "one training of each kind (`--n-seeds 1`)"
    return f"means of {n_seeds(run)} trainings with their standard deviation"


def similarity_rows(run: dict[str, Any]) -> list[Row]:
    kept = [name for name, by_rule in run["verdicts"].items() if all(by_rule.values())]
    result = (
        f"of {len(run['verdicts'])} functions {listed(kept)} alone keeps all rules "
        f"of a similarity; attention within {run['close']:g} of a convolution"
    )
    what = "attention and convolution as measures of similarity"
    return [(what, "compare_similarity", run["seconds"], result)]


def similarity(summary: dict[str, Any]) -> str:
    """Return the verdicts on each function, and what was found."""
    run = summary["similarity"]
    rules = list(next(iter(run["verdicts"].values())))
    lines = [
        "| function | " + " | ".join(rules) + " |",
        "|---|" + ":-:|" * len(rules),
        *(
            f"| {name} | "
            + " | ".join("holds" if by_rule[rule] else "broken" for rule in rules)
            + " |"
            for name, by_rule in run["verdicts"].items()
        ),
        "",
        *(f"- {line}." for line in run["sentences"]),
        "",
        f"`compare_similarity.py`, seed {run['seed']}; {run['seconds']:.0f} seconds.",
    ]
    return "\n".join(lines)


def composers_rows(run: dict[str, Any]) -> list[Row]:
    rows = {row["name"]: row for row in run["tables"]["by_work"]}
    shown = (
        "relational attention",
        "plain attention (GAT)",
        "all features, random forest",
        "relational attention and forest",
    )
    result = "accuracy per scrap, no work on both sides: " + ", ".join(
        f"{name} {rows[name]['accuracy']:.1%}" for name in shown
    )
    what = "graph attention on scraps of scores names the composer"
    return [(what, "train_composers", run["seconds"], result)]


def composers(summary: dict[str, Any]) -> str:
    """Return every line on both splits."""
    run = summary["composers"]
    random = {row["name"]: row for row in run["tables"]["at_random"]}
    lines = [
        *(f"{note}.\n" for note in run["notes"]),
        "| line | accuracy by work | macro-F1 | vote of works | at random |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in run["tables"]["by_work"]:
        other = random.get(row["name"])
        flattered = f"{other['accuracy']:.1%}" if other else ""
        lines.append(
            f"| {row['name']} | {row['accuracy']:.1%} ± {100 * row['spread']:.1f} "
            f"| {row['macro_f1']:.3f} | {row['vote']:.1%} | {flattered} |"
        )
    lines += [
        "",
        *(f"- {line}" for line in run["sentences"]),
        "",
        "± is the standard deviation over five folds. "
        f"`train_composers.py`, one run of seed {run['seed']}; {made_by(run)}",
    ]
    return "\n".join(lines)


def theory_rows(run: dict[str, Any]) -> list[Row]:
    what = "theory: regression, regularisation, KL, counting, Monte Carlo"
    return [(what, "check_theory", run["seconds"], run["sentence"])]


def theory(summary: dict[str, Any]) -> str:
    """Return what was derived beside what was measured."""
    run = summary["theory"]
    lines = [
        "| question | claim | derived | measured | agree |",
        "|---|---|---|---|---|",
        *(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in cells_of(c)) + " |"
            for c in run["checks"]
        ),
        "",
        f"{run['sentence']}: `check_theory.py`, seed {run['seed']}, "
        f"{run['seconds']:.0f} seconds.",
    ]
    return "\n".join(lines)


def cells_of(check: dict[str, Any]) -> list[str]:
    names = ("question", "claim", "derived", "measured")
    return [*(check[name] for name in names), "yes" if check["agrees"] else "NO"]


def made_by(run: dict[str, Any]) -> str:
    """Return the machine, the versions and the minutes of a run."""
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items())
    return f"{versions}; {run['seconds'] / 60:.1f} minutes."


def listed(names: list[str]) -> str:
    return ", ".join(names) if names else "none"


ROWS = {
    "headlines": headline_rows,
    "sentiment": sentiment_rows,
    "gpt2": gpt2_rows,
    "similarity": similarity_rows,
    "composers": composers_rows,
    "theory": theory_rows,
}
