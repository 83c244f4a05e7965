"""Write the README's results from what the drivers have written.

python report/readme_results.py        # README.md and docs/, in seconds

The numbers go to docs/summary.json first; the README's section between the two markers
is made from that file alone, so that the two cannot differ.
"""

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from machinery import cli
from machinery.cli import option
from machinery.errors import BadInput
from machinery.files import write_atomic

ROOT = Path(__file__).parents[1]
BEGIN = "<!-- results: written by report/readme_results.py -->"
END = "<!-- end of results -->"
FIGURES = {  # in docs/, from the outputs
    "map.png": "gmm/map.png",
    "boxes.png": "umm/annealed_map.png",
    "learning_curves.png": "gpt/learning_curves.png",
}
WIDTH, COLORS = 1000, 128  # of the figures in docs/


@dataclass(frozen=True)
class Config:
    outputs: str = option("outputs", "folder with the drivers' gmm, umm and gpt")
    readme: str = option(str(ROOT / "README.md"), "file with the two markers")
    docs: str = option(str(ROOT / "docs"), "folder for summary.json and figures")

    def __post_init__(self) -> None:
        cli.check(self)


def main(config: Config) -> None:
    outputs, docs, readme = map(Path, (config.outputs, config.docs, config.readme))
    runs = {name: read(outputs, name) for name in ("gmm", "umm", "gpt")}
    figures = {name: shrink(outputs / path) for name, path in FIGURES.items()}
    summary = summarise(**runs)
    text = insert(readme.read_text("utf-8"), section(summary))
    docs.mkdir(parents=True, exist_ok=True)
    for name, data in figures.items():
        write_atomic(docs / name, data)
    numbers = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    write_atomic(docs / "summary.json", numbers.encode())
    write_atomic(readme, text.encode())
    print("wrote", readme, docs / "summary.json", *(docs / name for name in figures))


def read(outputs: Path, name: str) -> dict[str, Any]:
    path = outputs / name / "summary.json"
    if not path.is_file():
        raise BadInput(f"{path} is missing: run python train_{name}.py")
    return json.loads(path.read_text("utf-8"))


def shrink(path: Path) -> bytes:
    """Return a figure as a small PNG; BadInput where there is none."""
    if not path.is_file():
        driver = f"train_{path.parent.name}.py"
        raise BadInput(f"{path} is missing: run python {driver}")
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


def section(summary: dict[str, Any]) -> str:
    """Return the README's results, from docs/summary.json's content."""
    n_seeds = len(summary["gaussians"]["seeds"])
    gaussians, boxes = summary["gaussians"], summary["boxes"]
    epoch = summary["epoch"]
    mixtures = [
        ("Gaussians, random start", nats(gaussians["final"]["random"])),
        ("Gaussians, started at the countries", nats(gaussians["final"]["country"])),
        ("boxes, random start", nats(boxes["final"]["random"])),
        ("boxes, started at the countries", nats(boxes["final"]["country"])),
        ("boxes with soft edges that sharpen", nats(summary["soft_boxes"])),
    ]
    texts = {"this GPT": epoch["test_loss"], **summary["baselines"]}
    seconds = ", ".join(
        f"`train_{name}.py` {value:.0f}" for name, value in summary["seconds"].items()
    )
    versions = ", ".join(f"{k} {v}" for k, v in summary["versions"].items())
    lines = [
        f"{summary['n_train']:,} places to fit, {summary['n_test']:,} to test, "
        f"K = {summary['n_components']} components; test log-likelihood in nats per "
        f"place, standardised coordinates:",
        "",
        f"| mixture | median of {n_seeds} seeds | lowest to highest |",
        "|---|---|---|",
        *(f"| {name} | {middle} | {ends} |" for name, (middle, ends) in mixtures),
        "",
        f"- Gaussians. {gaussians['verdict']}",
        f"- Boxes. {boxes['verdict']} From the random start they cover "
        f"{boxes['coverage']['median']:.0%} of the test places (median); each of the "
        "others counts -1,000,000.",
        "",
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
        "![Loss and accuracy of the GPT by epoch](docs/learning_curves.png)",
        "",
        f"Seed {summary['seed']}; {versions}; seconds: {seconds}.",
    ]
    return "\n".join(lines)


def nats(values: dict[str, float]) -> tuple[str, str]:
    digits = 0 if abs(values["median"]) >= 100 else 3
    low, middle, high = (
        f"{values[name]:,.{digits}f}" for name in ("lowest", "median", "highest")
    )
    return middle, f"{low} to {high}"


def insert(readme: str, text: str) -> str:
    """Return the README with text between its markers; BadInput without markers."""
    for marker in (BEGIN, END):
        if readme.count(marker) != 1:
            raise BadInput(f"the README needs one line {marker}")
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
