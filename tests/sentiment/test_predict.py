"""One's own reviews: where they are read, and what is said of each."""

import io
import sys

import numpy as np
import pytest
import torch

from machinery.errors import BadInput
from sentiment import predict
from sentiment.data import Lexicon
from sentiment.network import NgramNetwork
from sentiment.tokens import Ngrams, Vocabulary

NONE = Ngrams(np.array([], np.int64))


@pytest.fixture
def saved(monkeypatch, tmp_path):
    """A file of a network whose odds are 3 to the words' mean worth."""
    file = tmp_path / "model.pt"
    file.touch()
    words = {"good": 3.0, "bad": -1.0, "so": 0.0}
    vectors = torch.tensor([[0.0], [0.0], *([worth] for worth in words.values())])
    model = NgramNetwork(vectors, 0, 0, attention=False, n_blocks=0).eval()
    with torch.no_grad():
        model.head.weight.fill_(np.log(3))
        model.head.bias.fill_(0)
    names = Lexicon(Vocabulary(list(words)), torch.zeros(0, 2), NONE, NONE)

    def load_model(path):
        assert path == file
        return model, names

    monkeypatch.setattr(predict.runs, "load_model", load_model)
    return file


def test_reviews_are_the_lines_of_a_file_or_of_what_is_typed(tmp_path, monkeypatch):
    file = tmp_path / "mine.txt"
    file.write_text("good film\n \n\nbad\u2028 film", "utf-8")
    lines = ["good film", "bad\u2028 film"]
    assert predict.read_reviews(str(file)) == lines
    monkeypatch.setattr(sys, "stdin", io.StringIO("so\ngood\n"))
    assert predict.read_reviews("-") == ["so", "good"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(" \n"))
    with pytest.raises(BadInput, match="^- has no review; one is a line of text$"):
        predict.read_reviews("-")


def test_every_review_has_its_probability_and_the_words_that_moved_it(saved, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text(f"good bad so\nbad\nodd\nso so bad {'odd ' * 20}\n")
    # a mean worth of 2/3: the odds are 3 ** (2/3); without a word -1/2, 3/2 or 1
    assert list(predict.predict(str(file), saved)) == [
        "praise  67.5%  good bad so\n    good +1.28, bad -0.92, so -0.37",
        "blame  25.0%  bad\n    ",
        "undecided  50.0%  odd\n    ",
        f"blame  48.8%  so so bad {'odd ' * 12}od\n    bad -0.05, so +0.00",
    ]


def test_no_model_and_one_without_ngrams_are_said(saved, tmp_path, monkeypatch):
    file, missing = tmp_path / "mine.txt", tmp_path / "none.pt"
    file.write_text("good\n")
    with pytest.raises(BadInput, match=rf"^{missing} is missing: train one with"):
        next(predict.predict(str(file), missing))
    other = torch.nn.Linear(1, 1), None
    monkeypatch.setattr(predict.runs, "load_model", lambda path: other)
    with pytest.raises(BadInput, match=rf"^{saved} holds no n-gram network$"):
        next(predict.predict(str(file), saved))
