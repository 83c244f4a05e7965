"""The options of sample_gpt2.py."""

from dataclasses import dataclass

from gpt2.horizon import check_horizon
from gpt2.tokens import check_text
from machinery.cli import RunConfig, option
from machinery.errors import BadInput


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults answer both assignments with the stand-in, within eight minutes."""

    output_dir: str = option("outputs/gpt2", "folder for figures, texts and stand-in")
    weights: str | None = option(
        None,
        "folder with GPT-2's weights: config.json, model.safetensors or "
        "pytorch_model.bin, vocab.json and merges.txt; none: a stand-in, trained once",
    )
    prompt: str | None = option(
        None, "text to continue, and nothing else is done; none: the assignments"
    )
    length: int = option(512, "tokens of a continuation", at_least=1, at_most=100_000)
    temperature: float = option(
        1.0, "of --prompt: below 1 safer, above 1 wilder, 0 greedy", at_least=0
    )
    top_k: int | None = option(40, "keep only the k likeliest tokens", at_least=1)
    top_p: float | None = option(
        None, "keep the likeliest tokens that sum to p", above=0, at_most=1
    )
    horizon: int = option(
        1, "of --prompt: tokens that are tempered together", at_least=1
    )
    blocks: bool = option(
        False, "with --horizon: draw that many tokens at once, not one of them"
    )
    n_strings: int = option(
        100, "texts of each kind whose likelihood is asked", at_least=20
    )
    n_openings: int = option(5, "openings that are continued", at_least=1, at_most=100)
    resume: bool = option(False, "go on with a stand-in whose training was interrupted")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.horizon == 1 and self.blocks:
            raise BadInput("--blocks goes with a --horizon of at least 2")
        if self.horizon > 1:
            if self.top_p is not None:
                raise BadInput("--top-p goes with a --horizon of 1")
            if self.top_k:  # else all tokens, of a vocabulary that is not known yet
                check_horizon(self.horizon, self.top_k)
        if self.prompt is not None:
            check_text(self.prompt)
