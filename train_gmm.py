"""Fit Gaussian mixtures to the places of Europe; answer every question of the exercise.

python train_gmm.py        # figures, numbers and the model in outputs/gmm/
"""

import time
from dataclasses import dataclass

import numpy as np
import torch

from machinery import cli
from machinery.cli import option
from machinery.plotting import animate
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from machinery.training import in_chunks
from mixture_models import GMM
from mixtures import fast_gmm, plots
from mixtures import questions as experiment
from mixtures import runs as mixture_runs
from mixtures.runs import Kind, Places, Run, Trainer, mean_log_likelihood

KIND = Kind(
    GMM, "means", mean_log_likelihood, {"log_likelihood": mixture_runs.MEAN_LABEL}
)
MAP_WIDTH, FRAME_WIDTH = 480, 150  # pixels of the log-density rasters


@dataclass(frozen=True)
class Config(mixture_runs.Config):
    output_dir: str = option("outputs/gmm", "folder for figures, numbers and model")
    learning_rate: float = option(0.01, "Adam step size", above=0)


def main(config: Config) -> None:
    began = time.perf_counter()
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    places = mixture_runs.load_places(config)
    steps = experiment.steps_in_all(config, places) + fast_steps(config, places)
    with RunFolder(config.output_dir) as folder:
        with Progress(steps) as progress:
            trainer = Trainer(KIND, config, places, progress)
            answers = experiment.answer_questions(trainer, folder)
            fast = [
                run_fast(seed, places, config, progress)
                for seed in range(config.seed, config.seed + config.n_seeds)
            ]
        pair = (answers.random, answers.country)
        folder.write_figure("map.png", draw_map(pair, places))
        folder.write("forming.gif", draw_forming(pair, places))
        print("mean log-likelihood in nats per place, of standardised coordinates:")
        columns = ("train_log_likelihood", "test_log_likelihood")
        print(experiment.table([*answers.runs, answers.country], columns), end="\n\n")
        print(experiment.describe_starts(answers.starts), end="\n\n")
        gmm = fast[0].model
        model = mixture_runs.model_file(gmm, gmm.state_dict(), config, places)
        folder.write("fast_model.pt", model)
        print(describe_fast(fast))
        measured = [run.rows[-1] | {"seconds": run.seconds} for run in fast]
        experiment.write_summary(folder, trainer, answers, began, fast=measured)


def run_fast(seed: int, places: Places, config: Config, progress: Progress) -> Run:
    """Fit with settings made for speed; measure as the exercise's runs are."""
    progress.label(f"fast fit, seed {seed}")
    x_train, x_test = places.train.cpu(), places.test.cpu()
    began = time.perf_counter()
    gmm = fast_gmm.fit_fast(
        len(places.country_means),
        x_train,
        seed,
        epochs=fast_epochs(config),
        watch=progress.watch,
    )
    run = Run(gmm, "clusters", seed, seconds=time.perf_counter() - began)
    row = {"n_components": gmm.n_components, "start": run.start, "seed": seed}
    for split, x in (("train", x_train), ("test", x_test)):
        for name, value in KIND.measure(in_chunks(gmm, x)).items():
            row[f"{split}_{name}"] = value
    run.rows.append(row)
    return run


def fast_epochs(config: Config) -> int:
    """Return the epochs of the fast fit: 15, or as few as the exercise's runs."""
    return min(fast_gmm.EPOCHS, config.epochs)


def fast_steps(config: Config, places: Places) -> int:
    per_epoch = -(-len(places.train) // fast_gmm.BATCH_SIZE)
    return config.n_seeds * fast_epochs(config) * per_epoch


def describe_fast(runs: list[Run]) -> str:
    """State what the fast fit reaches, over all seeds."""
    tests = [run.rows[-1]["test_log_likelihood"] for run in runs]
    seconds = np.median([run.seconds for run in runs])
    return (
        f"Fast fit (clusters to start from, a large step that decays), "
        f"K = {runs[0].model.n_components}, {len(runs)} seeds:\n"
        f"  test log-likelihood {np.median(tests):.4f} (median; {min(tests):.4f} to "
        f"{max(tests):.4f}) nats per place, in {seconds:.1f} s"
    )


def draw_map(runs: tuple[Run, ...], places: Places):
    """Draw each run's final log-density with its components' ellipses."""
    region = experiment.region(places)
    models = [run.at(-1) for run in runs]
    return plots.density_map(
        region,
        [f"{run.start} start, K = {run.model.n_components}" for run in runs],
        [
            experiment.log_density(model, region.grid(MAP_WIDTH), places)
            for model in models
        ],
        [ellipses(model, places) for model in models],
    )


def draw_forming(runs: tuple[Run, ...], places: Places) -> bytes:
    """Animate every epoch, the runs side by side, on the last epoch's colour scale."""
    region = experiment.region(places)
    grid = region.grid(FRAME_WIDTH)
    top = max(experiment.log_density(run.at(-1), grid, places).max() for run in runs)

    def frames():
        for epoch in range(len(runs[0].states)):
            models = [run.at(epoch) for run in runs]
            titles = [
                f"{run.start} start, epoch {epoch}: "
                f"{run.rows[epoch]['test_log_likelihood']:.3f} nats"
                for run in runs
            ]
            densities = [
                experiment.log_density(model, grid, places) for model in models
            ]
            shapes = [ellipses(model, places) for model in models]
            yield plots.forming_frame(region, titles, densities, shapes, top)

    return animate(frames(), milliseconds=120, hold=3000)


def ellipses(model: GMM, places: Places) -> plots.Ellipses:
    scale = places.standardization
    sigmas = (0.5 * model.log_variances).exp() * scale.std
    means = scale.inverse_transform(model.means)
    return plots.Ellipses(means.detach().numpy(), sigmas.detach().numpy())


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
