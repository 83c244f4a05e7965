"""The options of train_gpt.py."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option
from machinery.errors import BadInput


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults are the exercise's."""

    output_dir: str = option("outputs/gpt", "folder for figures, numbers and model")
    data_dir: str | None = option(
        None,
        "folder with train_shakespeare.txt and test_shakespeare.txt; "
        "none: Tiny Shakespeare",
    )
    train_text: str | None = option(None, "any text file to train on")
    test_text: str | None = option(
        None, "the text file to test on; goes with the other"
    )
    block_size: int = option(10, "characters that the model sees", at_least=1)
    n_layer: int = option(3, "transformer blocks", at_least=1)
    n_head: int = option(3, "attention heads", at_least=1)
    n_embd: int = option(48, "channels, a multiple of the heads", at_least=1)
    dropout: float = option(
        0.0, "share of activations dropped in training", at_least=0, below=1
    )
    tie_weights: bool = option(False, "one matrix for embedding and head, as GPT-2 has")
    learning_rate: float = option(3e-4, "Adam step size", above=0)
    batch_size: int = option(64, "windows per step", at_least=1, at_most=2**31)
    epochs: int = option(10, "epochs", at_least=1)
    epoch_windows: int = option(
        100_000, "windows per epoch, drawn with replacement", at_least=1
    )
    test_windows: int = option(
        10_000, "fixed windows of each split to evaluate on", at_least=1
    )
    prompt: str = option("the ", "what the sampled sentences start with")
    sample_length: int = option(30, "characters after the prompt", at_least=1)
    n_sentences: int = option(3, "sentences of each kind after an epoch", at_least=1)
    n_evaluated: int = option(
        1000, "sentences of each kind that are evaluated at the end", at_least=1
    )
    top_k: int = option(5, "characters that top-k sampling keeps", at_least=1)
    resume: bool = option(False, "go on from checkpoint.pt in the output folder")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise BadInput(
                f"--n-embd must be a multiple of --n-head, "
                f"got {self.n_embd} and {self.n_head}"
            )
        if (self.train_text is None) != (self.test_text is None):
            raise BadInput("--train-text and --test-text go together")
        if self.train_text and self.data_dir:
            raise BadInput("--data-dir and --train-text exclude each other")


# What a continued run may be given anew: where its files lie, how long it goes on, how
# many threads it has, and what is done after its last epoch.
MAY_CHANGE = {
    "data_dir", "train_text", "test_text", "output_dir", "resume", "epochs", "threads",
    "n_evaluated",
}  # fmt: skip
