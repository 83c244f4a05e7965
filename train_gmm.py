"""Fit Gaussian mixtures to the places of Europe; answer every question of the exercise.

python train_gmm.py        # figures, numbers and the model in outputs/gmm/
"""

from dataclasses import asdict

from machinery import cli
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from mixtures import drawings, experiment, fast_gmm, questions
from mixtures.config import GmmConfig as Config
from mixtures.data import load_places
from mixtures.plan import make_plan
from mixtures.runs import GAUSSIANS, model_file


def main(config: Config) -> None:
    places = load_places(config.data_dir, cli.begin(config))
    plan = make_plan(config, places)
    n_steps = plan.count_steps(config, places) + fast_gmm.count_steps(config, places)
    with RunFolder(config.output_dir) as folder:
        with Progress(n_steps) as progress:
            runs = experiment.train_all(
                GAUSSIANS, config, places, plan, folder, progress
            )
            experiment.draw_questions(folder, GAUSSIANS, places, plan, runs)
            fast = []
            for seed in plan.seeds:
                progress.label(f"fast fit, seed {seed}")
                run = fast_gmm.run_fast(config, places, seed, watch=progress.watch)
                fast.append(run)

        pair = [runs[plan.random], runs[plan.country]]
        models = {f"{r.start} start, K = {plan.n_countries}": r.at(-1) for r in pair}
        folder.write_figure("map.png", drawings.density_map(models, places))
        folder.write("forming.gif", drawings.forming(pair, places))
        folder.write("fast_model.pt", model_file(fast[0].model, config, places))

        starts = questions.compare_starts(plan, runs)
        columns = ("train_log_likelihood", "test_log_likelihood")
        print(questions.describe(plan, runs, columns, starts))
        print(fast_gmm.describe(fast))
        folder.write_summary(
            asdict(config),
            **questions.summarise(places, runs, starts),
            fast=fast_gmm.summarise(fast),
        )


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
