"""Every claim agrees, and each question draws for itself."""

import pytest

from theory import (
    counting,
    divergence,
    monte_carlo,
    noise,
    prior,
    questions,
    regression,
    reversal,
    softmax_regression,
)
from theory.checks import Check
from theory.config import Config


@pytest.fixture
def recorded(monkeypatch):
    """Every experiment replaced by one that notes what it is given."""
    asked = {}

    def replace(module, figures: bool) -> None:
        name = module.__name__.split(".")[1]

        def experiment(*arguments):
            asked[name] = arguments
            checks = [Check(name, "claim", "1", "1", 0.0, 0.0)]
            return (checks, {"of": name}) if figures else checks

        monkeypatch.setattr(module, "experiment", experiment)

    for module in (regression, noise, prior, reversal, monte_carlo):
        replace(module, figures=True)
    for module in (divergence, softmax_regression, counting):
        replace(module, figures=False)
    return asked


def test_all_questions_are_asked_in_order(recorded):
    checks, shown = questions.ask(Config(seed=3, n_draws=1234))
    assert [check.question for check in checks] == list(recorded)
    assert list(recorded) == [
        "regression", "noise", "prior", "divergence", "softmax_regression", "counting",
        "reversal", "monte_carlo",
    ]  # fmt: skip
    figures = ("regression", "noise", "prior", "reversal", "monte_carlo")
    assert shown == {name: {"of": name} for name in figures}
    drawn = {name for name, arguments in recorded.items() if 1234 in arguments}
    assert drawn == {"regression", "noise", "monte_carlo"}


def test_each_question_has_a_generator_of_its_own(recorded):
    def seeds(seed: int) -> list[int]:
        questions.ask(Config(seed=seed))
        return [a[-1].initial_seed() for a in recorded.values() if a]

    assert seeds(0) == seeds(0)
    assert len(set(seeds(0) + seeds(1))) == 2 * 7


def test_a_summary_counts_the_claims_that_agree():
    checks = [
        Check("003-1", "one", "0", "0.5", error, 1.0) for error in (0.5, 1.0, 1.5)
    ]
    found = questions.summarize(checks)
    assert found["agreeing"] == 2
    assert found["sentence"] == "2 of 3 claims agree with what was measured"
    assert [c["agrees"] for c in found["checks"]] == [True, True, False]
    assert found["checks"][2] == {
        "question": "003-1", "claim": "one", "derived": "0", "measured": "0.5",
        "error": 1.5, "allowed": 1.0, "agrees": False,
    }  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_claim_agrees(seed):
    checks, shown = questions.ask(Config(seed=seed, n_draws=2000))
    assert [c for c in checks if not c.agrees] == []
    assert len(checks) > 20
    asked = {c.question.split()[0].rstrip("ab") for c in checks}
    assert asked == {
        "001-1", "001-2", "003-1", "003-2", "003-3", "003-4", "003-5",
    }  # fmt: skip
    assert set(shown) == {"regression", "noise", "prior", "reversal", "monte_carlo"}
