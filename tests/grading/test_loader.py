"""A folder's files and classes: imported once, built by any names, blamed rightly."""

from pathlib import Path

import pytest

from grading.classes import Blame, NotOffered, build, tensor
from grading.loader import Solution
from tests.helpers import write_files


def not_offered(folder: Path, file: str) -> str:
    """The reason for which a file of a folder is not checked."""
    solution = Solution(folder)
    with solution.active(), pytest.raises(NotOffered) as reason:
        solution.module(file)
    return str(reason.value)


def test_a_helper_that_was_not_handed_in_is_named_and_no_mistake(tmp_path):
    files = {"mixture_models.py": "import shown", "shown.py": "import my_plots"}
    assert not_offered(write_files(tmp_path / "a", files), "mixture_models.py") == (
        "shown.py needs the module my_plots, which is not installed here and not in "
        "the folder"
    )


@pytest.mark.parametrize(
    "line", ["from dataset import load_places", "import dataset; dataset.load_places"]
)
def test_what_builds_on_a_broken_dataset_is_not_blamed(tmp_path, line):
    files = {"dataset.py": "def load_places(\n", "mixture_models.py": line}
    assert not_offered(write_files(tmp_path / "a", files), "mixture_models.py") == (
        "mixture_models.py needs its own dataset.py, which cannot be imported"
    )


def test_a_name_that_its_own_dataset_lacks_is_a_mistake(tmp_path):
    files = {"dataset.py": "x = 1", "mixture_models.py": "from dataset import y"}
    solution = Solution(write_files(tmp_path / "a", files))
    with solution.active(), pytest.raises(Blame, match="cannot import name 'y'"):
        solution.module("mixture_models.py")


SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 3, "vocab_size": 4, "block_size": 5}


@pytest.mark.parametrize(
    ("constructor", "order"),
    [
        (lambda n_layer, n_head, n_embd, vocab_size, block_size: 0, None),
        (lambda vocab_size, d_model, num_heads, num_layers, max_len=7: 0, None),
        (lambda config: config.n_head - 2, None),
        (lambda config=None, bias=True: config.n_head - 2, None),
        (lambda a, b, c, d, e: 0, None),
    ],
)
def test_constructors_are_called_by_name_or_by_order(constructor, order):
    assert build(constructor, **SIZES) == 0


def test_names_decide_where_a_constructor_has_another_order():
    found = build(
        lambda vocab_size, heads, emb_dim=9: (vocab_size, heads, emb_dim), **SIZES
    )
    assert found == (4, 2, 3)


@pytest.mark.parametrize("value", [[1.0, 2.0], (1, 2)])
def test_lists_and_tuples_are_numbers_too(value):
    assert tensor(value, "it").tolist() == [1, 2]


def remarks_on(folder: Path, *names: str, what: str = "SelfAttention") -> list[str]:
    """What is remarked where files of these names define one class."""
    files = {name: f"class SelfAttention:\n    of = {name!r}\n" for name in names}
    solution, remarks = Solution(write_files(folder / "a", files)), []
    with solution.active():
        solution.check_imports(what, remark=remarks.append)
        remarks.append(solution.find("SelfAttention").of)
    return remarks


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("hw3-Copy1.py", "hw3.py"), "hw3.py"),
        (("attention_old.py", "model.py"), "model.py"),
        (("backup_of_hw.py", "hw.py"), "hw.py"),
        (("hw (1).py", "hw.py"), "hw.py"),
        (("Copy of hw.py", "older.py"), "older.py"),
        (("copying.py", "hw.py"), "copying.py"),
    ],
)
def test_of_two_files_with_one_class_the_copy_comes_last_and_it_is_told(
    tmp_path, names, first
):
    (other,) = set(names) - {first}
    assert remarks_on(tmp_path, *names) == [
        f"{first} was checked; {other} defines SelfAttention too",
        first,
    ]


def test_one_file_with_a_class_is_no_remark(tmp_path):
    assert remarks_on(tmp_path, "hw.py") == ["hw.py"]
