"""The questions on the GPT-2 course's functions."""

import pytest

from grading.classes import NotOffered
from tests.contract.gpt2_probe import (
    CLASSIFIER,
    LIKELIHOOD,
    check_classifier,
    check_likelihood,
)
from tests.contract.temperature_probe import NAME, check_one, check_top_k, check_two

SECTION = "GPT-2: likelihood and temperature"
VALUE = f"{LIKELIHOOD}: of a text"


def question(title: str, *needs: str, file: str = NAME):
    return pytest.mark.question(title, file=file, needs=needs)


@pytest.mark.question(
    "the GPT-2 functions can be imported",
    file=f"{LIKELIHOOD} or {CLASSIFIER} or {NAME}",
)
def test_gpt2_imports(solution, remark):
    solution.check_imports(LIKELIHOOD, CLASSIFIER, NAME, remark=remark)


@question(VALUE, file=LIKELIHOOD)
def test_gpt2_likelihood(solution, remark):
    check_likelihood(solution, remark)


@question(f"{CLASSIFIER}: random strings and language", file=CLASSIFIER)
def test_gpt2_classifier(solution):
    try:
        check_likelihood(solution, lambda text: None)
    except NotOffered:  # it may do without
        pass
    except Exception:  # a question of its own
        raise NotOffered(f"until {VALUE!r} passes") from None
    check_classifier(solution)


@question(f"{NAME}: horizon 1")
def test_gpt2_temperature(solution):
    check_one(solution)


@question(f"{NAME}: horizon 2")
def test_gpt2_horizon(solution):
    check_two(solution)


@question(f"{NAME}: horizon 2 with top-k", "test_gpt2_horizon")
def test_gpt2_top_k(solution):
    check_top_k(solution)
