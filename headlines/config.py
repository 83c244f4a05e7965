"""The options of train_headlines.py."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option
from machinery.errors import BadInput


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults answer the whole assignment within half an hour on two cores."""

    output_dir: str = option(
        "outputs/headlines", "folder for figures, numbers and models"
    )
    texts: str | None = option(
        None,
        "file of your own: .csv or .jsonl with --column, else a text a line; "
        "none: movie reviews of one line",
    )
    column: str | None = option(None, "column of the texts in --texts")
    hub: bool = option(
        False, "the course's own headlines, through the package datasets; needs network"
    )
    recipe: str = option(
        "fast", "how to train: fast or exercise", choices=("fast", "exercise")
    )
    sizes: str = option("1,2,3,4", "models to train, smallest first")
    epochs: int | None = option(
        None, "most epochs of each training; none: the recipe's", at_least=1
    )
    n_few: int = option(
        1000, "texts that question 3 trains on, fewer than all", at_least=1
    )
    n_evaluated: int = option(
        1000, "texts drawn of each kind to be measured", at_least=64
    )
    why: bool = option(
        False, "the experiment on why the fourth size fails, and nothing else"
    )
    resume: bool = option(False, "go on from what is in the output folder")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chosen_sizes()
        if self.texts and self.hub:
            raise BadInput("--texts and --hub exclude each other")
        if self.column and not self.texts:
            raise BadInput(f"--column {self.column} goes with --texts")

    def chosen_sizes(self) -> list[int]:
        """Return the numbers of the models to train, smallest first."""
        parts = [part.strip() for part in self.sizes.split(",")]
        if not set(parts) <= set("1234") or len(set(parts)) < len(parts):
            raise BadInput(
                f"--sizes must be different numbers from 1 to 4, got {self.sizes!r}"
            )
        return sorted(map(int, parts))


# What a continued run may be given anew. Not the epochs: the fast recipe's rate falls
# to zero over all of them.
MAY_CHANGE = {
    "texts", "column", "hub", "output_dir", "resume", "threads", "sizes", "n_evaluated",
    "why",
}  # fmt: skip
