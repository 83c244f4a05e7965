"""What is said of an EuropeDataset that standardises, or reads wrongly."""

import re
from pathlib import Path

import pytest

from grading.classes import Blame, NotOffered
from grading.loader import Solution
from tests.contract import data_probe
from tests.helpers import write_files

EUROPE = """
    import pandas as pd
    import torch

    class EuropeDataset:
        {kept} = None

        def __init__(self, csv_file{parameters}):
            table = pd.read_csv(csv_file)
            x = torch.tensor(table[["long", "lat"]].values).float()
            self.labels = torch.tensor(table["country"].values)
            {line}

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            return self.x[i], self.labels[i]
"""


def europe(folder: Path, line: str, parameters: str = "", kept: str = "kept"):
    """What is said of an EuropeDataset with this line: (of places, of both files)."""
    text = EUROPE.format(line=line, parameters=parameters, kept=kept)
    solution = Solution(write_files(folder / "europe", {"dataset.py": text}))
    remarks = [], []
    with solution.active():
        data_probe.check_places(solution, folder / "places.csv", remarks[0].append)
        judged = data_probe.check_inside_dataset(solution, folder, remarks[1].append)
    return *remarks, judged


INSIDE = ["the places are standardised inside the dataset"]
BY_ITSELF = (
    "EuropeDataset standardises the test set by itself: its mean becomes 0.00, with "
    "the training set's mean and standard deviation it is "
)


def test_places_in_degrees_are_left_to_the_other_functions(tmp_path):
    assert europe(tmp_path, "self.x = x") == ([], [], False)


@pytest.mark.parametrize(
    "line",
    [
        "self.x = (x - torch.tensor([12.0, 49.0])) / torch.tensor([9.0, 6.0])",
        # what the first file of a process measures holds for every other
        "EuropeDataset.kept = EuropeDataset.kept or (x.mean(0), x.std(0)); "
        "self.x = (x - EuropeDataset.kept[0]) / EuropeDataset.kept[1]",
    ],
)
def test_places_standardised_inside_the_dataset_are_right(tmp_path, line):
    assert europe(tmp_path, line) == (INSIDE, [], True)


def test_a_test_file_standardised_by_itself_is_blamed(tmp_path):
    with pytest.raises(Blame, match=BY_ITSELF):
        europe(tmp_path, "self.x = (x - x.mean(0)) / x.std(0)")


def test_a_test_file_scaled_by_itself_is_blamed(tmp_path):
    sentence = (
        "gives the test set a mean of 0.66, treated as the training set it has 0.76"
    )
    with pytest.raises(Blame, match=sentence):
        europe(tmp_path, "self.x = (x - x.amin(0)) / (x.amax(0) - x.amin(0))")


@pytest.mark.parametrize(
    "told", [{"parameters": ", mean=None, std=None"}, {"kept": "mean"}]
)
def test_statistics_that_may_come_from_outside_are_a_remark_only(tmp_path, told):
    line = "self.x = (x - x.mean(0)) / x.std(0)"
    places, (remark,), judged = europe(tmp_path, line, **told)
    assert (places, judged) == (INSIDE, True)
    assert remark.startswith(BY_ITSELF)
    assert remark.endswith("; see that it is given those")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("self.x = x.flip(1)", "the features are (lat, long), they"),
        ("self.x = (x.flip(1) - 9) / 7", "the features are (lat, long), they"),
        ("self.x = -x", "place 0 is read as [8.5, -41.25] of country 2, the file has"),
        ("self.x = x; x[2] += 1", "place 2 is read as [11.125, 46] of country 1, the"),
        ("self.x = x; self.labels -= 1", "place 0 is read as [-8.5, 41.25] of country"),
        ("self.x = x[1:]", "len(EuropeDataset) is 3 for a file with 4 places"),
    ],
)
def test_places_that_are_read_wrongly_are_named(tmp_path, line, sentence):
    with pytest.raises(Blame, match=re.escape(sentence)):
        europe(tmp_path, line)


def test_an_unknown_parameter_of_the_dataset_leaves_it_unchecked(tmp_path):
    with pytest.raises(NotOffered, match="needs mean, std beside the file"):
        europe(tmp_path, "self.x = (x - mean) / std", ", mean, std")
