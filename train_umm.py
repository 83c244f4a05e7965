"""Fit uniform mixtures to the places of Europe; answer every question of the exercise.

python train_umm.py        # figures, numbers and the model in outputs/umm/
"""

from dataclasses import asdict

from machinery import cli
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from mixtures import annealing, drawings, experiment, plots, questions, trends
from mixtures.config import UmmConfig as Config
from mixtures.data import load_places
from mixtures.plan import make_plan
from mixtures.runs import BOXES, model_file


def main(config: Config) -> None:
    places = load_places(config.data_dir, cli.begin(config))
    plan = make_plan(config, places)
    n_steps = plan.count_steps(config, places) + annealing.count_steps(config, places)
    with RunFolder(config.output_dir) as folder:
        with Progress(n_steps) as progress:
            runs = experiment.train_all(BOXES, config, places, plan, folder, progress)
            experiment.draw_questions(folder, BOXES, places, plan, runs)
            annealed = []
            for seed in plan.seeds:
                progress.label(f"soft edges, seed {seed}")
                run = annealing.run_annealed(config, places, seed, watch=progress.watch)
                annealed.append(run)

        pair = [runs[plan.random], runs[plan.country]]
        by_start = {run.start: trends.trend(run) for run in pair}
        folder.write_figure("trends.png", plots.trends(by_start))
        models = {
            "the exercise's training, random start": runs[plan.random].at(-1),
            "soft edges: before training": annealed[0].before,
            "soft edges: after training": annealed[0].after,
        }
        folder.write_figure("annealed_map.png", drawings.density_map(models, places))
        soft = annealed[0]
        model = model_file(soft.after, config, places, snapshots=soft.snapshots)
        folder.write("annealed_model.pt", model)

        starts = questions.compare_starts(plan, runs)
        columns = [f"test_{name}" for name in BOXES.quantities]
        print(questions.describe(plan, runs, columns, starts))
        summaries = {start: trends.summarise(t) for start, t in by_start.items()}
        print(trends.describe(summaries), end="\n\n")
        print(annealing.describe(annealed))
        folder.write_summary(
            asdict(config),
            **questions.summarise(places, runs, starts),
            trends=summaries,
            annealed=annealing.summarise(annealed),
        )


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
