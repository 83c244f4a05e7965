"""Train decoder transformers of four sizes on headlines; answer the assignment.

python train_headlines.py            # figures, texts, numbers and models in
                                     # outputs/headlines/
python train_headlines.py --why      # why the fourth size fails under the exercise's
                                     # recipe, and nothing else
"""

from dataclasses import asdict

from headlines import answers, experiment, plots, questions, texts, why, yardstick
from headlines.config import Config
from headlines.data import Corpus, load_corpus
from headlines.experiment import describe_name
from headlines.parts import LETTERS, VOWELS
from headlines.runs import Run
from headlines.yardstick import Counted
from machinery import cli
from machinery.process import keep_memory
from machinery.progress import Progress
from machinery.run_folder import RunFolder


def main(config: Config) -> None:
    device = cli.begin(config)
    keep_memory()  # the wide MLPs ask for tens of megabytes at every step
    corpus = load_corpus(config)
    print(*corpus.notes, sep="\n")
    with RunFolder(config.output_dir) as folder:
        if config.why:
            explain(config, corpus, folder)
            return
        experiment.check_few(config, corpus)
        counted = yardstick.count(corpus)
        trained, few = experiment.train_all(config, corpus, device, folder.path)
        answer(trained, few, counted, folder)


def explain(config: Config, corpus: Corpus, folder: RunFolder) -> None:
    """Find out which step is too large for the fourth size, and what mends it."""
    with Progress(0) as progress:
        found = why.experiment(corpus.tokens["train"], config.seed, progress)
    found["sentences"] = why.sentences(found)
    folder.write_json("why.json", found)
    steps = list(found["first_step"].values())
    folder.write_figure("why.png", plots.why(found["arms"], found["unigram"], steps))
    print(*found["sentences"], sep="\n")


def answer(
    trained: dict[int, Run], few: Run, counted: Counted, folder: RunFolder
) -> None:
    """Draw and print what the runs have shown; write it into summary.json."""
    corpus, config = few.corpus, few.config
    *results, on_few = questions.assess([*trained.values(), few], counted)
    found = questions.standing(results, counted, corpus)
    print("\n" + questions.describe_standing(found))
    best = experiment.best_run(trained)
    r = questions.correlations(trained, results)
    heat = questions.heat(best)
    plain = heat["texts"][1.0]
    inside = questions.look_inside(best, plain)
    leak = questions.leak(best)
    drawn = {describe_name(run): questions.write_texts(run) for run in trained.values()}
    drawn[describe_name(few)] = questions.write_texts(few)
    drawn |= {f"temperature {t}": heat["texts"][t][:8] for t in heat["texts"]}
    page = texts.as_markdown(list(drawn.items()), "Sampled texts")
    folder.write("samples.md", page.encode())
    draw_figures(trained, few, found, r, folder)
    for name, figure in {
        "letters": plots.letters(inside["map"], LETTERS, VOWELS),
        "first_characters": plots.first_characters(inside["first"]),
        "reach": plots.reach(inside["reach"], inside["line"]),
        "leak": plots.leak(leak.honest, leak.leaking),
        "temperature": plots.temperature(heat["curve"], heat["drawn"]),
    }.items():
        folder.write_figure(f"{name}.png", figure)
    summary = answers.summarize(
        corpus, found, r, inside, leak, heat,
        on_few, questions.compare_few(trained, few, plain), drawn,
    )  # fmt: skip
    print("\n" + "\n".join(summary["verdicts"]))
    folder.write_summary(asdict(config), **summary)


def draw_figures(
    trained: dict[int, Run], few: Run, found: dict, r: dict, folder: RunFolder
) -> None:
    """Draw what compares the runs."""
    ngram = found["ngram"]
    rows = {describe_name(run): run.rows for run in trained.values()}
    best = describe_name(experiment.best_run(trained))
    on_few = {best: rows[best], describe_name(few): few.rows}
    colors = {
        describe_name(run): plots.SIZES[run.size] for run in (*trained.values(), few)
    }
    for name, shown in {"learning_curves": rows, "few_texts": on_few}.items():
        figure = plots.learning_curves(shown, colors, ngram["validation_nll"])
        folder.write_figure(f"{name}.png", figure)
    folder.write_figure("standing.png", plots.standing(found["models"], ngram))
    by_size = {size: run.rows for size, run in trained.items()}
    figure = plots.correlation(by_size, r["along"])
    folder.write_figure("correlation.png", figure)


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
