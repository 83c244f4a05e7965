"""Tiny Shakespeare as fast as possible: one model and its loop, two minutes, two cores.

python speedrun.py                                # numbers, model: outputs/speedrun/
python speedrun.py --recipe large --device cuda   # the field's larger recipe
python generate.py --checkpoint outputs/speedrun/model.pt   # text from the model
torchrun --nproc-per-node 2 speedrun.py           # the same run in two processes
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from dataset import Vocabulary
from gpt import fast_runs
from gpt.fast_gpt import FastGPT
from gpt.fast_runs import RECIPES, Recipe
from machinery import checkpoint, cli, progress
from machinery.cli import RunConfig, option
from machinery.errors import BadInput
from machinery.process import keep_memory, seconds_since_start
from machinery.process_group import n_processes, process_group
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from machinery.tiny_shakespeare import TEST_START, tiny_shakespeare


@dataclass(frozen=True)
class Config(RunConfig):
    """Options of speedrun.py; the defaults are the recipe for two cores."""

    output_dir: str = option("outputs/speedrun", "folder for numbers and model")
    device: str = option("cpu", "where to train", choices=("cpu", "cuda", "auto"))
    recipe: str = option("cpu", "model and schedule", choices=tuple(RECIPES))
    steps: int | None = option(None, "steps; none: the recipe's", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        windows, n = RECIPES[self.recipe].batch_size, n_processes()
        if windows % n:
            raise BadInput(f"{n} processes cannot share {windows} windows equally")


def main(config: Config) -> None:
    keep_memory()
    device = cli.begin(config)
    recipe = fast_runs.adapt(RECIPES[config.recipe], config.steps, device)
    with process_group(device) as (rank, device):
        text = tiny_shakespeare()
        vocabulary = Vocabulary("".join(sorted(set(text))))
        ids = torch.tensor(vocabulary.encode(text), device=device)
        model = fast_runs.from_recipe(recipe, len(vocabulary)).to(device)
        steps = fast_runs.train(model, ids[:TEST_START], recipe, config.seed, rank)
        if rank == 0:
            saved = asdict(config) | asdict(recipe) | {"processes": n_processes()}
            with RunFolder(config.output_dir) as folder:
                evaluations = train_rank0(
                    model, steps, ids[TEST_START:], recipe, folder
                )
                write(folder, model, saved, vocabulary, evaluations)
        else:
            for _ in progress.stoppable(steps):
                pass


def train_rank0(
    model: FastGPT,
    steps: Iterator,
    validation: Tensor,
    recipe: Recipe,
    folder: RunFolder,
) -> list[dict[str, float]]:
    """Train and return the measurements, which one process takes for all."""
    rows, evaluations = [], []
    with Progress(recipe.steps) as bar:
        for row in fast_runs.measured(model, bar.watch(steps), validation, recipe):
            evaluations.append(row | {"seconds": seconds_since_start()})
            rows.append(row)
            folder.write_csv("metrics.csv", rows)
            bar.print(*(f"{name} {x:.5g} " for name, x in evaluations[-1].items()))
    return evaluations


def write(
    folder: RunFolder,
    model: FastGPT,
    saved: dict,
    vocabulary: Vocabulary,
    evaluations: list[dict[str, float]],
) -> None:
    """Write the model and, in summary.json, the seconds that it took."""
    preprocessing = {"vocabulary": vocabulary.characters}
    data = checkpoint.dump("fast_gpt", model.state_dict(), saved, preprocessing)
    folder.write("model.pt", data)
    folder.write_summary(
        saved,
        units="loss in nats per character; seconds since the process began",
        val_loss=evaluations[-1]["val_loss"],
        evaluations=evaluations,
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
