"""Write the READMEs' results from what the drivers and the benchmarks have written.

python report/readme_results.py        # READMEs and docs/, in seconds

The numbers go to docs/summary.json first; the parts of the READMEs between markers are
made from that file alone, so that the two cannot differ. An assignment that is not in
the outputs keeps its numbers.
"""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import readme_rooms as rooms
import readme_sections as sections
from machinery import cli
from machinery.cli import option
from machinery.errors import BadInput
from machinery.files import write_atomic

ROOT = Path(__file__).parents[1]
FIGURES = {  # in docs/, from the outputs
    "map.png": "gmm/map.png",
    "boxes.png": "umm/annealed_map.png",
    "learning_curves.png": "gpt/learning_curves.png",
    "headlines.png": "headlines/standing.png",
    "headlines_curves.png": "headlines/learning_curves.png",
    "why.png": "headlines/why.png",
    "sentiment.png": "sentiment/accuracy.png",
    "sentiment_attention.png": "sentiment/attention.png",
    "sentiment_costs.png": "sentiment/costs.png",
    "gpt2_likelihood.png": "gpt2/likelihood.png",
    "gpt2_product.png": "gpt2/product.png",
    "gpt2_horizon.png": "gpt2/horizon.png",
    "similarity_matrices.png": "similarity/matrices.png",
    "similarity_heads.png": "similarity/heads.png",
    "composers.png": "composers/lines.png",
    "theory_noise.png": "theory/noise.png",
    "theory_reversal.png": "theory/reversal.png",
}
VERBS = {"gpt2": "sample", "similarity": "compare", "theory": "check"}
FIRST = ("gmm", "umm", "gpt")  # the first assignment's runs
WIDTH, COLORS = 1000, 128  # of the figures in docs/
# README, the name in its markers, and what stands between them
SECTIONS = (
    ("README.md", "assignments", sections.overview),
    ("mixtures/README.md", "results", sections.mixtures),
    ("gpt/README.md", "results", sections.gpt),
    ("gpt/README.md", "speed run", sections.speedrun),
    ("headlines/README.md", "results", rooms.headlines),
    ("sentiment/README.md", "results", rooms.sentiment),
    ("gpt2/README.md", "results", rooms.gpt2),
    ("similarity/README.md", "results", rooms.similarity),
    ("composers/README.md", "results", rooms.composers),
    ("theory/README.md", "results", rooms.theory),
)


@dataclass(frozen=True)
class Config:
    outputs: str = option(
        "outputs", "folder with the drivers' gmm, umm, gpt, headlines, ..."
    )
    root: str = option(str(ROOT), "folder with the READMEs, docs/ and bench/results.md")


def main(config: Config) -> None:
    outputs, root = Path(config.outputs), Path(config.root)
    docs = root / "docs"
    summary = numbers_of(outputs, docs / "summary.json")
    bench = (root / "bench" / "results.md").read_text("utf-8")
    summary["speedrun"] = speedrun_times(bench)
    figures = {
        name: shrink(outputs / path)
        for name, path in FIGURES.items()
        if not (docs / name).exists() or (outputs / path).parent.is_dir()
    }
    readmes = filled(root, summary)
    docs.mkdir(parents=True, exist_ok=True)
    for name, data in figures.items():
        write_atomic(docs / name, data)
    numbers = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    write_atomic(docs / "summary.json", numbers.encode())
    for path, text in readmes.items():
        write_atomic(root / path, text.encode())
    print("wrote", *readmes, "docs/summary.json", *(f"docs/{name}" for name in figures))


def numbers_of(outputs: Path, path: Path) -> dict[str, Any]:
    """Return the headline numbers of all runs; those that path has, where none is."""
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if not found or any((outputs / name).is_dir() for name in FIRST):
        found |= summarise(**{name: read(outputs, name) for name in FIRST})
    for name, summarise_room in ROOMS.items():
        if name not in found or (outputs / name).is_dir():
            found[name] = summarise_room(read(outputs, name))
    return found


def driver_of(name: str) -> str:
    """Return the driver that writes a folder."""
    verb = VERBS.get(name, "train")
    return f"{verb}_{name}.py"


def read(outputs: Path, name: str) -> dict[str, Any]:
    path = outputs / name / "summary.json"
    if not path.is_file():
        raise BadInput(f"{path} is missing: run python {driver_of(name)}")
    return json.loads(path.read_text("utf-8"))


def shrink(path: Path) -> bytes:
    """Return a figure as a small PNG; BadInput where there is none."""
    if not path.is_file():
        raise BadInput(f"{path} is missing: run python {driver_of(path.parent.name)}")
    with Image.open(path) as figure:
        height = round(figure.height * WIDTH / figure.width)
        small = figure.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(COLORS).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def summarise(
    gmm: dict[str, Any], umm: dict[str, Any], gpt: dict[str, Any]
) -> dict[str, Any]:
    """Return the headline numbers of the three runs, and nothing else."""
    return {
        "seed": gmm["config"]["seed"],
        "n_train": gmm["n_train"],
        "n_test": gmm["n_test"],
        "n_components": max(run["n_components"] for run in gmm["runs"]),
        "gaussians": starts(gmm),
        "boxes": {**starts(umm), "coverage": spread(coverage(umm))},
        "soft_boxes": spread([a["test_log_likelihood"] for a in umm["annealed"]]),
        "n_parameters": gpt["n_parameters"],
        "epoch": gpt["epochs"][-1],
        "baselines": gpt["baselines"],
        "sampling": gpt["sampling"],
        "seconds": {
            name: run["seconds"]
            for name, run in (("gmm", gmm), ("umm", umm), ("gpt", gpt))
        },
        "versions": gpt["versions"],
    }


def summarise_headlines(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("size", "n_parameters", "epochs", "best_epoch", "test", "mixture")
    return {
        "recipe": run["config"]["recipe"],
        "seed": run["config"]["seed"],
        "texts": run["texts"],
        "models": [{name: m[name] for name in kept} for m in run["models"]],
        "ngram": run["ngram"],
        "best_size": run["best_size"],
        "verdicts": run["verdicts"],
        "temperature": run["temperature"]["drawn"],
        "seconds": run["seconds"],
        "versions": run["versions"],
    }


def summarise_sentiment(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("notes", "tables", "sentences", "seconds", "versions")
    return {name: run[name] for name in kept} | {"seed": run["config"]["seed"]}


def summarise_gpt2(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("model", "verdicts", "ahead", "classifier", "areas", "seconds", "versions")
    found = {name: run[name] for name in kept} | {"seed": run["config"]["seed"]}
    examples = list(run["sentences"].items())[:3]
    return found | {"sentences": {prefix: some[0] for prefix, some in examples}}


def summarise_similarity(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("close", "sentences", "seconds", "versions")
    found = {name: run[name] for name in kept} | {"seed": run["config"]["seed"]}
    verdicts = {
        name: {v["rule"]: v["holds"] for v in by_rule}
        for name, by_rule in run["verdicts"].items()
    }
    return found | {"verdicts": verdicts}


def summarise_composers(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("notes", "tables", "sentences", "seconds", "versions")
    return {name: run[name] for name in kept} | {"seed": run["config"]["seed"]}


def summarise_theory(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("checks", "sentence", "seconds", "versions")
    return {name: run[name] for name in kept} | {"seed": run["config"]["seed"]}


ROOMS = {
    "headlines": summarise_headlines,
    "sentiment": summarise_sentiment,
    "gpt2": summarise_gpt2,
    "similarity": summarise_similarity,
    "composers": summarise_composers,
    "theory": summarise_theory,
}


def starts(run: dict[str, Any]) -> dict[str, Any]:
    found = run["starts"]
    return {
        "seeds": found["seeds"],
        "final": found["final"],
        "lead": found["lead"][-1],
        "verdict": found["verdict"],
    }


def coverage(umm: dict[str, Any]) -> list[float]:
    """Return the covered share of the test places of every random start, K = most."""
    most = max(run["n_components"] for run in umm["runs"])
    return [
        run["test_coverage"]
        for run in umm["runs"]
        if run["n_components"] == most and run["start"] == "random"
    ]


def spread(values: list[float]) -> dict[str, float]:
    return {
        "lowest": min(values),
        "median": float(np.median(values)),
        "highest": max(values),
    }


def speedrun_times(results: str) -> dict[str, Any]:
    """Return loss, seconds and seconds to the reference's loss, from results.md."""
    number = r"([\d.]+)"
    rows = dict.fromkeys(("reference", "speedrun.py"))
    for name in rows:
        rows[name] = re.search(rf"^{name} \| {number} \| {number} \|", results, re.M)
    reached = re.search(rf"{number} s against {number} s", results)
    if None in (reached, *rows.values()):
        raise BadInput(
            "bench/results.md lacks the speed run: run python bench/run_all.py"
        )
    there = {"reference": reached[2], "speedrun.py": reached[1]}
    return {
        name: {
            "validation_loss": float(row[1]),
            "seconds": float(row[2]),
            "seconds_to_reference": float(there[name]),
        }
        for name, row in rows.items()
    }


def filled(root: Path, summary: dict[str, Any]) -> dict[str, str]:
    """Return each README's new text; BadInput where markers are missing."""
    texts = {path: (root / path).read_text("utf-8") for path, _, _ in SECTIONS}
    for path, name, section in SECTIONS:
        texts[path] = insert(texts[path], path, name, section(summary))
    return texts


def markers(name: str) -> tuple[str, str]:
    return (
        f"<!-- {name}: written by report/readme_results.py -->",
        f"<!-- end of {name} -->",
    )


def insert(readme: str, path: str, name: str, text: str) -> str:
    begin, end = markers(name)
    for marker in (begin, end):
        if readme.count(marker) != 1:
            raise BadInput(f"{path} needs one line {marker}")
    before, rest = readme.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
