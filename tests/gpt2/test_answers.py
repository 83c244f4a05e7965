"""The pages and sentences that the numbers decide, from planted ones."""

import numpy as np

from gpt2 import answers


def test_sentences_stand_in_a_table_whatever_they_hold():
    page = answers.sentences_page({"The": ["a | b\n c <br>.", "x."], "I": ["y"]}, "us")
    assert page == (
        "# Five sentences of us for each of ten prefixes\n"
        "\n"
        "| prefix | sentences |\n"
        "|---|---|\n"
        "| The … | 1. a \\| b c &lt;br>.<br>2. x. |\n"
        "| I … | 1. y |\n"
    )


def test_an_opening_is_bold_and_what_the_model_adds_is_not():
    found = [("I saw\n it ", "twice | <i>."), ("No w", "ay.")]
    assert answers.continuations_page(found, "us") == (
        "# Openings of held-out reviews, continued by us\n"
        "\n"
        "The opening in bold; ¶ is where a review ends and another begins.\n"
        "\n"
        "**I saw it** twice \\| &lt;i>.\n"
        "\n"
        "**No w**ay.\n"
    )


ROWS = [
    {
        "horizon": 1, "temperature": 0.5, "blocks": False, "log_p": -1.234,
        "error": 0.056, "openings": ["One  |", "Two"], "texts": ["a\nb", "c"],
    },
    {
        "horizon": 2, "temperature": 0.25, "blocks": True, "log_p": -10.5,
        "error": 0.1, "openings": ["One  |", "Two"], "texts": ["d", "e"],
    },
]  # fmt: skip


def test_each_opening_has_what_every_horizon_writes():
    assert answers.ahead_page(ROWS, "us") == (
        "# What us writes with each horizon\n"
        "\n"
        "## One \\| …\n"
        "\n"
        "- horizon 1, T = 0.50: a b\n"
        "- horizon 2 in blocks, T = 0.25: d\n"
        "\n"
        "## Two …\n"
        "\n"
        "- horizon 1, T = 0.50: c\n"
        "- horizon 2 in blocks, T = 0.25: e\n"
    )


def test_what_horizons_write_has_its_likelihood_in_columns():
    assert answers.describe_ahead(ROWS) == (
        "                               nats per token     ±\n"
        "          horizon 1, T = 0.50           -1.23  0.06\n"
        "horizon 2 in blocks, T = 0.25          -10.50  0.10"
    )


def test_scores_are_summed_up_by_mean_and_deviation():
    scores = {"reviews": {"sum": np.array([1.0, 3.0]), "per_token": np.array([2.0])}}
    assert answers.summarize_scores(scores) == {
        "reviews": {
            "sum": {"mean": 2.0, "std": 1.0}, "per_token": {"mean": 2.0, "std": 0.0},
        }
    }  # fmt: skip


def test_the_sentences_say_the_numbers():
    found = {
        "bits_of_a_token": {"n_tokens": 50257, "bits": 15.617, "whole_bits": 16},
        "added_parameters": {"tied": {"added": 7482624}, "untied": {"added": 14965248}},
        "classifier": {
            "sum": {"accuracy": 0.98765, "threshold": -301.7, "area": 0.9876},
            "per_token": {"accuracy": 0.1, "threshold": 1.0, "area": 0.2},
        },
        "areas": {"lengths": [10, 50, 100], "shuffled words, sum": [0.625, 0.8, 0.948]},
        "product_against_joint": {
            "temperature": [0.5, 0.7, 1.0], "joint": [0.316, 0.2, 0.0],
        },
    }  # fmt: skip
    assert answers.verdicts(found) == [
        "A token of 50,257 takes 15.62 bits: 16 whole ones.",
        "With 60,000 tokens GPT-2 has 7,482,624 more parameters (14,965,248 with a "
        "head of its own).",
        "Random strings against language: 98.8% right with a threshold of -302 nats, "
        "area 0.988.",
        "Reviews against the same with their words shuffled: area 0.95 at 100 "
        "characters, 0.62 at 10 characters.",
        "The product of tempered conditionals is not the tempered joint: total "
        "variation 0.32 at T = 0.5, 0.00 at T = 1.",
    ]
