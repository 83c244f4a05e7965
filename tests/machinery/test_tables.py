"""CSV files to columns of numbers; what is wrong is told with the file and the line."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinery import tables
from machinery.errors import BadInput
from machinery.tables import align, line_of, read_columns, read_rows, require
from tests.helpers import watch_encodings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "numbers.csv"


def refusal(path, text: str, names=("x", "y")) -> str:
    """Return the message with which a file is refused, less its path."""
    path.write_text(text, "utf-8", newline="")
    with pytest.raises(BadInput, match=re.escape(str(path))) as error:
        read_columns(path, names)
    return str(error.value).removeprefix(f"{path} ")


def test_columns_are_the_numbers_under_their_names_in_double_precision(path):
    path.write_text("z, y ,x\n7,0.1,1e-300\n8,-2,nan\n")
    found = read_columns(path, ("x", "y"))
    assert list(found) == ["x", "y"]
    assert found["y"].tolist() == [0.1, -2]
    assert found["x"][0] == 1e-300
    assert np.isnan(found["x"][1])
    assert {column.dtype for column in found.values()} == {np.dtype(float)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column x; found []"),
        (" a ,y\n1,2\n", "has no column x; found ['a', 'y']"),
        ("a,b\n", "has no column x; found ['a', 'b']"),
        ("x,y\n\n", "has a header and no rows"),
        ("x,y\n1,2\n3\n4\n", "line 3 has 1 fields; the header has 2"),
        ("x,y\n1,2\n3,4,5\n", "line 3 has 3 fields; the header has 2"),
        ("x,y\n1,2\n\n3,4\n", "line 3 has 0 fields; the header has 2"),
        ("x,y\n1,2\n3,4a\n5,c\n", "line 3: y is '4a', not a number"),
        (f"x,y\n{'9' * 39}ab,1\n", f"line 2: x is '{'9' * 39}a', not a number"),
        ('x,y\n1,"2\n', "is not CSV: unexpected end of data"),
        ('x,y\n1,"2"3\n', "is not CSV: ',' expected after '\"'"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_with_the_reason(path, text, message):
    assert refusal(path, text) == message


def test_a_file_that_is_no_text_is_refused_with_its_first_bad_byte(path):
    path.write_bytes(b"x,y\n1,\xff\n")
    with pytest.raises(BadInput, match=r"numbers\.csv is not UTF-8 at byte 6$"):
        read_rows(path)


def test_rows_are_cells_as_they_stand_less_empty_lines_at_the_end(path):
    path.write_bytes('\ufeffa,b\r\n\r\n"é\r\n, ""q""",2\n\n\r\n'.encode())
    assert read_rows(path) == [["a", "b"], [], ['é\r\n, "q"', "2"]]


def test_a_table_is_utf_8_whatever_the_machine_prefers(path, monkeypatch):
    asked = watch_encodings(monkeypatch, tables)
    path.write_text("x\n1\n")
    read_rows(path)
    line_of(path, 1)
    assert asked == ["utf-8-sig"] * 2


@given(lines=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_a_row_ends_after_all_line_breaks_of_it_and_of_those_before(
    lines, tmp_path_factory
):
    path = tmp_path_factory.getbasetemp() / "lines.csv"
    rows = ['"' + "a\n" * n + '",1\n' for n in lines]
    path.write_text("\ufeff" + "".join(rows), "utf-8")
    found = [line_of(path, i) for i in range(len(lines))]
    assert found == (np.cumsum(lines) + np.arange(1, len(lines) + 1)).tolist()


@pytest.mark.parametrize(
    ("valid", "more"),
    [
        ([True, False, True], ""),
        ([True, False, False], " (and 1 more lines)"),
        ([True, True, False], None),
        ([True, True, True], None),
    ],
)
def test_the_first_invalid_value_is_named_and_the_others_are_counted(path, valid, more):
    path.write_text('x\n1\n"\n2.5"\n3\n')
    values = np.array([1, 2.5, 3.25])
    valid = np.array(valid)
    if valid.all():
        require(path, "x", values, valid, "small")
        return
    said = "line 4: x is 2.5" if more is not None else "line 5: x is 3.25"
    message = f"{path} {said}; it must be small{more or ''}"
    with pytest.raises(BadInput, match=f"^{re.escape(message)}$"):
        require(path, "x", values, valid, "small")


def test_columns_of_text_are_aligned_on_the_right_two_spaces_apart():
    rows = [["", "mean", "n"], ["first", "0.5", "10"], ["b", "12.25", "7"]]
    assert align(rows).split("\n") == [
        "        mean   n",
        "first    0.5  10",
        "    b  12.25   7",
    ]


def test_rows_of_unequal_lengths_are_not_aligned():
    with pytest.raises(ValueError, match="zip"):
        align([["a", "b"], ["c"]])
