"""What a derivation says beside what an experiment measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-9  # of double precision, for sums of some thousand terms
N_ERRORS = 5  # standard errors: one draw in 1.7 million is further off by chance


@dataclass(frozen=True)
class Check:
    """They agree if error, how far both are apart, is at most allowed."""

    question: str
    claim: str
    derived: str
    measured: str
    error: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.error <= self.allowed  # nan does not agree


def mean_and_error(draws: Tensor) -> tuple[float, float]:
    """Return the mean of draws (n,) and its standard error."""
    return draws.mean().item(), (draws.std() / len(draws) ** 0.5).item()


def rounding(question: str, claim: str, derived: str, error: float) -> Check:
    """Return the check of two numbers that differ by rounding alone."""
    return Check(question, claim, derived, f"{error:.1e} apart", error, ROUNDING)


def drawn(question: str, claim: str, derived: float, draws: Tensor) -> Check:
    """Return the check of a derived mean against draws (n,)."""
    mean, error = mean_and_error(draws)
    measured = f"{mean:.5g} ± {error:.1g}"
    return Check(
        question, claim, f"{derived:.5g}", measured, abs(mean - derived),
        N_ERRORS * error,
    )  # fmt: skip


def as_table(checks: Sequence[Check]) -> str:
    """Return a line for each check, in columns."""
    rows = [
        (c.question, c.claim, c.derived, c.measured, "yes" if c.agrees else "NO")
        for c in checks
    ]
    rows.insert(0, ("", "claim", "derived", "measured", "agree"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def doubles(*shape: int, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def log_normal(x: Tensor, mean: Tensor | float, std: float) -> Tensor:
    """Return log N(x; mean, std^2); torch's Normal makes singles of plain numbers."""
    return -(((x - mean) / std) ** 2) / 2 - math.log(std) - 0.5 * math.log(2 * math.pi)
