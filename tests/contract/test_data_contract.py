"""The exercise's questions on the data, for any solution."""

import pytest
import torch

from grading.loader import FILES, Blame, tensor
from tests.contract.data_probe import (
    check_standardization,
    check_windows,
    europe_file,
    handler,
)

SECTION = "Data"
FILE = "dataset.py"
LOADED = ("test_dataset_imports",)


def question(title: str, needs: tuple = LOADED, file: str = FILE):
    return pytest.mark.question(title, file=file, needs=needs)


@question("dataset.py can be imported", needs=())
def test_dataset_imports(solution):
    solution.module(FILE)


@question("EuropeDataset: places and countries")
def test_europe_dataset(solution, tmp_path):
    dataset = solution.get(FILE, "EuropeDataset")(europe_file(tmp_path / "places.csv"))
    item = dataset[1]
    values = list(item.values()) if isinstance(item, dict) else list(item)
    features, label = (tensor(value, "EuropeDataset[1]") for value in values[:2])
    if len(dataset) != 4:
        raise Blame(f"len(EuropeDataset) is {len(dataset)} for a file with 4 places")
    if features.tolist() == [60.5, 24.0]:
        raise Blame("the features are (lat, long), they should be (long, lat)")
    if features.tolist() != [24.0, 60.5] or label.item() != 7:
        raise Blame(
            f"place 1 is read as {features.tolist()} of country {label.tolist()}, the "
            "file has [24.0, 60.5] of country 7"
        )


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
    file="mixture_models.py",
)
def test_standardization(solution, remark):
    check_standardization(solution, remark, FILES)
