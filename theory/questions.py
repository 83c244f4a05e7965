"""All questions one after the other: checks, and what the figures show."""

from dataclasses import asdict
from itertools import count

import torch

from machinery.training import derive_seed
from theory import (
    counting,
    divergence,
    monte_carlo,
    noise,
    prior,
    regression,
    reversal,
    softmax_regression,
)
from theory.checks import Check
from theory.config import Config


def ask(config: Config) -> tuple[list[Check], dict]:
    """Return every check, and the arrays of the figures by question.

    Each question draws from its own generator: none depends on what another drew.
    """
    numbers = count()

    def generator() -> torch.Generator:
        seed = derive_seed([config.seed, next(numbers)])
        return torch.Generator().manual_seed(seed)

    checks, shown = [], {}
    for name, (found, arrays) in {
        "regression": regression.experiment(config.n_draws, generator()),
        "noise": noise.experiment(config.n_draws, generator()),
        "prior": prior.experiment(generator()),
        "divergence": (divergence.experiment(generator()), None),
        "softmax_regression": (softmax_regression.experiment(generator()), None),
        "counting": (counting.experiment(generator()), None),
        "reversal": reversal.experiment(),
        "monte_carlo": monte_carlo.experiment(config.n_draws, generator()),
    }.items():
        checks += found
        if arrays:
            shown[name] = arrays
    return checks, shown


def summarize(checks: list[Check]) -> dict:
    """Return what the report quotes."""
    agreeing = sum(check.agrees for check in checks)
    return {
        "checks": [asdict(check) | {"agrees": check.agrees} for check in checks],
        "agreeing": agreeing,
        "sentence": f"{agreeing} of {len(checks)} claims agree with what was measured",
    }
