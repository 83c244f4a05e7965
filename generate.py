"""Continue a prompt with a text model that train_gpt.py or speedrun.py has saved.

python generate.py --prompt "the " --length 300 --temperature 0.8 --top-k 5 --seed 1
"""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

import checkpoint
import cli
import gpt_runs
import speedrun
from cli import option
from dataset import Vocabulary
from training import pick_device
from transformer import generate

# what loads a text model, by its kind: path -> (model, vocabulary)
LOADERS = {"gpt": gpt_runs.load_gpt, "fast_gpt": speedrun.load_fast_gpt}


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
    torch.manual_seed(config.seed)
    model, vocabulary = load(config)
    device = pick_device(config.device)
    model.to(device)
    prompt = config.prompt or vocabulary.beginning
    idx = torch.tensor([vocabulary.encode(prompt)], device=device)
    if idx.shape[1] > model.block_size:
        shown = vocabulary.decode(idx[0, -model.block_size :].tolist())
        sys.stderr.write(
            f"the model sees {model.block_size} characters: of the prompt, {shown!r}\n"
        )
    generator = torch.Generator().manual_seed(config.seed)
    for i in range(config.n_samples):
        if config.n_samples > 1:
            print(f"--- sample {i + 1} ---")
        print(config.prompt, end="", flush=True)
        for token in cli.stoppable(
            generate(
                model, idx, config.length, config.temperature,
                config.top_k, config.top_p, generator,
            )
        ):  # fmt: skip
            print(vocabulary.decode(token.tolist()), end="", flush=True)
        print()


def load(config: Config) -> tuple[nn.Module, Vocabulary]:
    if config.untrained:
        defaults = gpt_runs.Config()
        vocabulary = gpt_runs.load_text(defaults).vocabulary
        preprocessing = {"vocabulary": vocabulary.characters}
        return gpt_runs.build_model(asdict(defaults), preprocessing).eval(), vocabulary
    if not Path(config.checkpoint).exists():
        raise ValueError(
            f"{config.checkpoint} does not exist; python train_gpt.py makes one, "
            "and --untrained samples without"
        )
    content = checkpoint.read(config.checkpoint)
    checkpoint.check_kind(content, "text model", LOADERS, config.checkpoint)
    return LOADERS[content["kind"]](config.checkpoint)


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
