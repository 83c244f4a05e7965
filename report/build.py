"""Write the reports, a PDF for each assignment, from what the drivers have written.

python report/build.py                      # every report whose runs are there
python report/build.py generative_models    # outputs/reports/generative_models.pdf
"""

import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from machinery import cli
from machinery.cli import option
from machinery.errors import BadInput
from machinery.files import write_atomic

SOURCES = Path(__file__).parent
COMMON = ("summary.json", "metrics.csv")
MIXTURE = (
    *COMMON,
    "q1_samples.png",
    "q2_samples_random_start.png",
    "q2_samples_country_start.png",
    "q2_log_likelihood.png",
    "q2_starts.png",
)
# what the section of a room reads: driver, with a flag if need be -> what it writes
SECTIONS = {
    "mixtures": {
        "train_gmm": (*MIXTURE, "map.png"),
        "train_umm": (*MIXTURE, "trends.png", "annealed_map.png"),
    },
    "gpt": {
        "train_gpt": (
            *COMMON,
            "learning_curves.png",
            "top_k.png",
            "attention.png",
            "next_character.png",
        ),
    },
    "headlines": {
        "train_headlines": (
            "summary.json",
            "learning_curves.png",
            "standing.png",
            "correlation.png",
            "few_texts.png",
            "letters.png",
            "first_characters.png",
            "reach.png",
            "leak.png",
            "temperature.png",
        ),
        "train_headlines --why": ("why.json", "why.png"),
    },
    "sentiment": {
        "train_sentiment": (
            "summary.json",
            "losses.png",
            "accuracy.png",
            "attention.png",
            "trust.png",
        ),
        "train_sentiment --costs": ("costs.json", "costs.png"),
    },
    "gpt2": {
        "sample_gpt2": (
            "summary.json",
            "likelihood.png",
            "classifier.png",
            "product.png",
            "horizon.png",
        ),
    },
    "gpt2_sentences": {"sample_gpt2": ("summary.json",)},
    "composers": {
        "train_composers": (
            "summary.json",
            "lines.png",
            "confusion_attention.png",
            "votes.png",
        ),
        "train_composers --ablate": ("ablation.json", "ablation.png"),
    },
    "gpt_training": {"train_gpt": ("summary.json", "step_losses.png")},
    "similarity": {
        "compare_similarity": (
            "summary.json",
            "image.png",
            "maps_dot.png",
            "maps_cosine.png",
            "matrices.png",
            "heads.png",
            "sharpness.png",
        ),
    },
    "theory": {
        "check_theory": (
            "summary.json",
            "regression.png",
            "noise.png",
            "prior.png",
            "reversal.png",
            "monte_carlo.png",
        ),
    },
}
# an assignment's report, NAME.typ here, puts the sections of these rooms together
REPORTS = {
    "generative_models": ("mixtures", "gpt"),
    "decoder_transformer": ("headlines",),
    "sentiment_analysis": ("sentiment", "gpt2_sentences"),
    "gpt2_sampling": ("theory", "gpt2"),
    "third_homework": ("theory", "gpt_training", "similarity", "composers"),
}


@dataclass(frozen=True)
class Config:
    report: str | None = option(
        None, "which report to write; none: all whose runs are there", positional=True
    )
    outputs: str = option("outputs", "folder with what the drivers have written")
    output_dir: str = option("outputs/reports", "folder for the PDF files")

    def __post_init__(self) -> None:
        if self.report is not None and self.report not in REPORTS:
            raise BadInput(
                f"NAME must be one of {', '.join(REPORTS)}, got {self.report}"
            )


def main(config: Config) -> None:
    outputs, folder = Path(config.outputs), Path(config.output_dir)
    for name in [config.report] if config.report else complete(outputs):
        pdf = build(name, outputs)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / f"{name}.pdf", pdf)
        print(f"wrote {folder / name}.pdf")


def complete(outputs: Path) -> list[str]:
    """Return the reports whose runs are there; BadInput where there is none."""
    missing = {name: first_missing(name, outputs) for name in REPORTS}
    found = [name for name, reason in missing.items() if reason is None]
    if not found:
        raise BadInput(next(reason for reason in missing.values() if reason))
    for name in missing.keys() - found:
        print(f"left out {name}: {missing[name]}")
    return found


def needed(report: str) -> dict[str, tuple[str, ...]]:
    """Return what a report reads, driver -> files."""
    return {k: v for room in REPORTS[report] for k, v in SECTIONS[room].items()}


def folder_of(driver: str) -> str:
    """train_gmm.py writes into outputs/gmm, whatever its flags."""
    return driver.split()[0].partition("_")[2]


def first_missing(report: str, outputs: Path) -> str | None:
    """Name the first missing file of a report and the driver that writes it."""
    for driver, files in needed(report).items():
        for file in files:
            path = outputs / folder_of(driver) / file
            if not path.is_file():
                name, *flags = driver.split()
                command = " ".join([f"python {name}.py", *flags])
                return f"{path} is missing: run {command}"
    return None


def build(report: str, outputs: Path) -> bytes:
    """Return the PDF; BadInput where an output is missing or of another version."""
    try:
        import typst
    except ImportError:
        raise BadInput(
            'the package typst is not installed: pip install -e ".[report]"'
        ) from None
    if reason := first_missing(report, outputs):
        raise BadInput(reason)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_inputs(report, outputs, root)
        try:
            return typst.compile(
                str(root / "report" / f"{report}.typ"),
                root=str(root),
                ignore_system_fonts=True,  # the same letters and bytes everywhere
                sys_inputs={"machine": machine()},
            )
        except typst.TypstError as error:
            reason = str(error).splitlines()[0]
            raise BadInput(
                f"{outputs} does not hold what the report needs ({reason}); "
                "run the drivers again"
            ) from error


def copy_inputs(report: str, outputs: Path, root: Path) -> None:
    """Copy sources and outputs beneath root, since the compiler reads nothing else."""
    for driver, files in needed(report).items():
        copies = root / "outputs" / folder_of(driver)
        copies.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(outputs / copies.name / file, copies / file)
    (root / "report").mkdir()
    for source in SOURCES.glob("*.typ"):
        shutil.copyfile(source, root / "report" / source.name)


def machine() -> str:
    """Describe where the report is built, without naming the machine."""
    return f"{platform.system()}, {platform.machine()}, {os.cpu_count()} processors"


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
