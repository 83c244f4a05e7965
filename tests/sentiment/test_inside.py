"""What the models look at: against their own forward pass, and planted effects."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sentiment import inside
from sentiment.data import Lexicon
from sentiment.model import MyTransformer
from sentiment.nb_svm import NbSvm
from sentiment.network import NgramNetwork
from sentiment.tokens import Ngrams, Vocabulary, choose_ngrams, number, pack

NONE = Ngrams(np.array([], np.int64))


def lexicon(words) -> Lexicon:
    return Lexicon(Vocabulary(words), torch.zeros(0, 2), NONE, NONE)


class Adds(torch.nn.Module):
    """A network whose logit is the sum of what the words that are there are worth."""

    def __init__(self, *worth: float):
        super().__init__()
        self.worth = torch.tensor(worth)
        self.bias = 0.0

    def forward(self, ids, there):
        assert not self.training
        assert (ids.shape[1:], there.dtype) == (there.shape, torch.bool)
        return (self.worth[ids[0]] * there).sum(1) + self.bias


def network() -> NgramNetwork:
    torch.manual_seed(0)
    model = NgramNetwork(torch.randn(12, 6), 3, 3, n_queries=2, n_blocks=2)
    for table in model.tables:
        torch.nn.init.normal_(table.weight)
    return model.train()


def transformer() -> MyTransformer:
    torch.manual_seed(0)
    return MyTransformer(torch.randn(12, 6), 8)


def test_what_a_word_looks_at_makes_the_attention_s_values():
    model, words = transformer(), torch.tensor([3, 5, 2, 7, 0, 0, 0, 0]).int()
    seen = torch.from_numpy(inside.block_attention(model, words))
    assert_close(seen.sum(1), torch.ones(8))
    x, attention = model.embedding(words.long()), model.blocks[0].attention
    assert_close(seen @ attention.w_v(x), attention(x))


def test_the_pooling_s_weights_are_those_of_the_forward_pass(monkeypatch):
    model, kept = network(), []
    ids = torch.tensor([[3, 5, 2, 7, 0, 0], [1, 2, 3, 0, 0, 0], [3, 1, 0, 0, 0, 0]])
    found = inside.pooling_weights(model, ids.int())
    weigh = model.weights

    def watched(x, there):
        kept.append(weigh(x, there))
        return kept[-1]

    monkeypatch.setattr(model, "weights", watched)
    with torch.no_grad():
        model.eval()(ids[:, None], ids[:1] != 0)
    assert found == pytest.approx(kept[0][0].mean(0).numpy(), rel=1e-6)
    assert found.sum() == pytest.approx(1, rel=1e-6)
    assert not found[4:].any()


def test_reviews_are_judged_by_their_words_and_one_without_any_is_undecided():
    words, texts = ["good", "bad"], ["good", "bad bad odd", "", "good odd"]
    model = Adds(100, 0.5, 2, -3)
    model.bias = 0.25  # what is said where nothing is
    said = inside.judge(model.train(), lexicon(words), number(texts))
    assert said.tolist() == [2.25, -5.25, 0, 2.75]
    alone = inside.judge(model.train(), lexicon(words), number(["odd good"]))
    assert alone.tolist() == [2.75]


def test_a_word_moves_a_logit_by_what_it_is_worth_wherever_it_stands():
    words = ["good", "bad", "so", "dull", "a", "b", "c"]
    model = Adds(100, 50, 2, -3, 0.5, -4, 0.25, 0.125, 1).train()
    text = "so good a b so good odd bad c dull good"
    moved = inside.moved(model, lexicon(words), text)
    assert moved == [("good", 6), ("dull", -4), ("bad", -3), ("so", 1), ("c", 1)]
    every = inside.moved(model, lexicon(words), text, 9)
    assert every == [*moved, ("a", 0.25), ("b", 0.125)]


def test_of_one_word_nothing_is_left_to_compare_with():
    model = Adds(0, 0, 2, -3)
    assert inside.moved(model, lexicon(["good", "bad"]), "good") == []
    moved = inside.moved(model, lexicon(["good", "bad"]), "good bad")
    assert moved == [("bad", -3), ("good", 2)]


def test_words_alone_are_those_met_fifty_times_from_both_ends():
    model = Adds(9, 9, 1, -2, 3, 8, 0.5).train()
    names = lexicon(["one", "minus", "three", "rare", "half"])
    counts = np.array([50, 80, 70, 49, 60])
    found = inside.words_alone(model, names, counts, 3)
    assert found == {
        "praise": [("three", 3), ("one", 1), ("half", 0.5)],
        "blame": [("minus", -2), ("half", 0.5), ("one", 1)],
    }
    many = Adds(0, 0, *range(30))
    found = inside.words_alone(
        many, lexicon([str(i) for i in range(30)]), np.full(30, 50)
    )
    assert found["praise"] == [(str(i), i) for i in range(29, 17, -1)]
    assert found["blame"] == [(str(i), i) for i in range(12)]


def test_a_word_alone_has_no_ngrams_and_is_there():
    class Asks(Adds):
        def forward(self, ids, there):
            assert ids.shape == (3, 2, 1)
            assert not ids[1:].any()
            assert there.all()
            return super().forward(ids, there)

    inside.words_alone(Asks(0, 0, 1, 2), lexicon(["a", "b"]), np.array([50, 51]))


def yardstick(texts, effects) -> tuple[NbSvm, Lexicon]:
    """An NB-SVM of which each n-gram has one of the effects."""
    found = number(texts)
    encoded = Vocabulary(found.words).encode(found)
    ngrams = [choose_ngrams(pack(encoded, found, order), 1) for order in (1, 2, 3)]
    signs = np.where(np.arange(len(effects)) % 2, 1, -1)
    svm = NbSvm(ngrams, 2.0 * signs, np.array(effects) * signs / 2, 0.0, 1.0)
    return svm, lexicon(found.words)


def test_telling_ngrams_are_spelt_and_come_from_both_ends():
    # not, so, good, bad | not good, so bad | not so good
    svm, names = yardstick(["not so good", "bad"], [1, -1, 3, -4, 0.5, -2, 5])
    ngrams = [("not so", 0.5), ("so good", -2), ("not so good", 5)]
    words = [("not", 1), ("so", -1), ("good", 3), ("bad", -4)]
    wanted = sorted([*words, *ngrams], key=lambda pair: pair[1])
    found = inside.telling_ngrams(svm, names, 3)
    assert found == {"praise": wanted[:3:-1], "blame": wanted[:3]}
    assert inside.telling_ngrams(svm, names) == {
        "praise": wanted[::-1], "blame": wanted,
    }  # fmt: skip
    texts = [chr(ord("a") + i) for i in range(20)]
    found = inside.telling_ngrams(*yardstick(texts, range(20)))
    assert [len(part) for part in found.values()] == [12, 12]


def test_the_first_review_of_about_a_picture_s_length_is_shown():
    texts = ["a " * n for n in (24, 90, 22, 26, 10, 24)]
    assert inside.short_review(texts, np.array([1, 2, 3, 4])) == 2
    assert inside.short_review(texts, np.array([1, 5, 0])) == 5


def test_a_picture_holds_what_each_model_looks_at_in_the_first_words(monkeypatch):
    monkeypatch.setattr(inside, "SHOWN", 3)
    assignment, best = transformer(), network()
    words = torch.tensor([3, 5, 2, 7, 4, 0, 0, 0])
    ids = torch.stack([words, torch.zeros(8).long(), torch.zeros(8).long()])
    found = inside.picture(assignment, best, words, ids, list("abcde"))
    seen = inside.block_attention(assignment, words)
    assert found["tokens"] == ["a", "b", "c"]
    assert (found["block"] == seen[:3, :3]).all()
    # of what each of the five words looks at, the three pads' part
    on_pads = np.mean([seen[i, 5] + seen[i, 6] + seen[i, 7] for i in range(5)])
    assert found["on_pads"] == pytest.approx(on_pads, rel=1e-6)
    assert (found["pooling"] == inside.pooling_weights(best, ids)[:3]).all()
    assert inside.picture(None, None, words, ids, ["a"]) == {"tokens": ["a"]}
