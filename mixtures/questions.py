"""The questions that both mixtures answer in the same way: runs to numbers and words.

Which start of question 2 did better is judged on the test set, over several seeds: a
start wins when it ends ahead in every one of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from machinery.tables import align
from mixtures.data import Places
from mixtures.plan import STARTS, Plan, shown_epochs
from mixtures.runs import Run, Runs

UNITS = "nats per place, of standardised coordinates"


def start_curves(plan: Plan, runs: Runs) -> np.ndarray:
    """Return the test log-likelihoods of both starts, (2, seeds, E + 1)."""
    return np.array(
        [
            [
                runs[plan.n_countries, start, seed].curve("test_log_likelihood")
                for seed in plan.seeds
            ]
            for start in STARTS
        ]
    )


def compare_starts(plan: Plan, runs: Runs) -> dict[str, Any]:
    """Summarise how both starts did, and say which did better.

    The lead is country minus random in nats per place; "ahead" counts the seeds in
    which it is positive.
    """
    curves = start_curves(plan, runs)
    lead = curves[1] - curves[0]  # (seeds, E + 1)
    starts = {
        "seeds": list(plan.seeds),
        "final": {start: spread(curves[i, :, -1]) for i, start in enumerate(STARTS)},
        "lead": [
            {"epoch": epoch, **summarise_lead(lead[:, epoch])}
            for epoch in shown_epochs(lead.shape[1] - 1)
        ],
        "winner": find_winner(lead[:, -1]),
    }
    return starts | {"verdict": verdict(starts)}


def spread(values: np.ndarray) -> dict[str, float]:
    return {
        "lowest": float(values.min()),
        "median": float(np.median(values)),
        "highest": float(values.max()),
    }


def summarise_lead(lead: np.ndarray) -> dict[str, Any]:
    """Summarise one epoch's lead (seeds,)."""
    return {
        "mean": float(lead.mean()),
        "std": float(lead.std(ddof=1)) if len(lead) > 1 else 0.0,
        "ahead": int((lead > 0).sum()),
    }


def find_winner(lead: np.ndarray) -> str | None:
    """Return the start that is ahead in every seed, given the lead (seeds,)."""
    if (lead > 0).all():
        return "country"
    return "random" if (lead < 0).all() else None


def verdict(starts: dict[str, Any]) -> str:
    """State which start won, and by how much, in a sentence."""
    lead, winner = starts["lead"][-1], starts["winner"]
    if winner:
        by = format_nats(abs(lead["mean"]), lead["std"])
        return f"In the end the {winner} start did better in every seed, by {by}."
    if not lead["mean"] and not lead["std"]:
        return "In the end both starts are equal."
    by = format_nats(lead["mean"], lead["std"], sign="+")
    return (
        f"In the end neither start wins in every seed: the country start is ahead in "
        f"{lead['ahead']} of {len(starts['seeds'])}, by {by}."
    )


def format_nats(mean: float, std: float, sign: str = "") -> str:
    digits = 4 if abs(mean) < 100 else 0
    return f"{mean:{sign},.{digits}f} ± {std:,.{digits}f} nats per place"


def describe_starts(starts: dict[str, Any]) -> str:
    """Say when which start was ahead, and which did better."""
    n_seeds = len(starts["seeds"])
    lines = [
        f"country start minus random start, test set, mean ± std of {n_seeds} seeds:",
        *(
            f"  epoch {lead['epoch']:3}: "
            f"{format_nats(lead['mean'], lead['std'], sign='+')}, "
            f"country ahead in {lead['ahead']} of {n_seeds}"
            for lead in starts["lead"]
        ),
        f"  {starts['verdict']}",
    ]
    return "\n".join(lines)


def describe(
    plan: Plan, runs: Runs, columns: Sequence[str], starts: dict[str, Any]
) -> str:
    """Give the numbers of both questions, and say which start did better."""
    shown = [runs[key] for key in (*plan.counted, plan.country)]
    return (
        f"log-likelihood in {UNITS}:\n{table(shown, columns)}\n\n"
        f"{describe_starts(starts)}\n"
    )


def table(runs: Sequence[Run], columns: Sequence[str]) -> str:
    """Format a line per run: K, start, seed, the last epoch's columns, seconds."""
    rows = [["K", "start", "seed", *(c.replace("_", " ") for c in columns), "seconds"]]
    for run in runs:
        which = [str(run.model.n_components), run.start, str(run.seed)]
        numbers = [f"{run.rows[-1][column]:.4f}" for column in columns]
        rows.append([*which, *numbers, f"{run.seconds:.1f}"])
    return align(rows)


def summarise(places: Places, runs: Runs, starts: dict[str, Any]) -> dict[str, Any]:
    """Return what a report quotes of both questions."""
    return {
        "units": UNITS,
        "n_train": len(places.train),
        "n_test": len(places.test),
        "runs": [{**run.rows[-1], "seconds": run.seconds} for run in runs.values()],
        "starts": starts,
    }
