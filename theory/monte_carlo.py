"""003, 5: the average A of p(x | z) over draws of z is unbiased for p(x), log A is not.

z ~ N(0, 1) and x given z ~ N(z, std^2), so that p(x) = N(x; 0, 1 + std^2) is known.
"""

import math

import torch
from torch import Tensor

from theory.checks import N_ERRORS, Check, doubles, drawn, log_normal, mean_and_error

STD = 0.5
X = torch.tensor(1.0, dtype=torch.float64)
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LARGE = 32  # draws for which the second order is to be near


def p_x() -> float:
    """Return p(X) in closed form."""
    return log_normal(X, 0, (1 + STD**2) ** 0.5).exp().item()


def variance() -> float:
    """Return the variance of p(X | z) over z in closed form.

    The square of a normal density is a narrower one: N(x; z, s^2)^2 is
    N(x; z, s^2 / 2) / (2 s sqrt(pi)).
    """
    narrow = log_normal(X, 0, (1 + STD**2 / 2) ** 0.5).exp()
    return narrow.item() / (2 * STD * math.sqrt(math.pi)) - p_x() ** 2


def second_order(k: int) -> float:
    """Return the bias of log A that the second order of the logarithm gives."""
    return -variance() / (2 * k * p_x() ** 2)


def averages(k: int, n: int, generator: torch.Generator) -> Tensor:
    """Return n estimates A from k draws each."""
    z = doubles(n, k, generator=generator)
    return log_normal(X, z, STD).exp().mean(1)


def next_order(k: int, generator: torch.Generator) -> float:
    """Return the size of the two terms after the second: what it may be off by."""
    off = averages(1, 1_000_000, generator) / p_x() - 1
    third, second = (off**3).mean().item(), (off**2).mean().item()
    return (abs(third) / 3 + 0.75 * second**2) / k**2


def experiment(n_draws: int, generator: torch.Generator) -> tuple[list[Check], dict]:
    """Return the checks, and the biases by k for the figure."""
    rows, found = [], []
    for k in KS:
        a = averages(k, n_draws, generator)
        bias, error = mean_and_error(a.log() - math.log(p_x()))
        rows.append(
            {"k": k, "bias": bias, "error": error, "predicted": second_order(k)}
        )
        if k == KS[3]:
            found.append(drawn("003-5a", f"mean of A, k = {k}: p(x)", p_x(), a))
            square = drawn(
                "003-5b", "variance of p(x | z)", variance(),
                (averages(1, n_draws, generator) - p_x()) ** 2,
            )  # fmt: skip
    found.append(square)
    few = rows[:3]
    highest = max(row["bias"] + N_ERRORS * row["error"] for row in few)
    found.append(
        Check(
            "003-5b", f"bias of log A, k = {', '.join(str(row['k']) for row in few)}",
            "below 0 (Jensen)", ", ".join(f"{row['bias']:.2g}" for row in few),
            max(highest, 0), 0,
        )
    )  # fmt: skip
    row = rows[KS.index(LARGE)]
    found.append(
        Check(
            "003-5b", f"bias of log A, k = {LARGE}: −Var / (2 k p²)",
            f"{row['predicted']:.4g}", f"{row['bias']:.4g} ± {row['error']:.1g}",
            abs(row["bias"] - row["predicted"]),
            N_ERRORS * row["error"] + next_order(LARGE, generator),
        )
    )  # fmt: skip
    return found, {"rows": rows}
