"""The options of compare_similarity.py."""

from dataclasses import dataclass

from machinery.cli import RunConfig, option
from machinery.errors import BadInput

MOST_PIXELS = 1024  # a picture of all pairs of more has no readable cell


@dataclass(frozen=True)
class Config(RunConfig):
    """The defaults make 56 pixels: the matrix of all pairs can be read."""

    output_dir: str = option("outputs/similarity", "folder for figures and numbers")
    height: int = option(8, "rows of the image, from bright to dark", at_least=2)
    width: int = option(7, "columns of the image: hues, and grey", at_least=4)
    n_sets: int = option(
        200, "sets of random vectors to search", at_least=1, at_most=10_000
    )
    kernel_size: int = option(
        3, "of the convolution that attention is to equal", at_least=1, at_most=7
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.height * self.width > MOST_PIXELS:
            raise BadInput(
                f"--height times --width must be at most {MOST_PIXELS}, "
                f"got {self.height} times {self.width}"
            )
        if self.kernel_size % 2 == 0:
            raise BadInput(f"--kernel-size must be odd, got {self.kernel_size}")
