"""The options of train_sentiment.py."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults answer the assignment and its bonus within half an hour."""

    output_dir: str = option(
        "outputs/sentiment", "folder for figures, numbers and models"
    )
    data_dir: str | None = option(
        None, "folder aclImdb as it is unpacked; none: the package's 25,000 reviews"
    )
    recipe: str = option(
        "all",
        "what to train: assignment (section 6), best (its bonus), or all",
        choices=("all", "assignment", "best"),
    )
    max_len: int = option(
        256, "words of a review that the assignment reads", at_least=8, at_most=4096
    )
    epochs: int | None = option(
        None, "epochs of each training; none: the recipe's", at_least=1
    )
    n_seeds: int = option(3, "trainings of each kind", at_least=1, at_most=100)
    film_block: int = option(
        0, "which of five blocks of films the second split tests on",
        at_least=0, at_most=4,
    )  # fmt: skip
    quick: bool = option(False, "one seed, and the random split alone")
    costs: bool = option(
        False, "what the norm over (T, d) and zeroed words cost, and nothing else"
    )
    blocks: bool = option(
        False,
        "what attention is worth to the bonus on all five blocks of films, and "
        "nothing else",
    )
    predict: str | None = option(
        None, "file of reviews, a line each (- reads the keyboard), for a saved model"
    )
    resume: bool = option(False, "go on from what is in the output folder")

    @property
    def seeds(self) -> range:
        return range(1 if self.quick else self.n_seeds)

    @property
    def split_names(self) -> tuple[str, ...]:
        return ("random",) if self.quick else ("random", "films")


# What a continued run may be given anew.
MAY_CHANGE = {
    "data_dir", "output_dir", "resume", "threads", "n_seeds", "quick", "recipe",
    "costs", "blocks", "predict",
}  # fmt: skip
