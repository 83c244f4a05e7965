"""The options of check_theory.py."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults take seconds; the intervals of what is drawn follow n_draws."""

    output_dir: str = option("outputs/theory", "folder for figures and numbers")
    n_draws: int = option(
        20_000, "draws of each Monte Carlo estimate", at_least=1000, at_most=1_000_000
    )
