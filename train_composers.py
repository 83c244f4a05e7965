"""Train graph attention on scraps of scores; answer the assignment.

python train_composers.py            # figures, tables, numbers and the model in
                                     # outputs/composers/
python train_composers.py --search   # settings, on works held out of training alone
python train_composers.py --ablate   # without one relation after the other
python train_composers.py --predict quartet.mxl      # who wrote it?
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from composers import experiment, inside, plots, questions, runs
from composers.config import Config
from composers.experiment import BOTH, FOREST, PLAIN, RELATIONAL, Corpus, Judged
from machinery import cli
from machinery.process import keep_memory
from machinery.progress import Progress
from machinery.run_folder import RunFolder


def main(config: Config) -> None:
    device = cli.begin(config)
    keep_memory()
    folder = RunFolder(config.output_dir)
    if config.predict is not None:
        with folder:
            predict(config, folder)
        return
    with folder:
        corpus = experiment.prepare(config, folder.path.parent / "cache")
        print(*corpus.notes, sep="\n")
        if config.search or config.ablate:
            explore(corpus, config, device, folder)
        else:
            answer(corpus, config, device, folder)


def predict(config: Config, folder: RunFolder) -> None:
    """Say who wrote a score, and draw the scrap that shows it best."""
    path, model = Path(config.predict), folder.path / "model.pt"
    vote, roll, n_scraps = inside.predict(path, model)
    print(f"the vote of {n_scraps} scraps, likeliest first, and how many name each:")
    for name, n in vote:
        print(f"  {n:5}  {name}")
    folder.write_figure("predicted.png", plots.piano_roll(**roll))


def explore(corpus: Corpus, config: Config, device, folder: RunFolder) -> None:
    """Try settings, or trainings without a relation."""
    with Progress(0, unit=" trainings") as progress:
        if config.search:
            rows = experiment.search(corpus, config, device, progress)
            folder.write_json("search.json", {"rows": rows, "config": asdict(config)})
            return
        rows = experiment.ablate(corpus, config, device, progress)
    folder.write_json("ablation.json", {"rows": rows, "config": asdict(config)})
    folder.write_figure("ablation.png", plots.ablation(rows))


def answer(corpus: Corpus, config: Config, device, folder: RunFolder) -> None:
    """Judge every line by work, some at random; draw, print and write what it shows."""
    with Progress(0, unit=" trainings") as progress:
        by_work, at_random = (
            experiment.judge_all(corpus, config, device, apart, progress)
            for apart in (True, False)
        )
    composers = corpus.scraps.composers
    folder.write("model.pt", runs.dump(by_work.networks, asdict(config), composers))
    tables = [questions.table(corpus, judged) for judged in (by_work, at_random)]
    for rows, title in zip(tables, ("no work on both sides", "random"), strict=True):
        print("\n" + questions.describe(rows, title))
    labels, works = questions.base_labels(corpus.scraps)
    votes = {
        name: questions.vote_by_number(by_work.said[name], labels, works, config.seed)
        for name in (RELATIONAL, PLAIN, FOREST, BOTH)
    }
    leads = questions.compare(corpus, by_work, config.seed)
    lost = questions.silenced(corpus, by_work)
    sentences = questions.verdicts(corpus, *tables, leads, lost)
    print("\n" + "\n".join(sentences))
    draw(corpus, by_work, tables, votes, folder)
    folder.write_summary(
        asdict(config), notes=corpus.notes, composers=composers,
        tables={"by_work": tables[0], "at_random": tables[1]}, votes=votes,
        leads=leads, silenced=lost, by_movement=corpus.by_movement,
        intervals=questions.telling_intervals(corpus.scraps), sentences=sentences,
    )  # fmt: skip


def draw(
    corpus: Corpus, judged: Judged, tables: list, votes: dict, folder: RunFolder
) -> None:
    """Draw the lines, the confusions, the votes, and one scrap with its graph."""
    labels, _ = questions.base_labels(corpus.scraps)
    order = questions.order_of(corpus.scraps.composers)
    names = [corpus.scraps.composers[i] for i in order]
    for name, line in {"attention": RELATIONAL, "forest": FOREST}.items():
        shares = questions.confusion(judged.said[line], labels)[np.ix_(order, order)]
        figure = plots.confusion(shares, names)
        folder.write_figure(f"confusion_{name}.png", figure)
    chance = np.bincount(labels).max() / len(labels)
    folder.write_figure("lines.png", plots.lines(*tables, chance))
    folder.write_figure("votes.png", plots.votes(votes))
    # a test scrap of the first fold that its network is sure and right about
    said, test = judged.said[RELATIONAL], judged.folds[0][1]
    row = test[said[test, labels[test]].argmax()]
    first = judged.networks[0].members[0]
    roll = inside.roll(first, corpus.scraps.notes, corpus.graphs, int(row))
    folder.write_figure("roll.png", plots.piano_roll(**roll))


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
