"""Fit uniform mixtures to the places of Europe; answer every question of the exercise.

python train_umm.py        # figures, numbers and the model in outputs/umm/
"""

import copy
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from machinery import cli
from machinery.cli import option
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from machinery.training import in_chunks
from mixture_models import OUTSIDE, UMM
from mixtures import plots, soft_umm
from mixtures import questions as experiment
from mixtures import runs as mixture_runs
from mixtures.runs import Kind, Places, Run, Trainer


@dataclass(frozen=True)
class Config(mixture_runs.Config):
    output_dir: str = option("outputs/umm", "folder for figures, numbers and model")
    learning_rate: float = option(0.001, "Adam step size", above=0)


def measure(log_likelihood: Tensor) -> dict[str, float]:
    """Split a mean that one uncovered point ruins into the numbers that explain it."""
    covered = log_likelihood > OUTSIDE
    return {
        "log_likelihood": log_likelihood.cpu().double().mean().item(),
        "coverage": covered.cpu().double().mean().item(),
        # nothing covered has no mean; a gap in the curve and an empty cell say so
        "covered_log_likelihood": log_likelihood[covered].cpu().double().mean().item(),
    }


SMALL = 0.05  # share of the bounding box's area, of a box that says where places are
MAP_WIDTH = 480  # pixels
KIND = Kind(
    UMM,
    "centers",
    measure,
    {
        "log_likelihood": mixture_runs.MEAN_LABEL,
        "coverage": "share of places\nthat some box covers",
        "covered_log_likelihood": "mean log-likelihood\nof the covered places (nats)",
    },
)


def main(config: Config) -> None:
    began = time.perf_counter()
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    places = mixture_runs.load_places(config)
    steps = experiment.steps_in_all(config, places) + annealing_steps(config, places)
    with RunFolder(config.output_dir) as folder:
        with Progress(steps) as progress:
            trainer = Trainer(KIND, config, places, progress)
            answers = experiment.answer_questions(trainer, folder, boxes)
            annealed = [
                anneal(seed, places, config, progress)
                for seed in range(config.seed, config.seed + config.n_seeds)
            ]
        print("log-likelihood in nats per place, of standardised coordinates:")
        columns = [f"test_{name}" for name in KIND.quantities]
        print(experiment.table([*answers.runs, answers.country], columns), end="\n\n")
        print(experiment.describe_starts(answers.starts), end="\n\n")
        pair = (answers.random, answers.country)
        trends = {run.start: trend(run) for run in pair}
        folder.write_figure("trends.png", plots.trends(trends))
        facts = {start: summarise(t) for start, t in trends.items()}
        print(describe_trends(facts), end="\n\n")
        shown = annealed[0]
        exercise = answers.random.at(-1)
        folder.write_figure("annealed_map.png", draw_annealed(exercise, shown, places))
        folder.write("annealed_model.pt", shown.model_file(config, places))
        print(describe_annealed(annealed))
        measured = [a.measured for a in annealed]
        experiment.write_summary(
            folder, trainer, answers, began, trends=facts, annealed=measured
        )


@dataclass(frozen=True)
class Annealed:
    """A uniform mixture trained with soft edges: before, after, and what it reaches."""

    before: UMM
    after: UMM
    measured: dict[str, float]

    def model_file(self, config: Config, places: Places) -> bytes:
        return mixture_runs.model_file(
            self.after, self.after.state_dict(), config, places
        )


def anneal(seed: int, places: Places, config: Config, progress: Progress) -> Annealed:
    """Train with soft edges; measure with hard ones, on all places of each split."""
    began = time.perf_counter()
    x_train, x_test = places.train.cpu(), places.test.cpu()
    torch.manual_seed(seed)
    before = UMM(len(places.country_means), x_train.shape[1])
    generator = torch.Generator().manual_seed(seed)
    soft_umm.start_boxes(before, x_train, generator)
    after = copy.deepcopy(before)
    progress.label(f"soft edges, seed {seed}")
    epochs = annealing_epochs(config)
    for _ in soft_umm.anneal(after, x_train, seed, progress, epochs=epochs):
        pass
    small = after.log_sizes.sum(1) <= math.log(SMALL * bounding_area(x_train))
    inside = in_chunks(after.inside, x_test)  # (N, K)
    return Annealed(
        before,
        after,
        {
            "seed": seed,
            "train_log_likelihood": in_chunks(after, x_train).double().mean().item(),
            "test_log_likelihood": in_chunks(after, x_test).double().mean().item(),
            "test_in_small_boxes": inside[:, small].any(1).double().mean().item(),
            "seconds": time.perf_counter() - began,
        },
    )


def bounding_area(x: Tensor) -> float:
    return (x.amax(0) - x.amin(0)).prod().item()


def annealing_epochs(config: Config) -> int:
    """Return the epochs with soft edges: 40, or as few as the exercise's runs."""
    return min(soft_umm.EPOCHS, config.epochs)


def annealing_steps(config: Config, places: Places) -> int:
    per_epoch = -(-len(places.train) // soft_umm.BATCH_SIZE)
    return config.n_seeds * annealing_epochs(config) * per_epoch


def draw_annealed(exercise: UMM, annealed: Annealed, places: Places):
    """Draw the hard boxes and their density: the exercise's, the start and the end."""
    region = experiment.region(places)
    models = {
        "the exercise's training, random start": exercise,
        "soft edges: before training": annealed.before,
        "soft edges: after training": annealed.after,
    }
    grid = region.grid(MAP_WIDTH)
    return plots.density_map(
        region,
        list(models),
        [experiment.log_density(umm, grid, places) for umm in models.values()],
        [boxes(umm, places) for umm in models.values()],
    )


def describe_annealed(annealed: list[Annealed]) -> str:
    """State what the soft edges reach, over all seeds."""
    tests = [a.measured["test_log_likelihood"] for a in annealed]
    small = [a.measured["test_in_small_boxes"] for a in annealed]
    return (
        f"Soft edges that sharpen, evaluated with hard ones, K = "
        f"{annealed[0].after.n_components}, all test places, {len(annealed)} seeds:\n"
        f"  test log-likelihood {np.median(tests):.4f} (median; {min(tests):.4f} to "
        f"{max(tests):.4f}) nats per place;\n"
        f"  {np.median(small):.1%} (median; from {min(small):.1%}) of the places are "
        f"in a box of at most {SMALL:.0%} of the bounding box"
    )


def boxes(umm: UMM, places: Places) -> plots.Boxes:
    return plots.Boxes(*(places.in_degrees(edge.detach()) for edge in umm.edges()))


def trend(run: Run) -> plots.Trend:
    """Measure the boxes of every epoch, in standardised units."""
    models = [run.at(epoch) for epoch in range(len(run.states))]
    with torch.no_grad():
        edges = [model.edges() for model in models]
        centers = torch.stack([model.centers for model in models])
        sides = torch.stack([model.log_sizes.exp() for model in models])
    return plots.Trend(
        support=np.array(
            [union_area(low.numpy(), high.numpy()) for low, high in edges]
        ),
        sides=sides.flatten(1).numpy(),
        moved=(centers - centers[0]).norm(dim=2).numpy(),
    )


def union_area(low: np.ndarray, high: np.ndarray) -> float:
    """Return the area that boxes with corners low and high (K, 2) cover together."""
    x, y = (np.unique([low[:, d], high[:, d]]) for d in (0, 1))
    # between neighbouring edges a cell is covered wholly or not at all
    cells = np.stack(np.meshgrid(x[:-1], y[:-1], indexing="ij"), -1)[:, :, None]
    covered = ((low <= cells) & (cells < high)).all(-1).any(-1)
    return float(np.diff(x) @ covered @ np.diff(y))


def summarise(trend: plots.Trend) -> dict[str, float]:
    steps = np.diff(trend.sides, axis=0)  # (E, 2K), from epoch to epoch
    return {
        "support_first": float(trend.support[0]),
        "support_last": float(trend.support[-1]),
        "side_first": float(np.median(trend.sides[0])),
        "side_last": float(np.median(trend.sides[-1])),
        "n_sides": steps.shape[1],
        "sides_that_ever_grew": int((steps > 0).any(axis=0).sum()),
        "largest_center_move": float(trend.moved.max()),
    }


def describe_trends(facts: dict[str, dict[str, float]]) -> str:
    """Answer the exercise's question about trends with what was measured."""
    lines = ["What the boxes do (standardised units):"]
    for start, f in facts.items():
        lines += [
            f"  {start} start: the support covers {f['support_first']:.2f} before and "
            f"{f['support_last']:.2f} after training; the median side goes from "
            f"{f['side_first']:.3f} to {f['side_last']:.3f};",
            f"    {f['sides_that_ever_grew']} of {f['n_sides']} sides ever grew from "
            f"epoch to epoch; the farthest that a centre moved is "
            f"{f['largest_center_move']:g}.",
        ]
    lines.append(WHY)
    return "\n".join(lines)


WHY = """\
  Why: inside a box log p(x|k) = -log s1 - log s2 holds no centre, and where the point
  is outside it is a constant; only the step at the edge depends on the centre, and
  that step has no derivative. So centres get no gradient at all, every covered point
  makes its boxes smaller, and an uncovered one gives no signal to come back for it.
  A Gaussian is positive everywhere and falls off smoothly: each point, however far,
  pulls the mean towards itself and the variance to its squared distance."""


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
