"""The plan carried out: trained, saved and drawn in the same way for either mixture.

What ends early, by a signal or by divergence, leaves its finished epochs in
metrics.csv, model.pt, snapshots.pt and question 2's figures.
"""

from typing import Any

from machinery.errors import Diverged, Interrupted
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from mixtures import drawings, plots, questions
from mixtures.config import MixtureConfig
from mixtures.data import Places
from mixtures.plan import STARTS, Plan, shown_epochs
from mixtures.runs import Kind, Runs, model_file, train


def train_all(
    kind: Kind,
    config: MixtureConfig,
    places: Places,
    plan: Plan,
    folder: RunFolder,
    progress: Progress,
) -> Runs:
    """Train everything of the plan; write what there is after each training."""
    runs: Runs = {}
    for key in plan.keys:
        n_components, start, seed = key
        progress.label(f"K = {n_components}, {start} start, seed {seed}")
        try:
            for run in train(kind, config, places, *key, watch=progress.watch):
                runs[key] = run
        except (Interrupted, Diverged):
            draw_training(folder, kind, places, plan, runs)
            raise
        finally:  # whatever ends a training, its finished epochs are on disk
            save(folder, config, places, plan, runs)
    return runs


def save(
    folder: RunFolder, config: MixtureConfig, places: Places, plan: Plan, runs: Runs
) -> None:
    """Write the metrics so far, the random start's model, and the shown weights."""
    if not runs:
        return
    rows = [row for run in runs.values() for row in run.rows]
    folder.write_csv("metrics.csv", rows)
    model = runs[plan.random].at(-1)
    folder.write("model.pt", model_file(model, config, places))
    shown = snapshots(plan, runs)
    folder.write("snapshots.pt", model_file(model, config, places, snapshots=shown))


def snapshots(plan: Plan, runs: Runs) -> list[dict[str, Any]]:
    """Return the weights of every epoch of each training that figures show."""
    return [
        runs[key].snapshot(epoch)
        for key in plan.shown
        if key in runs
        for epoch in range(runs[key].last_epoch + 1)
    ]


def draw_questions(
    folder: RunFolder, kind: Kind, places: Places, plan: Plan, runs: Runs
) -> None:
    """Draw what the two questions ask for."""
    models = {f"K = {key[0]}": runs[key].at(-1) for key in plan.counted}
    sheet = drawings.sample_sheet(models, places, plan.seeds[0], columns=4)
    folder.write_figure("q1_samples.png", sheet)
    draw_training(folder, kind, places, plan, runs)
    curves = questions.start_curves(plan, runs)
    names = [f"{start} start" for start in STARTS]
    folder.write_figure("q2_starts.png", plots.starts(names, curves, plan.seeds))


def draw_training(
    folder: RunFolder, kind: Kind, places: Places, plan: Plan, runs: Runs
) -> None:
    """Draw samples and likelihoods along question 2's trainings, as far as they are."""
    shown = [runs[key] for key in (plan.random, plan.country) if key in runs]
    for run in shown:
        models = {f"epoch {e}": run.at(e) for e in shown_epochs(run.last_epoch)}
        sheet = drawings.sample_sheet(models, places, run.seed, columns=6)
        folder.write_figure(f"q2_samples_{run.start}_start.png", sheet)
    if shown:
        figure = drawings.learning_curves(kind, shown)
        folder.write_figure("q2_log_likelihood.png", figure)
