"""Write the report of the exercise, a PDF, from what the drivers have written.

python report/build.py        # outputs/report.pdf, in seconds
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

SOURCE = Path(__file__).with_name("report.typ")
COMMON = ("summary.json", "metrics.csv")
MIXTURE = (
    "q1_samples.png",
    "q2_samples_random_start.png",
    "q2_samples_country_start.png",
    "q2_log_likelihood.png",
    "q2_starts.png",
)
NEEDED = {
    "gmm": (*COMMON, *MIXTURE, "map.png"),
    "umm": (*COMMON, *MIXTURE, "trends.png", "annealed_map.png"),
    "gpt": (
        *COMMON,
        "learning_curves.png",
        "top_k.png",
        "attention.png",
        "next_character.png",
    ),
}


@dataclass(frozen=True)
class Config:
    outputs: str = option("outputs", "folder with the drivers' gmm, umm and gpt")
    output: str = option("outputs/report.pdf", "PDF file to write")


def main(config: Config) -> None:
    pdf = build(Path(config.outputs))
    output = Path(config.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(output, pdf)
    print(f"wrote {output}")


def build(outputs: Path) -> bytes:
    """Return the PDF; BadInput where an output is missing or of another version."""
    try:
        import typst
    except ImportError:
        raise BadInput(
            'the package typst is not installed: pip install -e ".[report]"'
        ) from None
    check(outputs)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # the compiler reads nothing outside its root
        for name, files in NEEDED.items():
            (root / "outputs" / name).mkdir(parents=True)
            for file in files:
                shutil.copyfile(outputs / name / file, root / "outputs" / name / file)
        source = root / "report" / SOURCE.name
        source.parent.mkdir()
        shutil.copyfile(SOURCE, source)
        try:
            return typst.compile(
                str(source),
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


def check(outputs: Path) -> None:
    """Raise BadInput naming the first missing file and the driver that writes it."""
    for name, files in NEEDED.items():
        for file in files:
            path = outputs / name / file
            if not path.is_file():
                raise BadInput(f"{path} is missing: run python train_{name}.py")


def machine() -> str:
    """Describe where the report is built, without naming the machine."""
    return f"{platform.system()}, {platform.machine()}, {os.cpu_count()} processors"


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
