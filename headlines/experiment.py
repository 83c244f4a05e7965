"""The trainings of one experiment: every size on all texts, the best one on few."""

from pathlib import Path

import torch

from headlines import runs, texts
from headlines.config import Config
from headlines.data import Corpus
from headlines.runs import Run
from machinery import workers
from machinery.errors import BadInput
from machinery.progress import Progress
from machinery.run_folder import RunFolder

AT_A_TIME = 2  # trainings


def train_all(
    config: Config, corpus: Corpus, device: torch.device, folder: Path
) -> tuple[dict[int, Run], Run]:
    """Train each chosen size, then the best of them on config.n_few texts.

    Each has a folder of its own, where everything so far is after every epoch; with
    config.resume it goes on from there. Return the runs by size, and the last one.
    """
    if not config.resume:
        forget(config, folder)
    with Progress(0, unit="") as progress:
        trained = {
            size: start(config, corpus, device, folder, size)
            for size in config.chosen_sizes()
        }
        # which is best is not known yet: at most the largest
        on_few = cost_left(run_on_few(trained[max(trained)], device))
        progress.expect(sum(map(cost_left, trained.values())) + on_few)
        train_side_by_side(trained, device, folder, progress)
        few = run_on_few(best_run(trained), device)
        if config.resume:
            runs.resume(few, checkpoint_of(few, folder))
        progress.expect(progress.bar.n + cost_left(few))
        train(few, folder / few.name, progress)
    return trained, few


def check_few(config: Config, corpus: Corpus) -> None:
    """Raise BadInput unless question 3 leaves texts out."""
    n = len(corpus.tokens["train"])
    if config.n_few >= n:
        raise BadInput(
            f"--n-few must be below the {n:,} training texts, got {config.n_few}"
        )


def forget(config: Config, folder: Path) -> None:
    """Delete what an earlier run in the folder would have gone on from."""
    names = [f"size_{size}" for size in config.chosen_sizes()]
    old = [folder / name for name in names] + [*folder.glob("few_texts_size_*")]
    for path in old:
        (path / "checkpoint.pt").unlink(missing_ok=True)


def start(
    config: Config, corpus: Corpus, device: torch.device, folder: Path, size: int
) -> Run:
    """Return the run of a size; with config.resume at where its folder is."""
    run = runs.start(f"size_{size}", size, config, corpus, device)
    if config.resume:
        runs.resume(run, checkpoint_of(run, folder))
    return run


def checkpoint_of(run: Run, folder: Path) -> Path:
    return folder / run.name / "checkpoint.pt"


def train_side_by_side(
    trained: dict[int, Run], device: torch.device, folder: Path, progress: Progress
) -> None:
    """Train the runs that are not done, two at a time on a processor.

    A thread more makes a step little quicker; another training takes all of it.
    """
    left = [size for size, run in trained.items() if not run.done]
    if not left:
        return
    # by all of them: a run that goes on has as many threads as it had
    n = workers.how_many(len(trained), device, AT_A_TIME)
    threads = torch.get_num_threads() // n
    if n > 1:
        left.reverse()  # the longest first: the others fit beside it
        progress.label(f"{n} sizes at a time")
    run = trained[left[0]]
    shared = run.config, run.corpus, device, folder
    with workers.each(
        train_size, shared, left, n, progress, threads=threads, in_order=False
    ) as ended:
        for size in ended:
            runs.resume(trained[size], checkpoint_of(trained[size], folder))


def train_size(
    config: Config, corpus: Corpus, device: torch.device, folder: Path, size: int,
    progress: Progress,
) -> int:  # fmt: skip
    """Train one size, or what is left of it; its folder has the result."""
    run = start(config, corpus, device, folder, size)
    train(run, folder / run.name, progress)
    return size


def run_on_few(run: Run, device: torch.device) -> Run:
    """Return a run of the same size that is to see only some of the texts.

    Its folder has the size in its name: the best one may be another next time.
    """
    config, name = run.config, f"few_texts_size_{run.size}"
    return runs.start(name, run.size, config, run.corpus, device, config.n_few)


def cost_left(run: Run) -> int:
    """The bar's steps that a run takes at most."""
    return 0 if run.done else (run.epochs - run.epoch) * run.steps * run.step_cost


def best_run(trained: dict[int, Run]) -> Run:
    """Return the run with the lowest validation NLL at its best epoch."""
    return min(trained.values(), key=best_nll)


def best_nll(run: Run) -> float:
    return run.rows[run.best_epoch - 1]["validation_nll"]


def train(run: Run, path: Path, progress: Progress) -> None:
    """Train a run; after each epoch everything so far is in its folder."""
    with RunFolder(path) as folder:
        progress.label(describe_name(run))
        for _ in runs.train(run, progress):
            folder.write_csv("metrics.csv", run.rows)
            shown = [(f"Epoch {i}", drawn) for i, drawn in enumerate(run.samples, 1)]
            markdown = texts.as_markdown(shown, f"Samples of {describe_name(run)}")
            folder.write("samples.md", markdown.encode())
            for name, data in run.files().items():
                folder.write(name, data)
            progress.print(describe_epoch(run))


def describe_name(run: Run) -> str:
    few = len(run.train_tokens) < len(run.corpus.tokens["train"])
    return f"size {run.size}" + f" on {len(run.train_tokens):,} texts" * few


def describe_epoch(run: Run) -> str:
    row = run.rows[-1]
    padded = ""
    if "validation_padded_nll" in row:
        padded = f"; with all pads {row['validation_padded_nll']:.2f}"
    return (
        f"{describe_name(run)}, epoch {run.epoch}: validation "
        f"{row['validation_nll']:.2f} nats a text{padded}, "
        f"{row['validation_bits']:.3f} bits a character, "
        f"top-1 {row['validation_top1']:.1%}; {run.samples[-1][0]!r}"
    )
