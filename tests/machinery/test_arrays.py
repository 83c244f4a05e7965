"""Arrays come back as they were kept, or not at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinery import arrays


def test_arrays_come_back(tmp_path):
    path = tmp_path / "a" / "new" / "some.npz"
    for b in (np.zeros(5), np.eye(2)):  # the second time its folder is there
        arrays.keep(path, a=np.arange(3), b=b)
    a, b = arrays.kept(path, "a", "b")
    assert np.array_equal(a, np.arange(3))
    assert np.array_equal(b, np.eye(2))
    assert [p.name for p in path.parent.iterdir()] == ["some.npz"]


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_file_cut_short_is_none(tmp_path, share):
    path = tmp_path / "some.npz"
    arrays.keep(path, a=np.arange(1000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert arrays.kept(path, "a") is None


def test_a_missing_file_or_array_and_a_pickle_are_none(tmp_path):
    assert arrays.kept(tmp_path / "none.npz", "a") is None
    path = tmp_path / "some.npz"
    arrays.keep(path, a=np.arange(3))
    assert arrays.kept(path, "a", "b") is None
    np.savez(path, a=np.array([{}], dtype=object))
    assert arrays.kept(path, "a") is None


@given(
    st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8")), min_size=1)
)
def test_lines_come_back(lines):
    assert arrays.lines_of(arrays.as_bytes(lines)) == lines
