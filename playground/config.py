"""The options of export_playground.py."""

from dataclasses import dataclass

from machinery.cli import check, option


@dataclass(frozen=True)
class Config:
    """The defaults take what the drivers have written with theirs."""

    outputs: str = option(
        "outputs", "folder with the drivers' gmm, umm, gpt, headlines, sentiment"
    )
    output_dir: str = option("outputs/playground", "folder for the page")
    headlines_size: int = option(
        1, "which model of headlines goes in", at_least=1, at_most=2
    )

    def __post_init__(self) -> None:
        check(self)
