"""The options of train_composers.py."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option
from machinery.errors import BadInput


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults answer the assignment on music21's seven composers in minutes."""

    output_dir: str = option(
        "outputs/composers", "folder for figures, numbers and model"
    )
    scores: str | None = option(
        None,
        "folder with a folder of scores (.mxl, .musicxml, .xml, .krn) for each "
        "composer; none: those that music21 brings along",
    )
    scraps: int = option(300, "most scraps of a composer", at_least=10)
    epochs: int = option(6, "epochs of each training", at_least=1)
    learning_rate: float = option(3e-3, "highest rate of AdamW", above=0)
    weight_decay: float = option(0.05, "of AdamW", at_least=0)
    dropout: float = option(0.3, "share of activations dropped", at_least=0, below=1)
    layers: int = option(2, "attention layers", at_least=1, at_most=20)
    batch_size: int = option(32, "scraps per step", at_least=1)
    rotate: bool = option(True, "transpose scraps at random in training")
    search: bool = option(
        False, "try settings on works held out of the training folds, and nothing else"
    )
    ablate: bool = option(
        False, "train without one relation after the other, and nothing else"
    )
    n_seeds: int = option(
        3,
        "networks of each kind, which vote together; with --ablate each by itself",
        at_least=1,
    )
    predict: str | None = option(
        None, "a score: who wrote it, by a saved model, and nothing else"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum([self.search, self.ablate, self.predict is not None]) > 1:
            raise BadInput("--search, --ablate and --predict exclude each other")
