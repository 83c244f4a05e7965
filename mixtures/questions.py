"""The questions that the Gaussian and the uniform mixture answer in the same way.

Question 1: samples for several numbers of components. Question 2: samples and mean
log-likelihood along the training, from a random start (a, b) and from one component per
country (c); which start did better is judged over several seeds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dataset import DATA_DIR
from machinery.errors import Diverged, Interrupted
from machinery.run_folder import RunFolder, versions
from machinery.training import in_chunks
from mixture_models import MixtureModel
from mixtures import plots
from mixtures.runs import Config, Places, Run, Trainer, model_file

SHOWN_EPOCHS = (1, 10, 20, 30, 40, 50)
N_SAMPLES, N_SAMPLES_EACH = 1000, 100
STARTS = ("random", "country")


@dataclass(frozen=True)
class Answers:
    """What the questions have shown: the runs of the config's seed, and the starts."""

    runs: list[
        Run
    ]  # question 1's, the last of which has as many components as countries
    random: Run
    country: Run
    starts: dict[str, Any]


def steps_in_all(config: Config, places: Places) -> int:
    """Optimizer steps of the whole plan."""
    per_epoch = -(-len(places.train) // config.batch_size)
    return len(plan(config, places)) * config.epochs * per_epoch


Outline = Callable[[MixtureModel, Places], plots.Boxes]


def answer_questions(
    trainer: Trainer, folder: RunFolder, outline: Outline | None = None
) -> Answers:
    """Train everything and draw questions 1 and 2; what ends early keeps its epochs.

    outline(model, places) gives the shapes to draw around the samples, if any.
    """
    places = trainer.places
    n_countries = len(places.country_means)
    try:
        for run_of in plan(trainer.config, places):
            try:
                trainer.run(*run_of)
            finally:  # whatever ends a run, its finished epochs are on disk
                keep(trainer, folder)
    except (Interrupted, Diverged):
        draw_along(folder, trainer, trainer.runs[:1], outline)
        raise
    random, country, *others = trainer.runs
    n_others = len(places.component_counts) - 1
    runs = sorted([random, *others[:n_others]], key=lambda r: r.model.n_components)
    titles = [f"K = {run.model.n_components}" for run in runs]
    models = [run.at(-1) for run in runs]
    sheet = sample_sheet(models, titles, trainer, outline, columns=4)
    folder.write_figure("q1_samples.png", sheet)
    draw_along(folder, trainer, [random, country], outline)
    same_size = [r for r in trainer.runs if r.model.n_components == n_countries]
    starts, curves = compare_starts(same_size)
    names = [f"{start} start" for start in STARTS]
    figure = plots.compare_starts(names, curves, starts["seeds"])
    folder.write_figure("q2_starts.png", figure)
    return Answers(runs, random, country, starts)


def plan(config: Config, places: Places) -> list[tuple[int, str, int]]:
    """Return (K, start, seed) of every run, those that are shown first."""
    n_countries = len(places.country_means)
    shown = [(n_countries, start, config.seed) for start in STARTS]
    others = [
        (k, "random", config.seed) for k in places.component_counts if k != n_countries
    ]
    seeds = range(config.seed + 1, config.seed + config.n_seeds)
    return shown + others + [(n_countries, s, seed) for seed in seeds for s in STARTS]


def keep(trainer: Trainer, folder: RunFolder) -> None:
    """Write the metrics so far, and the model of the first run's last whole epoch."""
    rows = [row for run in trainer.runs for row in run.rows]
    first = trainer.runs[0]
    if first.states:
        folder.write_csv("metrics.csv", rows)
        state = first.states[-1]
        model = model_file(first.model, state, trainer.config, trainer.places)
        folder.write("model.pt", model)


def draw_along(
    folder: RunFolder, trainer: Trainer, runs: Sequence[Run], outline: Outline | None
) -> None:
    """Draw the two scatter plots and the learning curves along each training."""
    for run in runs:
        epochs = shown_epochs(len(run.states) - 1)
        titles = [f"epoch {epoch}" for epoch in epochs]
        models = [run.at(epoch) for epoch in epochs]
        sheet = sample_sheet(models, titles, trainer, outline, columns=6)
        folder.write_figure(f"q2_samples_{run.start}_start.png", sheet)
    draw_curves(folder, runs, trainer.kind.quantities)


def sample_sheet(
    models: Sequence[MixtureModel],
    titles: Sequence[str],
    trainer: Trainer,
    outline: Outline | None,
    columns: int,
):
    """Draw 1000 samples, and 100 of each component, of each model, in degrees."""
    places = trainer.places
    samples, by_component = [], []
    for model in models:
        generator = torch.Generator().manual_seed(trainer.config.seed)
        samples.append(places.in_degrees(model.sample(N_SAMPLES, generator=generator)))
        each = [
            model.conditional_sample(N_SAMPLES_EACH, k, generator=generator)
            for k in range(model.n_components)
        ]
        by_component.append(places.in_degrees(torch.stack(each)))
    shapes = [outline(model, places) for model in models] if outline else []
    columns = min(columns, len(models))
    return plots.sample_sheet(
        region(places), titles, samples, by_component, shapes, columns
    )


def draw_curves(
    folder: RunFolder, runs: Sequence[Run], quantities: dict[str, str]
) -> None:
    curves = [
        plots.Curves(
            label,
            train=[run.curve(f"train_{name}") for run in runs],
            test=[run.curve(f"test_{name}") for run in runs],
        )
        for name, label in quantities.items()
    ]
    titles = [f"{run.start} start, K = {run.model.n_components}" for run in runs]
    folder.write_figure("q2_log_likelihood.png", plots.learning_curves(titles, curves))


def region(places: Places) -> plots.Region:
    outlines = np.load(DATA_DIR / "outlines.npy")
    return plots.Region.around(places.in_degrees(places.train), outlines)


def log_density(model: MixtureModel, grid: np.ndarray, places: Places) -> np.ndarray:
    """Return the log-density (H, W) in nats per square degree at grid (H, W, 2)."""
    scale = places.standardization
    x = scale.transform(torch.from_numpy(grid).flatten(0, 1))
    log_prob = in_chunks(model, x) - scale.std.log().sum()
    return log_prob.unflatten(0, grid.shape[:2]).numpy()


def shown_epochs(last: int) -> list[int]:
    return sorted({epoch for epoch in SHOWN_EPOCHS if epoch < last} | {last})


def compare_starts(runs: Sequence[Run]) -> tuple[dict[str, Any], np.ndarray]:
    """Compare country with random start on the test set, seed by seed.

    Return the summary and the curves (2, seeds, E + 1). The lead is country minus
    random in nats per place; "ahead" counts the seeds in which it is positive.
    """
    seeds = list(dict.fromkeys(run.seed for run in runs))
    by_key = {(run.start, run.seed): run.curve("test_log_likelihood") for run in runs}
    curves = np.array([[by_key[start, seed] for seed in seeds] for start in STARTS])
    lead = curves[1] - curves[0]  # (seeds, E + 1)
    std = lead.std(0, ddof=1) if len(seeds) > 1 else np.zeros(lead.shape[1])
    last = lead.shape[1] - 1
    summary = {
        "seeds": seeds,
        "final": {
            start: {
                "lowest": float(final.min()),
                "median": float(np.median(final)),
                "highest": float(final.max()),
            }
            for start, final in zip(STARTS, curves[:, :, -1], strict=True)
        },
        "lead": [
            {
                "epoch": epoch,
                "mean": float(lead[:, epoch].mean()),
                "std": float(std[epoch]),
                "ahead": int((lead[:, epoch] > 0).sum()),
            }
            for epoch in shown_epochs(last)
        ],
    }
    return summary, curves


def describe_starts(starts: dict[str, Any]) -> str:
    """Say which start did better, when, and by how much."""
    n_seeds = len(starts["seeds"])
    lines = [
        f"country start minus random start, test set, mean ± std of {n_seeds} seeds:",
        *(
            f"  epoch {lead['epoch']:3}: {size(lead, sign='+')}, "
            f"country ahead in {lead['ahead']} of {n_seeds}"
            for lead in starts["lead"]
        ),
        f"  {verdict(starts['lead'][-1], n_seeds)}",
    ]
    return "\n".join(lines)


def size(lead: dict[str, Any], sign: str = "") -> str:
    mean = lead["mean"] if sign else abs(lead["mean"])
    digits = 4 if abs(mean) < 100 else 0
    return f"{mean:{sign},.{digits}f} ± {lead['std']:,.{digits}f} nats per place"


def verdict(lead: dict[str, Any], n_seeds: int) -> str:
    """Judge the lead after the last epoch: a winner wins in every seed."""
    if 0 < lead["ahead"] < n_seeds:
        return (
            f"at the end neither start wins in every seed: the country start is ahead "
            f"in {lead['ahead']} of {n_seeds}, by {size(lead, sign='+')}"
        )
    if not lead["mean"]:
        return "at the end both starts are equal"
    winner = "country" if lead["ahead"] else "random"
    return f"the {winner} start did better in every seed, by {size(lead)}"


def table(runs: Sequence[Run], columns: Sequence[str]) -> str:
    """Format K, start, seed, the last epoch's columns and seconds, a line a run."""
    rows = [["K", "start", "seed", *(c.replace("_", " ") for c in columns), "seconds"]]
    for run in runs:
        numbers = [f"{run.rows[-1][column]:.4f}" for column in columns]
        name = [str(run.model.n_components), run.start, str(run.seed)]
        rows.append([*name, *numbers, f"{run.seconds:.1f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def write_summary(
    folder: RunFolder, trainer: Trainer, answers: Answers, began: float, **more: Any
) -> None:
    """Write summary.json, the numbers that a report quotes, and name all files."""
    places = trainer.places
    summary = {
        "config": asdict(trainer.config),
        "units": "nats per place, of standardised coordinates",
        "n_train": len(places.train),
        "n_test": len(places.test),
        "runs": [{**run.rows[-1], "seconds": run.seconds} for run in trainer.runs],
        "starts": answers.starts,
        **more,
        "seconds": time.perf_counter() - began,
        "versions": versions(),
    }
    folder.write_json("summary.json", summary)
    print(f"\n{summary['seconds']:.0f} s; wrote", *folder.written, sep="\n  ")
