"""The exercise's questions on the data, for any solution."""

import pytest
import torch

from grading.classes import Blame
from grading.imports import FILES
from tests.contract.data_probe import (
    check_places,
    check_standardization,
    check_windows,
    handler,
)

SECTION = "Data"
FILE = "dataset.py"
LOADED = ("test_dataset_imports",)


def question(title: str, needs: tuple = LOADED, file: str = FILE):
    return pytest.mark.question(title, file=file, needs=needs)


@question("dataset.py can be imported", needs=())
def test_dataset_imports(solution, remark):
    solution.check_imports(FILE, remark=remark)


@question("EuropeDataset: places and countries")
def test_europe_dataset(solution, tmp_path, remark):
    check_places(solution, tmp_path / "places.csv", remark)


@question("DataHandler: characters to numbers and back")
def test_data_handler(solution, tmp_path):
    data, text = handler(solution, tmp_path)
    ids = list(data.encoder(text))
    size = data.get_vocab_size()
    if size != len(set(text)):
        raise Blame(
            f"get_vocab_size() is {size}, the training text has {len(set(text))} "
            "different characters"
        )
    if sorted({int(i) for i in ids}) != list(range(size)):
        raise Blame(
            f"the numbers of the characters are not 0 to {size - 1}, but "
            f"{min(ids)} to {max(ids)}"
        )
    back = data.decoder(ids)
    if back != text:
        raise Blame(f"decoder(encoder(text)) is {back[:20]!r}..., not the text")


@question("DataHandler: windows and their targets", needs=("test_data_handler",))
def test_windows(solution, tmp_path):
    data, text = handler(solution, tmp_path)
    check_windows(data.get_dataset("train"), torch.tensor(list(data.encoder(text))), 8)


@question(
    "data: standardised with the training set's mean",
    needs=(),
    file="mixture_models.py or dataset.py",
)
def test_standardization(solution, tmp_path, remark):
    check_standardization(solution, tmp_path, remark, FILES)
