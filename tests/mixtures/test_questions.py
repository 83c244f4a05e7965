"""The judgement of the starts and the tables, on planted curves."""

import numpy as np
import pytest

from mixture_models import GMM
from mixtures import questions
from mixtures.plan import STARTS, Plan
from mixtures.runs import Run, Runs


def planted(leads, random=-3.0, n_epochs=51) -> tuple[Plan, Runs]:
    """Runs of both starts; country minus random ends at each seed's lead."""
    runs = {}
    for seed, lead in enumerate(leads, 42):
        for start, final in (("random", random), ("country", random + lead)):
            curve = np.linspace(random - 1, final, n_epochs)
            rows = [{"test_log_likelihood": float(value)} for value in curve]
            runs[1, start, seed] = Run(GMM(1), start, seed, rows)
    return Plan(1, range(42, 42 + len(leads))), runs


def judged(leads) -> tuple[dict, str]:
    summary = questions.compare_starts(*planted(leads))
    return summary, questions.describe_starts(summary)


@pytest.mark.parametrize(
    ("leads", "winner", "loser"),
    [
        ([0.03, 0.01, 0.02, 0.01, 0.03], "country", "random"),
        ([-0.03, -0.01, -0.02, -0.01, -0.03], "random", "country"),
    ],
)
def test_a_start_that_wins_in_every_seed_is_named(leads, winner, loser):
    _, text = judged(leads)
    verdict = text.splitlines()[-1]
    assert f"the {winner} start did better in every seed" in verdict
    assert f"the {loser} start did better" not in text
    assert "0.0200 ± 0.0100 nats per place" in verdict


@pytest.mark.parametrize(
    "leads", [[0.5, -0.01, 0.5], [-0.5, 0.01, -0.5], [0.5, 0.0, -0.5]]
)
def test_a_mixed_result_is_not_called_a_win(leads):
    summary, text = judged(leads)
    ahead = sum(lead > 0 for lead in leads)
    assert summary["lead"][-1]["ahead"] == ahead
    assert "neither start wins in every seed" in text
    assert f"ahead in {ahead} of 3" in text.splitlines()[-1]
    assert "did better" not in text


def test_the_end_decides_whoever_led_before():
    plan, runs = planted([0.1, 0.2])
    for seed in plan.seeds:
        random, country = (runs[1, start, seed].rows for start in STARTS)
        random[:-1], country[:-1] = country[:-1], random[:-1]
    summary = questions.compare_starts(plan, runs)
    assert [lead["ahead"] for lead in summary["lead"]] == [0, 0, 0, 0, 0, 2]
    assert summary["winner"] == "country"


def test_leads_are_country_minus_random_at_the_shown_epochs():
    plan, runs = planted([0.1, 0.3])
    assert questions.start_curves(plan, runs).shape == (2, 2, 51)
    summary = questions.compare_starts(plan, runs)
    assert summary["seeds"] == [42, 43]
    assert [lead["epoch"] for lead in summary["lead"]] == [1, 10, 20, 30, 40, 50]
    last = summary["lead"][-1]
    assert last["mean"] == pytest.approx(0.2)
    assert last["std"] == pytest.approx(0.1 * np.sqrt(2))  # of a sample of two
    assert summary["lead"][2]["mean"] == pytest.approx(0.2 * 20 / 50)


def test_the_final_values_are_summarised_by_start():
    final = questions.compare_starts(*planted([0.1, 0.5, 0.2]))["final"]
    assert final["random"] == {"lowest": -3.0, "median": -3.0, "highest": -3.0}
    assert list(final["country"].values()) == pytest.approx([-2.9, -2.8, -2.5])


def test_one_seed_has_no_spread():
    summary, text = judged([0.25])
    assert summary["lead"][-1]["std"] == 0
    assert "nan" not in text


@pytest.mark.parametrize(
    ("leads", "winner", "verdict"),
    [
        ([0.5, 0.5], "country", "In the end the country start did better in every"),
        ([-200.0], "random", "every seed, by 200 ± 0 nats per place."),
        ([0.5, -0.5], None, "ahead in 1 of 2, by +0.0000 ± 0.7071 nats per place."),
        ([0.0, -0.5], None, "neither start wins in every seed"),
        ([0.0, 0.0], None, "In the end both starts are equal."),
    ],
)
def test_the_summary_names_the_winner_and_holds_the_verdict(leads, winner, verdict):
    summary, text = judged(leads)
    assert summary["winner"] == winner
    assert verdict in summary["verdict"]
    assert summary["verdict"].endswith(".")
    assert text.endswith(summary["verdict"])


def test_a_table_has_a_line_per_run_with_its_last_numbers():
    _, runs = planted([0.25])
    lines = questions.table(list(runs.values()), ["test_log_likelihood"]).splitlines()
    assert [line.split() for line in lines] == [
        ["K", "start", "seed", "test", "log", "likelihood", "seconds"],
        ["1", "random", "42", "-3.0000", "0.0"],
        ["1", "country", "42", "-2.7500", "0.0"],
    ]


def test_the_summary_holds_every_run_s_last_numbers(loaded):
    plan, runs = planted([0.25])
    starts = questions.compare_starts(plan, runs)
    summary = questions.summarise(loaded, runs, starts)
    assert (summary["n_train"], summary["n_test"]) == (300, 60)
    finals = [run["test_log_likelihood"] for run in summary["runs"]]
    assert finals == pytest.approx([-3.0, -2.75])
    assert summary["starts"] is starts
    assert [run["seconds"] for run in summary["runs"]] == [0.0, 0.0]
    assert summary["units"] == "nats per place, of standardised coordinates"


def test_the_lead_is_told_epoch_by_epoch():
    starts = questions.compare_starts(*planted([0.1, 0.3], n_epochs=11))
    assert questions.describe_starts(starts).splitlines() == [
        "country start minus random start, test set, mean ± std of 2 seeds:",
        "  epoch   1: +0.0200 ± 0.0141 nats per place, country ahead in 2 of 2",
        "  epoch  10: +0.2000 ± 0.1414 nats per place, country ahead in 2 of 2",
        "  In the end the country start did better in every seed, "
        "by 0.2000 ± 0.1414 nats per place.",
    ]


def test_the_answer_has_a_line_for_each_count_and_the_country_start_then_the_leads():
    plan, runs = planted([0.25], n_epochs=2)
    for n in (10, 5):
        rows = [{"test_log_likelihood": -1.0 / n}]
        runs[n, "random", 42] = Run(GMM(n), "random", 42, rows, seconds=float(n))
    starts = questions.compare_starts(plan, runs)
    text = questions.describe(plan, runs, ["test_log_likelihood"], starts)
    head, *lines, gap, rest = text.split("\n", 7)
    assert head == "log-likelihood in nats per place, of standardised coordinates:"
    assert [line.split() for line in lines[1:]] == [
        ["1", "random", "42", "-3.0000", "0.0"],
        ["5", "random", "42", "-0.2000", "5.0"],
        ["10", "random", "42", "-0.1000", "10.0"],
        ["1", "country", "42", "-2.7500", "0.0"],
    ]
    assert (gap, rest) == ("", f"{questions.describe_starts(starts)}\n")


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (-99.99994, 1.0, "-99.9999 ± 1.0000 nats per place"),
        (100.0, 1234.4, "100 ± 1,234 nats per place"),
        (-100.2, 0.0, "-100 ± 0 nats per place"),
    ],
)
def test_nats_have_four_digits_below_a_hundred(mean, std, text):
    assert questions.format_nats(mean, std) == text
