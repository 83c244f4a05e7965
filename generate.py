"""Continue a prompt with any text model that a driver here has saved.

python generate.py --prompt "the " --length 300 --temperature 0.8 --top-k 5 --seed 1
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dataset import Vocabulary
from gpt import fast_runs, runs
from gpt.config import Config as GPTConfig
from gpt.data import load_corpus
from gpt2 import stand_in
from headlines import prompts
from machinery import checkpoint, cli, progress
from machinery.cli import option
from machinery.errors import BadInput
from machinery.process import pick_device
from transformer import generate


def with_vocabulary(restore: Callable[[dict, str | Path], nn.Module]):
    """Return what restores a model, and the vocabulary that its file has."""

    def both(content: dict, path: str | Path) -> tuple[nn.Module, Vocabulary]:
        model = restore(content, path)
        return model, Vocabulary(content["preprocessing"]["vocabulary"])

    return both


# by the kind that a file names
RESTORE = {
    "gpt": with_vocabulary(runs.restore),
    "fast_gpt": with_vocabulary(fast_runs.restore),
    "headlines": prompts.restore,
    "gpt2_stand_in": stand_in.restore,
}


@dataclass(frozen=True)
class Config:
    checkpoint: str = option(
        "outputs/gpt/model.pt", "model.pt or checkpoint.pt to sample"
    )
    prompt: str = option("the ", "text to continue; empty: start on a new line")
    length: int = option(300, "characters to generate", at_least=1)
    temperature: float = option(
        1.0, "below 1 safer, above 1 wilder, 0 greedy", at_least=0
    )
    top_k: int | None = option(None, "keep only the k likeliest characters", at_least=1)
    top_p: float | None = option(
        None, "keep the likeliest characters that sum to p", above=0, at_most=1
    )
    seed: int = option(42, "seed of the samples", at_least=0, at_most=2**32 - 1)
    n_samples: int = option(1, "samples to draw", at_least=1)
    untrained: bool = option(False, "sample the model as it is before training")
    device: str = option("cpu", "where to run", choices=("cpu", "cuda", "mps", "auto"))

    def __post_init__(self) -> None:
        cli.check(self)


def main(config: Config) -> None:
    device = pick_device(config.device)
    model, vocabulary = untrained(config.seed) if config.untrained else load(config)
    model.to(device)
    idx = torch.tensor([vocabulary.encode_prompt(config.prompt)], device=device)
    if idx.shape[1] > model.block_size:
        shown = vocabulary.decode(idx[0, -model.block_size :].tolist())
        sys.stderr.write(
            f"the model sees {model.block_size} characters: of the prompt, {shown!r}\n"
        )
    # a text that can end has no window that moves on
    ends = vocabulary.end is not None
    room = model.block_size - idx.shape[1] if ends else config.length
    generator = torch.Generator().manual_seed(config.seed)
    for i in range(config.n_samples):
        if config.n_samples > 1:
            print(f"--- sample {i + 1} ---")
        print(config.prompt, end="", flush=True)
        for token in progress.stoppable(
            generate(
                model, idx, min(config.length, room), config.temperature,
                config.top_k, config.top_p, generator,
            )
        ):  # fmt: skip
            if ends and token.item() == vocabulary.end:
                break
            print(vocabulary.decode(token.tolist()), end="", flush=True)
        print()


def load(config: Config) -> tuple[nn.Module, Vocabulary]:
    """Return the model of a file and its vocabulary."""
    path = config.checkpoint
    if not Path(path).exists():
        raise BadInput(
            f"{path} does not exist; python train_gpt.py makes one, "
            "and --untrained samples without"
        )
    content = checkpoint.read(path)
    checkpoint.check_kind(content, "text model", RESTORE, path)
    return RESTORE[content["kind"]](content, path)


def untrained(seed: int) -> tuple[nn.Module, Vocabulary]:
    """Return the model that train_gpt.py begins with, and its vocabulary."""
    config = GPTConfig(seed=seed)
    corpus = load_corpus(config)
    return runs.untrained(config, corpus).eval(), corpus.vocabulary


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
