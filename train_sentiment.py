"""Train classifiers of movie reviews; answer the assignment and its bonus.

python train_sentiment.py            # figures, tables, numbers and models in
                                     # outputs/sentiment/
python train_sentiment.py --quick    # one seed, the random split alone
python train_sentiment.py --costs    # what the norm over (T, d) costs, and what
                                     # zeroed words do, and nothing else
python train_sentiment.py --blocks   # what attention is worth, on five blocks of
                                     # films, and nothing else
echo "A dull film" | python train_sentiment.py --predict -
"""

from dataclasses import asdict
from pathlib import Path

from machinery import cli
from machinery.process import keep_memory
from machinery.run_folder import RunFolder
from sentiment import answers, costs, experiment, plots, predict, questions
from sentiment.config import Config


def main(config: Config) -> None:
    cli.begin(config)
    keep_memory()
    if config.predict:
        for line in predict.predict(
            config.predict, Path(config.output_dir, "model.pt")
        ):
            print(line)
        return
    questions.require_scikit_learn()
    with RunFolder(config.output_dir) as folder:
        if config.blocks:
            compare(config, folder)
            return
        corpus = experiment.prepare(config, folder.path.parent / "cache")
        print(*corpus.notes, sep="\n")
        if config.costs:
            explain(config, corpus, folder)
        else:
            answer(config, corpus, folder)


def compare(config: Config, folder: RunFolder) -> None:
    """Measure what attention is worth to the bonus, on all blocks of films."""
    cache = folder.path.parent / "cache"
    found = experiment.compare_on_blocks(config, cache, folder)
    folder.write_json("blocks.json", found)
    print("\n" + questions.describe({"films": found}))
    print("\n" + "\n".join(found["sentences"]))


def explain(config: Config, corpus: experiment.Corpus, folder: RunFolder) -> None:
    """Measure what the norm over (T, d) costs, and what zeroed words do."""
    found = experiment.measure_costs(config, corpus, folder)
    found["sentences"] = costs.sentences(found)
    folder.write_json("costs.json", found)
    folder.write_figure("costs.png", plots.costs(found))
    print("\n" + "\n".join(found["sentences"]))


def answer(config: Config, corpus: experiment.Corpus, folder: RunFolder) -> None:
    """Train all that is asked for; draw, print and write what it has shown."""
    runs = experiment.train(config, corpus, folder)
    tables = experiment.tables(runs, corpus)
    print("\n" + questions.describe(tables))
    leaks = experiment.leaks(corpus)
    sentences = questions.verdicts(tables, leaks)
    print("\n" + "\n".join(sentences))
    looked = answers.look_inside(runs, corpus, folder)
    for name, figure in answers.figures(runs, tables, looked):
        folder.write_figure(name, figure)
    folder.write("mistakes.md", looked["mistakes"].encode())
    folder.write_csv("metrics.csv", answers.metrics(runs))
    folder.write_summary(
        asdict(config),
        notes=corpus.notes,
        tables=tables,
        leaks=leaks,
        sentences=sentences,
        **answers.numbers(looked),
    )


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
