"""Files to tensors: the course's format, bad files, and the built-in places."""

import csv
import re
import shutil
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from dataset import DATA_DIR, EuropeDataset, Standardization, class_means, load_europe
from tests.helpers import ROOT, blob_rows, course_csv, run_python, write_places

ROWS = [(-8.5, 41.25, 2), (24.0, 60.5, 0), (10.125, -45.0, 1)]
longs, lats = st.floats(-180, 180), st.floats(-90, 90)
rows = st.lists(st.tuples(longs, lats, st.integers(0, 999)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A path to write to, again and again."""
    return tmp_path_factory.mktemp("csv") / "places.csv"


def read(path, text: str | bytes) -> EuropeDataset:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return EuropeDataset(path)


def refusal(path, text: str | bytes) -> str:
    """Return the message with which a file is refused, which begins with its path."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        read(path, text)
    return str(error.value).removeprefix(str(path)).strip()


def assert_holds(dataset: EuropeDataset, rows) -> None:
    expected = np.array([row[:2] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(dataset.features, expected)
    assert dataset.labels.tolist() == [row[2] for row in rows]


@given(rows=rows)
def test_the_course_s_format_is_read(file, rows):
    dataset = read(file, course_csv(rows))
    assert dataset.features.dtype == torch.float32
    assert dataset.labels.dtype == torch.int64
    assert_holds(dataset, rows)


@given(order=st.permutations(["", "long", "lat", "country", "name"]))
def test_columns_are_found_by_name_in_any_order(file, order):
    cells = {"": "7", "long": "1.5", "lat": "2.5", "country": "3", "name": '"a, b"'}
    text = ",".join(order) + "\n" + ",".join(cells[name] for name in order) + "\n"
    assert_holds(read(file, text), [(1.5, 2.5, 3)])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: "\ufeff" + re.sub(r"(?m)^\d*,", "", text),  # no index column
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n",
        lambda text: text + "\r\n\n\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(",long,lat,", ", long, lat, "),
    ],
    ids=[
        "BOM",
        "BOM, no index",
        "CRLF",
        "blank line",
        "blank lines",
        "no last newline",
        "spaces",
    ],
)
def test_other_programs_ways_of_writing_csv_are_read(file, change):
    assert_holds(read(file, change(course_csv(ROWS))), ROWS)


def test_items_and_length_are_those_of_the_file(file):
    dataset = read(file, course_csv(ROWS))
    assert len(dataset) == 3
    features, label = dataset[2]
    assert features.tolist() == [10.125, -45.0]
    assert label.shape == ()
    assert label == 1


def test_a_data_loader_gives_batches_of_features_and_labels(file):
    loader = DataLoader(read(file, course_csv(ROWS)), batch_size=2)
    (features, labels), (last, _) = loader
    assert features.tolist() == [[-8.5, 41.25], [24.0, 60.5]]
    assert labels.tolist() == [2, 0]
    assert last.shape == (1, 2)


@given(rows=rows, word=st.text("abcxyzN/A é,;'", min_size=1), data=st.data())
def test_fault_19_a_word_where_a_number_belongs_is_named_with_its_line(
    file, rows, word, data
):
    name = data.draw(st.sampled_from(["long", "lat", "country"]))
    line = data.draw(st.integers(2, len(rows) + 1))
    table = [["", "long", "lat", "country"]]
    table += [[i, *map(repr, row)] for i, row in enumerate(rows)]
    table[line - 1][table[0].index(name)] = word
    with open(file, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(table)
    message = refusal(file, file.read_bytes())
    assert message == f"line {line}: {name} is {word!r}, not a number"


@given(rows=rows, data=st.data())
def test_fault_19_a_ragged_row_is_named_with_its_line(file, rows, data):
    lines = course_csv(rows).splitlines(keepends=True)
    line = data.draw(st.integers(2, len(lines)))
    text, found = data.draw(
        st.sampled_from([("1,2.0,3.0\n", 3), ("1,2.0,3.0,4,5\n", 5), ("1\n", 1)])
    )
    lines[line - 1] = text
    message = refusal(file, "".join(lines))
    assert message == f"line {line} has {found} fields; the header has 4"


@pytest.mark.parametrize("missing", ["long", "lat", "country"])
def test_fault_19_a_missing_column_is_named_and_the_found_ones_listed(file, missing):
    message = refusal(file, course_csv(ROWS).replace(missing, "other", 1))
    assert message.startswith(f"has no column {missing}; found ['',")
    assert "'other'" in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column long; found []"),
        ("\n\n", "has no column long; found []"),
        (",long,lat,country\n", "has a header and no rows"),
        (",long,lat,country\n\n", "has a header and no rows"),
        (b"PK\x03\x04\xff\xfe", "is not UTF-8 at byte 4"),
        (',long,lat,country\n1,"2,3,4\n', "is not CSV: unexpected end of data"),
    ],
    ids=["empty", "blank", "header", "header and blank", "binary", "open quote"],
)
def test_fault_19_a_file_without_places_is_refused(file, text, reason):
    assert refusal(file, text) == reason


def test_fault_19_an_empty_cell_is_not_a_number(file):
    message = refusal(file, ",long,lat,country\n1,2.0,,3\n")
    assert message == "line 2: lat is '', not a number"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,1,2\n", "line 4 has 3 fields"),
        ("x,1,a,2\n", "line 4: lat is 'a', not a number"),
        ("x,1,91,2\n", "line 4: lat is 91"),
    ],
)
def test_a_quoted_line_break_counts_as_a_line(tmp_path, row, said):
    path = tmp_path / "places.csv"
    path.write_text(f'name,long,lat,country\n"a\nb",1,2,3\n{row}')
    with pytest.raises(ValueError, match=f"places.csv {said}"):
        EuropeDataset(path)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("long", "180.5", "±180 degrees"),
        ("long", "-1e9", "±180 degrees"),
        ("lat", "90.25", "±90 degrees"),
        ("lat", "nan", "±90 degrees"),
        ("long", "inf", "±180 degrees"),
        ("lat", "-inf", "±90 degrees"),
        ("country", "-1", "an integer of at least 0"),
        ("country", "0.5", "an integer of at least 0"),
        ("country", "nan", "an integer of at least 0"),
        ("country", "1e300", "an integer of at least 0"),
    ],
)
@given(rows=rows, data=st.data())
def test_fault_20_a_value_out_of_range_is_refused_with_its_line(
    file, name, text, rule, rows, data
):
    i = data.draw(st.integers(0, len(rows) - 1))
    damaged = [list(row) for row in rows]
    damaged[i][("long", "lat", "country").index(name)] = text
    message = refusal(file, course_csv(damaged))
    assert message.startswith(f"line {i + 2}: {name} is {float(text):g}; ")
    assert message.endswith(rule)


def test_fault_20_the_ends_of_every_range_are_places(file):
    rows = [(180.0, 90.0, 2**31 - 1), (-180.0, -90.0, 0)]
    assert_holds(read(file, course_csv(rows)), rows)
    message = refusal(file, course_csv([(0, 0, 2**31)]))
    assert message.endswith("an integer of at least 0")


def test_fault_20_further_bad_lines_are_counted(file):
    rows = [(0, 91, 0), (0, 45, 0), (0, -95, 0), (0, "nan", 0)]
    message = refusal(file, course_csv(rows))
    assert message.startswith("line 2: lat is 91")
    assert message.endswith("(and 2 more lines)")


def test_the_poles_and_the_date_line_are_places(file):
    rows = [(-180, -90, 0), (180, 90, 0)]
    assert_holds(read(file, course_csv(rows)), rows)


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train\.csv"):
        load_europe(tmp_path)


def test_fault_23_a_country_of_the_test_set_alone_is_named(tmp_path):
    test = [*blob_rows(9, seed=0), ("1.0", "2.0", 7)]
    write_places(tmp_path, test=test)
    with pytest.raises(ValueError, match=r"country 7 is not in train\.csv") as error:
        load_europe(tmp_path)
    assert str(tmp_path / "test.csv") in str(error.value)


def test_a_country_may_be_absent_from_the_test_set(tmp_path):
    write_places(tmp_path, test=[("0.5", "45.0", 0)])
    train, test = load_europe(tmp_path)
    assert (len(train), len(test)) == (300, 1)


@given(
    train=st.lists(st.tuples(longs, lats), min_size=2, max_size=30),
    other=st.lists(st.tuples(longs, lats), min_size=1, max_size=5),
)
def test_any_points_are_standardised_by_the_training_statistics_and_back(train, other):
    train, other = np.array(train, np.float32), np.array(other, np.float32)
    std = train.std(0, dtype=np.float64)
    assume((std > 0.1).all())  # where hardly anything varies, rounding shows
    scale = Standardization.fit(torch.from_numpy(train))
    x = scale.transform(torch.from_numpy(other))
    expected = (other - train.mean(0, dtype=np.float64)) / std
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(scale.inverse_transform(x).numpy(), other, atol=1e-4)


def test_training_points_have_mean_zero_and_deviation_one():
    features = torch.randn(1000, 2) * torch.tensor([9.0, 0.1]) + 50
    x = Standardization.fit(features).transform(features).double()
    assert x.mean(0).abs().max() < 1e-4
    assert x.std(0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.parametrize(
    "kind", [{"dtype": torch.float16}, {"device": "meta"}], ids=str
)
def test_standardised_points_stay_of_their_type_and_where_they_are(kind):
    scale = Standardization.fit(torch.randn(9, 2))
    features = torch.zeros(4, 2, **kind)
    for found in (scale.transform(features), scale.inverse_transform(features)):
        assert (found.dtype, found.device) == (features.dtype, features.device)


@pytest.mark.parametrize("value", [0.0, 0.1, -33.3])
def test_fault_21_a_coordinate_that_never_varies_is_refused(value):
    features = torch.stack([torch.randn(50), torch.full((50,), value)], 1)
    with pytest.raises(ValueError, match="every coordinate must vary, got std"):
        Standardization.fit(features)


@given(
    labels=st.lists(st.sampled_from([0, 3, 4, 9]), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
def test_class_means_are_the_means_of_each_class_in_order(labels, seed):
    features = torch.randn(
        len(labels), 2, generator=torch.Generator().manual_seed(seed)
    )
    labels = torch.tensor(labels)
    expected = [
        features.numpy()[labels.numpy() == k].mean(0) for k in np.unique(labels.numpy())
    ]
    found = class_means(features, labels)
    assert found.dtype == features.dtype
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.fixture(scope="module")
def europe():
    """Both built-in splits as they are loaded."""
    return load_europe(DATA_DIR)


@pytest.fixture(scope="module")
def built_in():
    """Rows (index, long, lat, country) of both built-in splits, by the csv module."""

    def rows(split):
        with open(DATA_DIR / f"{split}.csv", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["", "long", "lat", "country"]
        return [(int(i), float(x), float(y), int(c)) for i, x, y, c in rows]

    return rows("train"), rows("test")


def test_the_built_in_places_are_counted(europe, built_in):
    train, test = europe
    assert (len(train), len(test)) == (82_044, 10_239)
    for split, rows in zip((train, test), built_in, strict=True):
        assert_holds(split, [row[1:] for row in rows])


def test_both_built_in_splits_have_all_33_countries(built_in):
    for rows in built_in:
        assert {row[3] for row in rows} == set(range(33))


def test_no_place_is_in_both_splits(built_in):
    train, test = ([row[0] for row in rows] for rows in built_in)
    assert len(set(train) | set(test)) == len(train) + len(test)


def test_every_ninth_place_of_a_country_is_a_test_place(built_in):
    train, test = built_in
    tested = {row[0] for row in test}
    for country in range(33):
        ids = sorted(row[0] for row in train + test if row[3] == country)
        assert [i for i in ids if i in tested] == ids[8::9]


def test_the_country_table_is_alphabetical_and_numbered():
    with open(DATA_DIR / "countries.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["country"] for row in table] == [str(i) for i in range(33)]
    names = [row["name"] for row in table]
    assert names == sorted(names)
    assert len(set(names)) == 33


@pytest.mark.parametrize(
    ("name", "long", "lat"),
    [
        ("Greece", 23.73, 37.98),
        ("Great Britain", -0.13, 51.51),
        ("Italy", 12.5, 41.9),
        ("Norway", 10.75, 59.91),
        ("Portugal", -9.14, 38.72),
        ("Romania", 26.1, 44.43),
        ("Spain", -3.7, 40.42),
    ],
)
def test_the_places_around_a_capital_are_of_its_country(europe, name, long, lat):
    with open(DATA_DIR / "countries.csv", newline="") as file:
        number = {row["name"]: int(row["country"]) for row in csv.DictReader(file)}
    train, _ = europe
    near = (
        (train.features - torch.tensor([long, lat])).norm(dim=1).topk(9, largest=False)
    )
    assert near.values.max() < 0.5
    assert set(train.labels[near.indices].tolist()) == {number[name]}


def test_outlines_are_lines_between_gaps_in_and_around_europe():
    outlines = np.load(DATA_DIR / "outlines.npy")
    gaps = np.isnan(outlines)
    assert outlines.shape[1] == 2
    assert (gaps[:, 0] == gaps[:, 1]).all()
    assert not (gaps[:-1, 0] & gaps[1:, 0]).any()
    assert (np.nanmax(np.abs(outlines), axis=0) < [180.01, 90.01]).all()


def test_reading_a_table_calls_no_function_for_each_row(tmp_path):
    def calls(n_rows: int) -> int:
        """Count them: unlike seconds they do not depend on the neighbours."""
        folder = write_places(tmp_path / str(n_rows), train=blob_rows(n_rows, seed=1))
        events = []
        sys.setprofile(lambda _frame, event, _: events.append(event))
        EuropeDataset(folder / "train.csv")
        sys.setprofile(None)
        return sum("call" in event for event in events)

    assert calls(3000) < calls(300) + 100


@pytest.mark.packages
def test_the_built_in_files_are_rebuilt_byte_for_byte(tmp_path):
    shutil.copy(ROOT / "data" / "build_europe.py", tmp_path)
    result = run_python(tmp_path / "build_europe.py", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    for name in ("train.csv", "test.csv", "countries.csv", "outlines.npy"):
        assert (tmp_path / name).read_bytes() == (DATA_DIR / name).read_bytes(), name
