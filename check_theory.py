"""Check the theory: what is derived beside what an experiment measures.

python check_theory.py               # a table, figures, numbers in outputs/theory/
"""

from dataclasses import asdict

from machinery import cli
from machinery.run_folder import RunFolder
from theory import plots, questions
from theory.checks import as_table
from theory.config import Config


def main(config: Config) -> None:
    cli.begin(config)
    with RunFolder(config.output_dir) as folder:
        checks, shown = questions.ask(config)
        for name, figure in draw(shown).items():
            folder.write_figure(f"{name}.png", figure)
        summary = questions.summarize(checks)
        print(as_table(checks), "", summary["sentence"], sep="\n")
        folder.write_summary(asdict(config), **summary)
    if summary["agreeing"] < len(checks):
        raise RuntimeError("claims do not agree with what was measured: see the table")


def draw(shown: dict) -> dict:
    """Return the figures by name."""
    noise, prior = shown["noise"], shown["prior"]
    return {
        "regression": plots.variances(shown["regression"]["rows"]),
        "noise": plots.paths(
            noise["sigmas"], noise["paths"], "noise σ on the inputs", noise["dots"]
        ),
        "prior": plots.paths(
            prior["widths"], prior["paths"], "width b of the Laplace prior"
        ),
        "reversal": plots.reversal(**shown["reversal"]),
        "monte_carlo": plots.biases(shown["monte_carlo"]["rows"]),
    }  # fmt: skip


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
