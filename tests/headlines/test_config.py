"""The options of train_headlines.py that exclude or need each other."""

import pytest

from headlines.config import Config
from machinery.errors import BadInput


@pytest.mark.parametrize("sizes", ["", "0", "5", "1,1", "1,x", "12", "1;2"])
def test_sizes_are_different_numbers_from_1_to_4(sizes):
    with pytest.raises(BadInput, match="--sizes must be different numbers"):
        Config(sizes=sizes)


def test_sizes_are_trained_smallest_first():
    assert Config(sizes="3, 1").chosen_sizes() == [1, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": "a", "hub": True}, "--texts and --hub exclude each other"),
        ({"column": "title"}, "--column title goes with --texts"),
        ({"recipe": "slow"}, "--recipe must be one of fast, exercise"),
        ({"epochs": 0}, "--epochs must be at least 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(BadInput, match=message):
        Config(**options)
