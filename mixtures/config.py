"""The options of the two mixture drivers; the defaults are the exercise's."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option


@dataclass(frozen=True)
class MixtureConfig(RunConfig):
    """What both kinds of mixture are trained with."""

    data_dir: str | None = option(
        None, "folder with train.csv and test.csv; none: the built-in places"
    )
    epochs: int = option(50, "passes over the training set", at_least=1)
    batch_size: int = option(4096, "places per step", at_least=1, at_most=2**31)
    learning_rate: float = option(0.01, "Adam step size", above=0)
    seed: int = option(
        42, "seed of the runs that are shown", at_least=0, at_most=2**32 - 1
    )
    n_seeds: int = option(5, "seeds in the comparison of starts", at_least=1)
    threads: int | None = option(
        1,
        "processor threads; one is safe from slow neighbours; none: one a core",
        at_least=1,
        at_most=1024,
    )


@dataclass(frozen=True)
class GmmConfig(MixtureConfig):
    """The options of train_gmm.py."""

    output_dir: str = option("outputs/gmm", "folder for figures, numbers and model")


@dataclass(frozen=True)
class UmmConfig(MixtureConfig):
    """The options of train_umm.py."""

    output_dir: str = option("outputs/umm", "folder for figures, numbers and model")
    learning_rate: float = option(0.001, "Adam step size", above=0)
