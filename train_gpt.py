"""Train the character GPT on Shakespeare; answer every question of the exercise.

python train_gpt.py        # figures, samples, numbers and the model in outputs/gpt/
"""

from dataclasses import asdict

from gpt import plots, questions, runs, samples
from gpt.config import Config
from gpt.data import load_corpus
from gpt.runs import Run
from machinery import cli
from machinery.errors import Diverged, Interrupted
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from machinery.training import steps_per_epoch


def main(config: Config) -> None:
    device = cli.begin(config)
    corpus = load_corpus(config)
    with RunFolder(config.output_dir) as folder:
        if config.resume:
            run = runs.resume(config, corpus, device, folder.path)
        else:
            run = runs.start(config, corpus, device)
        try:
            train(run, folder)
        except (Interrupted, Diverged):
            draw_curves(run, folder, baselines={})
            raise
        answer(run, folder)


def train(run: Run, folder: RunFolder) -> None:
    """Train epoch by epoch; after each, everything so far is on disk."""
    config = run.config
    steps = steps_per_epoch(config.epoch_windows, config.batch_size)
    title = f"{config.prompt!r} and {config.sample_length} characters"
    with Progress((config.epochs - run.epoch) * steps) as progress:
        for epoch in runs.train(run, progress):
            progress.label(f"epoch {epoch} done")
            if epoch:
                run.samples.append(samples.after_epoch(run))
                markdown = samples.as_markdown(run.samples, title)
                folder.write("samples.md", markdown.encode())
            folder.write_csv("metrics.csv", run.rows)
            for name, data in run.files().items():
                folder.write(name, data)
            progress.print(questions.describe_epoch(run))


def answer(run: Run, folder: RunFolder) -> None:
    """Draw and print what the run has shown; write it into summary.json."""
    config = run.config
    baselines = questions.count_baselines(run.corpus, config.block_size)
    draw_curves(run, folder, baselines)
    folder.write_figure("attention.png", plots.attention(*questions.look_back(run)))
    full, kept = questions.after_prompt(run)
    characters = run.corpus.vocabulary.characters
    figure = plots.next_character(full, kept, characters, config.prompt)
    folder.write_figure("next_character.png", figure)
    sampling = questions.evaluate_sampling(run)
    folder.write_figure("top_k.png", plots.compare_sampling(sampling))
    print("\n" + questions.describe_losses(run, baselines))
    print("\n" + questions.describe_sampling(sampling))
    numbers = questions.summarize(
        run, baselines=baselines, kept_by_top_k=float(full[kept > 0].sum()),
        sampling=sampling, top_k_writes=questions.compare(sampling),
    )  # fmt: skip
    folder.write_summary(asdict(config), **numbers)


def draw_curves(run: Run, folder: RunFolder, baselines: dict[str, float]) -> None:
    figure = plots.learning_curves(run.rows, baselines)
    folder.write_figure("learning_curves.png", figure)
    if run.step_losses:
        config = run.config
        steps = steps_per_epoch(config.epoch_windows, config.batch_size)
        figure = plots.step_losses(run.step_losses, steps)
        folder.write_figure("step_losses.png", figure)


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
