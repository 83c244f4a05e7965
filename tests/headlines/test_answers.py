"""The summary's numbers and the sentences that they decide."""

import json

import numpy as np
import pytest

from headlines import answers
from headlines.data import Corpus
from headlines.recipes import SIZES
from headlines.slicing import Leak

HEAT = {
    "curve": {"temperature": [0.5, 1.0, 2.0], "entropy": [1.0, 3.0, 4.0]},
    "drawn": [{"temperature": 1.0, "n_texts": 9}],
    "texts": {1.0: ["a"]},
}
FEW = {"n_few": 1000, "validation_nll": {"all": 90.0, "few": 120.5}}


def standing(*nlls, best, ngram):
    models = [
        {"size": n, "n_train": 4332 + n, "test": {"nll": nll}, "mixture": {"nll": 7.0}}
        for n, nll in enumerate(nlls, 1)
    ]
    ahead = nlls[best - 1] < ngram
    return {
        "models": models, "ngram": {"nll": ngram}, "best_size": best,
        "best_beats_ngram": ahead,
    }  # fmt: skip


def test_sentences_order_the_sizes_and_tell_the_best_of_them():
    """The best on validation, which need not be the best on the test set."""
    lines = answers.verdicts(standing(101, 99.5, 102, best=3, ngram=103.25), FEW, HEAT)
    assert lines == [
        "Test NLL in nats a text: size 2 (99.5) < size 1 (101.0) < size 3 (102.0); "
        "counting reaches 103.2.",
        "The best transformer, size 3, is below the n-gram by 1.2 nats a text; mixed "
        "with it, 7.0.",
        "On 1,000 texts instead of 4,335 the same size ends at 120.5 instead of 90.0 "
        "nats on validation.",
        "At temperature 1 the next character has 3.00 bits, 62% of a uniform one's: "
        "far from uniform.",
    ]
    other = answers.verdicts(standing(101, 99.5, best=2, ngram=90), FEW, HEAT)
    assert "size 2, is above the n-gram by 9.5 nats" in other[1]


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.69, ": far from uniform"), (0.7, ": not far from"), (1.0, ": not far from")],
)
def test_seven_tenths_of_a_uniform_one_s_bits_are_not_far_from_uniform(share, said):
    heat = {"curve": {"temperature": [1.0], "entropy": [share * np.log2(29)]}}
    line = answers.verdicts(standing(100, best=1, ngram=90), FEW, heat)[3]
    assert f"{share:.0%} of a uniform one's{said}" in line


def test_a_summary_is_plain_numbers_without_the_figures_arrays():
    found = standing(101, best=1, ngram=90)
    inside = {
        "neighbours": {"a": "eio"}, "vowels": {"among_vowels": 0.5},
        "order": {"whole_model": 0.1}, "first_compared": {"most": 0.2},
        "map": np.zeros((26, 2)), "first": {}, "reach": np.zeros((3, 4)), "line": "a",
    }  # fmt: skip
    corpus = Corpus({}, {}, ("46 texts read", "35 / 4 / 4"))
    drawn = {"size 1": list("abcdefghijk"), "size 2": ["z"]}
    leak = Leak([3.0, 2.0], [1.0], 2.5, 4.5)
    summary = answers.summarize(
        corpus,
        found,
        {"across": -0.5},
        inside,
        leak,
        HEAT,
        {"n_train": 1000},
        FEW,
        drawn,
    )
    assert json.loads(json.dumps(summary)) == {
        "units": "nll in nats a text, its end pad included; bits of it a character",
        "seeds": "one run of each size",
        "texts": ["46 texts read", "35 / 4 / 4"],
        "sizes": {
            str(n): {
                "num_neurons": size.num_neurons, "num_heads": size.num_heads,
                "num_blocks": size.num_blocks, "num_emb": size.num_emb,
            }
            for n, size in SIZES.items()
        },
        **found,
        "correlation": {"across": -0.5},
        "question_1": {
            "neighbours": {"a": "eio"}, "vowels": {"among_vowels": 0.5},
            "order": {"whole_model": 0.1}, "first_compared": {"most": 0.2},
            "leak": {
                "honest": [3.0, 2.0], "leaking": [1.0],
                "honest_uses": 2.5, "leaking_uses": 4.5,
            },
        },
        "few_texts": {"n_train": 1000, **FEW},
        "temperature": {"curve": HEAT["curve"], "drawn": HEAT["drawn"]},
        "verdicts": answers.verdicts(found, FEW, HEAT),
        "samples": {"size 1": list("abcdefgh"), "size 2": ["z"]},
    }  # fmt: skip
