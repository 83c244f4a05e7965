"""The sentences follow the numbers, whichever way they fall."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from headlines import answers, experiment, plots, questions, runs, sampling, slicing
from headlines import parts as room_parts
from headlines.config import Config
from headlines.data import NUM_TOKEN_VALS, Tokenizer, make_corpus
from headlines.recipes import SIZES, Size
from headlines.temperature import TEMPERATURES
from headlines.yardstick import Counted as RealCounted

UP = [1.0, 2.0, 3.0, 4.0]


def test_pearson_by_hand():
    assert questions.pearson(UP, [2, 4, 6, 8]) == pytest.approx(1)
    assert questions.pearson(UP, [4, 3, 2, 1]) == pytest.approx(-1)
    assert questions.pearson([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)
    assert math.isnan(questions.pearson([1, 2], [1, 2]))
    assert math.isnan(questions.pearson([1, 1, 1], [1, 2, 3]))
    assert math.isnan(questions.pearson([1, 2, 3], [1, 1, 1]))
    # 2 / sqrt(5 * 4); the second has a standard deviation of 1
    assert questions.pearson(UP, [0, 2, 0, 2]) == pytest.approx(0.2**0.5)


class Rows:
    def __init__(self, nll, top1):
        self.rows = [
            {"validation_nll": a, "validation_top1": b}
            for a, b in zip(nll, top1, strict=True)
        ]


def test_a_common_trend_hides_that_the_steps_disagree():
    nll = np.array([100, 91, 80, 71, 60, 51, 40], float)
    noise = np.array([0, 1, 0, 1, 0, 1, 0])
    found = questions.correlation(Rows(nll, (100 - nll + 3 * noise) / 100))
    assert found["r"] < -0.99
    assert found["r_of_changes"] > found["r"] + 0.3
    assert found["n"] == 7


def test_correlations_along_each_training_and_across_the_models():
    trained = {1: Rows([4, 3, 1], [0.1, 0.2, 0.4]), 3: Rows([3, 2, 1], [0.1, 0.3, 0.2])}
    tests = [(120, 0.5), (110, 0.6), (100, 0.55)]
    results = [{"test": {"nll": nll, "top1": top1}} for nll, top1 in tests]
    found = questions.correlations(trained, results)
    assert found["across"] == pytest.approx(-0.5)
    assert {size: row["r"] for size, row in found["along"].items()} == {
        "1": pytest.approx(-1), "3": pytest.approx(-0.5),
    }  # fmt: skip


def result(size, nll, mixed):
    part = {"nll": nll, "bits": nll / 40, "top1": 0.5, "error": 1.0}
    return {
        "size": size, "n_train": 4332, "n_parameters": 10**size, "best_epoch": 3,
        "validation": part, "test": part, "mixture": {"nll": mixed},
    }  # fmt: skip


class Counted:
    order, scale = 4, 1.0


def stand(monkeypatch, nlls, mixed, ngram):
    monkeypatch.setattr(
        questions, "measure_lines", lambda *_: {"nll": ngram, "bits": 2.0, "error": 1.0}
    )
    Counted.log_probs = {"test": None, "validation": None}

    class Corpus:
        tokens = Counted.log_probs

    results = [result(i, nll, mixed) for i, nll in enumerate(nlls, 1)]
    return questions.standing(results, Counted, Corpus)


@pytest.mark.parametrize(
    ("nlls", "mixed", "ngram", "best", "expected"),
    [
        ([120, 110], 95, 100, 2, (False, True, True)),
        ([90, 95], 88, 100, 1, (True, True, False)),
        ([120, 110], 100, 100, 2, (False, False, True)),
        ([100], 95, 100, 1, (False, True, False)),  # one size falls to nowhere
        ([110, 110], 95, 100, 1, (False, True, False)),
    ],
)
def test_who_is_ahead(monkeypatch, nlls, mixed, ngram, best, expected):
    found = stand(monkeypatch, nlls, mixed, ngram)
    assert found["best_size"] == best
    names = ("best_beats_ngram", "mixture_beats_both", "larger_is_better")
    assert tuple(found[name] for name in names) == expected
    table = questions.describe_standing(found)
    assert table.count("\n") == len(nlls) + 1
    assert f"{nlls[0]:.2f}" in table


def test_the_n_gram_stands_by_its_own_numbers_of_each_split():
    """Lines of two and one characters, whose targets are those and the pads that end
    them; two nats for each on the test lines, three on validation."""
    test = torch.from_numpy(Tokenizer().encode(["ab", "a"]))
    tokens = {"test": test, "validation": test[[0, 0]]}
    paid = (np.arange(test.shape[1] - 1) <= [[2], [1]]).astype(float)
    counted = RealCounted(4, 0.75, {"test": -2 * paid, "validation": -3 * paid[[0, 0]]})
    corpus = SimpleNamespace(tokens=tokens)
    assert questions.standing([result(1, 4, 5)], counted, corpus)["ngram"] == {
        "order": 4, "scale": 0.75,
        "nll": pytest.approx(5), "error": pytest.approx(1),
        "bits": pytest.approx(10 / math.log(2) / 3), "validation_nll": pytest.approx(9),
    }  # fmt: skip


def test_the_table_as_text():
    found = {
        "models": [result(1, 120.25, 101), result(2, 110, 95.5)],
        "ngram": {"order": 4, "nll": 104.8, "bits": 2.25},
    }
    table = questions.describe_standing(found)
    assert [row.split() for row in table.splitlines()] == [
        ["weights", "epoch", "nats", "a", "text", "bits", "top-1", "with", "n-gram"],
        ["size", "1", "10", "3", "120.25", "3.006", "50.0%", "101.00"],
        ["size", "2", "100", "3", "110.00", "2.750", "50.0%", "95.50"],
        ["n-gram", "of", "5", "104.80", "2.250"],
    ]


def test_verdicts_say_which_side(monkeypatch):
    few = {"n_few": 1000, "validation_nll": {"all": 90.0, "few": 120.0}}
    heat = {"curve": {"temperature": [0.5, 1.0], "entropy": [1.0, 2.0]}}
    below = answers.verdicts(stand(monkeypatch, [90, 95], 88, 100), few, heat)
    above = answers.verdicts(stand(monkeypatch, [120, 110], 95, 100), few, heat)
    assert "size 1 (90.0) < size 2 (95.0)" in below[0]
    assert "size 1, is below the n-gram by 10.0" in below[1]
    assert "size 2, is above the n-gram by 10.0" in above[1]
    assert "On 1,000 texts instead of 4,332" in below[2]
    assert "2.00 bits, 41% of a uniform" in below[3]


def texts_of(figure):
    return [
        text.get_text()
        for axes in figure.axes
        for text in (axes.xaxis.label, axes.yaxis.label)
    ]


def rows(n):
    return [
        {"epoch": i, "validation_nll": 100 - i, "validation_top1": i / 100}
        for i in range(1, n + 1)
    ]


ROWS = {"size 1": rows(4), "size 2 on 10 texts": rows(2)}
FIGURES = {
    "curves": lambda: plots.learning_curves(
        ROWS, {"size 1": plots.BLUE, "size 2 on 10 texts": plots.ORANGE}, 99
    ),
    "standing": lambda: plots.standing([result(1, 100, 90)], {"nll": 95}),
    "correlation": lambda: plots.correlation(
        {1: rows(4), 2: rows(1)},
        {"1": {"r": -1, "r_of_changes": 0.1},
         "2": {"r": math.nan, "r_of_changes": math.nan}},
    ),
    "temperature": lambda: plots.temperature(
        {"temperature": [0.1, 0.5, 1], "entropy": [0, 1, 2], "nll": [900, 110, 100]},
        [{"temperature": 1, "n_texts": 9, "real_words": 0.4, "distinct_texts": 8}],
    ),
    "letters": lambda: plots.letters(np.eye(2), "ab", frozenset("a")),
    "first": lambda: plots.first_characters(
        {name: np.full(29, 1 / 29) for name in ("model", "drawn", "data")}
    ),
    "reach": lambda: plots.reach(np.tril(np.ones((3, 4))), "a b"),
    "leak": lambda: plots.leak([3, 2], [1, 0]),
    "why": lambda: plots.why(
        {"exercise": [3.0] * 40, "warm-up": [2.0] * 40}, 2.9,
        [{"inputs": 10**n, "moved": n} for n in (1, 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FIGURES))
def test_every_panel_of_a_figure_says_what_its_axes_are(name):
    figure = FIGURES[name]()
    figure.canvas.draw()
    labels = texts_of(figure)
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    ticks = 1 if name == "standing" else 0  # its rows are named at the ticks
    assert sum(map(bool, labels)) >= 2 * len(panels) - ticks


TINY = {n: Size(num_neurons=2, num_heads=2, num_blocks=1, num_emb=4 * n) for n in SIZES}


@pytest.fixture
def corpus(monkeypatch):
    monkeypatch.setattr("headlines.cleaning.lemmatizer", lambda: lambda w, lang: w)
    monkeypatch.setattr(runs, "SIZES", TINY)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    # words of "a" to "h" and "i" to "p", one to five of them: 2 to 25 characters
    pairs = [(a, b) for a in "abcdefgh" for b in "ijklmnop"]
    return make_corpus(
        "mine",
        [" ".join([f"q{a}{b}z"] * (i % 5 + 1)) for i, (a, b) in enumerate(pairs)],
    )


def planted_run(corpus, size=1, ends=None, n_train=None, seed=42) -> runs.Run:
    """A run as after three epochs, the second of them its best, not the weights that it
    has now. With ends the best ones say, whatever came before: the text ends here, at
    e^ends to one for each of the other 28 tokens."""
    settings = Config(n_few=20, n_evaluated=64, seed=seed)
    run = runs.start(
        f"size_{size}", size, settings, corpus, torch.device("cpu"), n_train
    )
    run.rows = [
        {"train_loss": 9 - i, "validation_nll": 100 - 10 * size + x}
        for i, x in enumerate((2, 0, 1))
    ]
    run.epoch, run.best_epoch = 3, 2
    best = {name: p.clone() for name, p in run.model.state_dict().items()}
    if ends is not None:
        best["logits.0.weight"].zero_()
        best["logits.0.bias"].zero_()[0] = ends
    run.best = best
    with torch.no_grad():
        for p in run.model.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(size)))
    return run


def uniform(corpus) -> RealCounted:
    """An n-gram that finds all 29 tokens alike."""
    log_probs = {}
    for split in ("validation", "test"):
        tokens = corpus.tokens[split].numpy()
        n = (tokens[:, 1:] > 0).sum(1, keepdims=True)
        paid = np.arange(tokens.shape[1] - 1) <= n
        log_probs[split] = -math.log(NUM_TOKEN_VALS) * paid
    return RealCounted(3, 1.0, log_probs)


def test_a_model_s_numbers_are_those_of_its_distributions(corpus):
    model = runs.best_model(planted_run(corpus))
    with torch.no_grad():  # sure of some letters: right at times, and never all along
        model.logits[0].weight.mul_(20)
    found = questions.measure(corpus.tokens, uniform(corpus), model)
    for split in ("validation", "test"):
        tokens = corpus.tokens[split]
        with torch.no_grad():
            log_p = model.transformer_forward(tokens)[:, :-1].double()
        target = tokens[:, 1:]
        each = log_p.gather(2, target[:, :, None])[:, :, 0]
        right, letters = log_p.argmax(2) == target, target > 0
        nll = [
            -row[: int(n) + 1].sum()
            for row, n in zip(each, letters.sum(1), strict=True)
        ]
        assert found[split]["nll"] == pytest.approx(np.mean(nll), rel=1e-5)
        assert found[split]["top1"] == right[letters].double().mean()
    padded = (1 + right.double().mean(1).sum()) / len(tokens)
    assert found["test"]["padded_nll"] == pytest.approx(
        -each.sum(1).mean().item(), 1e-5
    )
    assert found["test"]["padded_rec"] == pytest.approx(padded.item())
    assert "padded_nll" not in found["validation"]
    gain = found["test"]["nll"] - found["mixture"]["nll"]
    assert found["mixture"]["weight"] < 0.5
    assert gain > 0


def test_trained_runs_are_assessed_in_their_order(corpus):
    trained = [planted_run(corpus, size, n_train=10 * size) for size in (1, 2, 3)]
    rows = questions.assess(trained, uniform(corpus))
    assert questions.assess(trained[:1], uniform(corpus)) == rows[:1]
    for size, row, run in zip((1, 2, 3), rows, trained, strict=True):
        assert (row["size"], row["n_train"]) == (size, 10 * size)
        assert (row["epochs"], row["best_epoch"]) == (3, 2)
        shapes = [math.prod(p.shape) for p in run.model.state_dict().values()]
        assert row["n_parameters"] == sum(shapes)
        best = runs.best_model(planted_run(corpus, size))
        assert (
            row["test"]
            == questions.measure(corpus.tokens, uniform(corpus), best)["test"]
        )


def test_texts_to_look_at_are_the_best_weights_at_temperature_1(corpus):
    # a text is empty with probability e^7 / (e^7 + 28) = 97.5 %, 54 % at temperature 2
    drawn = questions.write_texts(planted_run(corpus, ends=7.0))
    assert len(drawn) == 64
    assert 57 <= drawn.count("") < 64
    other = [
        questions.write_texts(planted_run(corpus, ends=3.0, seed=n)) for n in (1, 1, 2)
    ]
    assert other[0] == other[1] != other[2]


def test_what_is_seen_inside_is_of_the_best_weights(corpus, monkeypatch):
    asked = []
    effect = room_parts.effect_of_order
    monkeypatch.setattr(
        room_parts,
        "effect_of_order",
        lambda *given: asked.append(given) or effect(*given),
    )
    drawn = ["ab", "ab", "b", ""]
    run = planted_run(corpus)
    found = questions.look_inside(run, drawn)
    model = runs.best_model(planted_run(corpus))
    similarity = room_parts.letter_similarity(model)
    assert found["neighbours"] == room_parts.neighbours(similarity)
    assert found["vowels"] == room_parts.vowels_apart(similarity)
    np.testing.assert_array_equal(found["map"], room_parts.letter_map(model))
    ((_, tokens, length, seed),) = asked
    assert tokens is corpus.tokens["validation"]
    assert (length, seed) == (20, 42)
    assert found["order"] == effect(model, tokens, 20, 42)
    assert found["first"]["drawn"][:3].tolist() == [0.25, 0.5, 0.25]
    assert found["first"]["data"].nonzero()[0].tolist() == [17]  # all begin with q
    assert found["first_compared"] == sampling.compare(found["first"], 4)
    # the line nearest thirty characters is the longest here; its end is shown as well
    longest = max(corpus.texts["validation"], key=len)
    assert found["line"] == longest
    shown = torch.from_numpy(Tokenizer().encode([longest]))[0, : len(longest) + 2]
    np.testing.assert_allclose(
        found["reach"], slicing.gradient_reach(model, shown), rtol=1e-5
    )


def test_the_past_of_short_lines_is_shuffled_as_far_as_they_reach(corpus, monkeypatch):
    asked = []
    monkeypatch.setattr(
        room_parts, "effect_of_order", lambda *given: asked.append(given[2])
    )
    short = torch.from_numpy(Tokenizer().encode(["abc", "ab"]))
    tokens = corpus.tokens | {"validation": short}
    run = planted_run(replace(corpus, tokens=tokens))
    found = questions.look_inside(run, ["ab"])
    assert found["line"] == "abc"
    assert found["reach"].shape == (4, 5)  # the three, and the pad that ends them
    assert asked == [3]


def test_the_leak_is_shown_on_the_smallest_size_and_thirty_characters(
    corpus, monkeypatch
):
    asked = []
    monkeypatch.setattr(slicing, "compare_slices", lambda *given: asked.append(given))
    questions.leak(planted_run(corpus, size=2))
    ((build, train, validation, epochs, seed),) = asked
    assert (epochs, seed) == (2, 42)
    assert train.equal(corpus.tokens["train"][:, :31])
    assert validation.equal(corpus.tokens["validation"][:, :31])
    model = build()
    assert model.num_emb == SIZES[1].num_emb
    assert model.pre_norm == planted_run(corpus).recipe.pre_norm


def test_heat_of_a_model_that_finds_all_tokens_alike(corpus):
    found = questions.heat(planted_run(corpus, ends=0.0))
    curve = found["curve"]
    assert curve["temperature"] == sorted({0.01, *(i / 10 for i in range(1, 21))})
    assert curve["entropy"] == pytest.approx([math.log2(29)] * 21)
    targets = np.mean([len(text) + 1 for text in corpus.texts["validation"]])
    assert curve["nll"] == pytest.approx([targets * math.log(29)] * 21, rel=1e-5)
    assert [row["temperature"] for row in found["drawn"]] == list(TEMPERATURES)
    assert [row["n_texts"] for row in found["drawn"]] == [64] * 5
    assert found["texts"].keys() == set(TEMPERATURES)


def test_the_heat_s_words_are_real_where_the_training_texts_have_them(corpus):
    known = replace(
        corpus, texts=corpus.texts | {"train": list("abcdefghijklmnopqrst")}
    )
    run = planted_run(known, ends=2.0)
    real = questions.heat(run)["drawn"][-1]["real_words"]
    assert 0 < real < 1
    assert questions.heat(planted_run(corpus, ends=2.0))["drawn"][-1]["real_words"] == 0
    again, other = (planted_run(corpus, ends=2.0, seed=n) for n in (42, 43))
    assert questions.heat(again)["texts"] == questions.heat(run)["texts"]
    assert questions.heat(other)["texts"] != questions.heat(run)["texts"]


def test_fewer_texts_are_compared_with_the_best_size(corpus):
    trained = {size: planted_run(corpus, size) for size in (1, 2)}
    few = planted_run(corpus, 2, ends=12.0, n_train=20)
    few.rows = [{"train_loss": 7 - i, "validation_nll": 200 + i} for i in range(3)]
    word = corpus.texts["train"][0].split()[0]
    drawn = [f"{word} no", f"{word} no", "no", *[""] * 97]
    found = questions.compare_few(trained, few, drawn)
    assert experiment.best_run(trained) is trained[2]
    assert found["n_few"] == 20
    assert found["validation_nll"] == {"all": 80, "few": 201}
    assert found["train_loss"] == {"all": 7, "few": 5}
    assert found["texts"]["all"]["real_words"] == 2 / 5
    # on few it says nothing at temperature 1, and would at 2
    assert found["texts"]["few"]["n_texts"] == 100
    assert found["texts"]["few"]["n_words"] == 0


def test_texts_drawn_on_few_are_measured_against_the_training_words(corpus):
    known = replace(
        corpus, texts=corpus.texts | {"train": list("abcdefghijklmnopqrst")}
    )
    trained, few = {1: planted_run(known)}, planted_run(known, ends=2.0)
    found = questions.compare_few(trained, few, [""] * 64)["texts"]["few"]
    assert 0 < found["real_words"] < 1
