"""Runs and the judgement of the starts, on planted curves and a small data folder."""

import numpy as np
import pytest
import torch
from conftest import CENTRES, write_places

import checkpoint
import mixture_experiment as experiment
import train_gmm
from cli import Progress
from mixture_models import GMM
from mixture_runs import Run, Trainer, load_mixture, load_places
from training import fit, shuffled

EPOCHS = 3


@pytest.fixture(scope="module")
def trainer(places):
    config = train_gmm.Config(data_dir=str(places), epochs=EPOCHS, batch_size=128)
    return Trainer(train_gmm.KIND, config, load_places(config), Progress(0))


def planted(leads, random=-3.0, n_epochs=51) -> list[Run]:
    """Runs of both starts; country minus random ends at each seed's lead."""
    runs = []
    for seed, lead in enumerate(leads, 42):
        for start, final in (("random", random), ("country", random + lead)):
            curve = np.linspace(random - 1, final, n_epochs)
            rows = [{"test_log_likelihood": float(value)} for value in curve]
            runs.append(Run(GMM(1), start, seed, rows))
    return runs


def judged(leads) -> tuple[dict, str]:
    summary, _ = experiment.compare_starts(planted(leads))
    return summary, experiment.describe_starts(summary)


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


@pytest.mark.parametrize("leads", [[0.5, -0.01, 0.5], [-0.5, 0.01, -0.5]])
def test_a_mixed_result_is_not_called_a_win(leads):
    summary, text = judged(leads)
    ahead = sum(lead > 0 for lead in leads)
    assert summary["lead"][-1]["ahead"] == ahead
    assert "neither start wins in every seed" in text
    assert f"ahead in {ahead} of 3" in text.splitlines()[-1]
    assert "did better" not in text


def test_leads_are_country_minus_random_at_the_shown_epochs():
    summary, curves = experiment.compare_starts(planted([0.1, 0.3]))
    assert curves.shape == (2, 2, 51)
    assert summary["seeds"] == [42, 43]
    assert [lead["epoch"] for lead in summary["lead"]] == [1, 10, 20, 30, 40, 50]
    last = summary["lead"][-1]
    assert last["mean"] == pytest.approx(0.2)
    assert last["std"] == pytest.approx(0.1 * np.sqrt(2))  # of a sample of two
    assert summary["lead"][2]["mean"] == pytest.approx(0.2 * 20 / 50)


def test_the_final_values_are_summarised_by_start():
    final = experiment.compare_starts(planted([0.1, 0.5, 0.2]))[0]["final"]
    assert final["random"] == {"lowest": -3.0, "median": -3.0, "highest": -3.0}
    assert list(final["country"].values()) == pytest.approx([-2.9, -2.8, -2.5])


def test_one_seed_has_no_spread():
    summary, text = judged([0.25])
    assert summary["lead"][-1]["std"] == 0
    assert "nan" not in text


@pytest.mark.parametrize(
    ("last", "shown"),
    [(1, [1]), (2, [1, 2]), (20, [1, 10, 20]), (60, [1, 10, 20, 30, 40, 50, 60])],
)
def test_shown_epochs_end_with_the_last(last, shown):
    assert experiment.shown_epochs(last) == shown


def test_the_training_set_is_standardised_and_the_test_set_by_the_same_map(trainer):
    places = trainer.places
    assert places.train.mean(0).abs().max() < 1e-5
    assert places.train.std(0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-4)
    assert places.test.mean(0).abs().max() > 1e-3
    means = places.in_degrees(places.country_means)
    np.testing.assert_allclose(means, CENTRES, atol=0.4)


def test_component_counts_are_the_exercise_s_and_the_number_of_countries(trainer):
    assert trainer.places.component_counts == [1, 3, 5, 10]


def test_the_country_start_puts_a_mean_on_each_country(trainer):
    start = trainer.run(3, "country").at(0)
    assert torch.equal(start.means, trainer.places.country_means)


def test_the_random_start_is_standard_normal_and_seeded(trainer):
    one, again, other = (trainer.run(3, seed=seed).at(0) for seed in (1, 1, 2))
    assert torch.equal(one.means, again.means)
    assert not torch.equal(one.means, other.means)
    assert not torch.equal(one.means, trainer.places.country_means)


def test_both_starts_share_the_weights_that_the_seed_gives(trainer):
    random, country = trainer.run(3, seed=5), trainer.run(3, "country", seed=5)
    assert torch.equal(random.at(0).logits, country.at(0).logits)


def test_a_run_records_the_start_and_every_epoch(trainer):
    run = trainer.run(3)
    assert [row["epoch"] for row in run.rows] == list(range(EPOCHS + 1))
    for split in ("train", "test"):
        for epoch, value in enumerate(run.curve(f"{split}_log_likelihood")):
            with torch.no_grad():
                expected = run.at(epoch)(getattr(trainer.places, split)).mean()
            assert value == pytest.approx(expected.item(), abs=1e-5)
    assert torch.equal(run.at(-1).means, run.model.means)
    assert not torch.equal(run.at(-1).means, run.at(0).means)


def test_a_run_is_adam_on_batches_that_its_own_seed_draws(trainer):
    torch.manual_seed(9)
    model = GMM(3)
    adam = torch.optim.Adam(model.parameters(), 0.01)
    batches = shuffled(trainer.places.train, 128)
    for _ in fit(model, lambda m, x: -m(x).mean(), batches, adam, range(1, 4), 9):
        pass
    found = trainer.run(3, seed=9).at(-1)
    for one, other in zip(model.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_a_run_does_not_depend_on_the_runs_before_it(trainer):
    one = trainer.run(3, seed=8)
    trainer.run(5, seed=9)
    assert trainer.run(3, seed=8).rows == one.rows


def test_training_raises_the_likelihood(trainer):
    for start in ("random", "country"):
        curve = trainer.run(3, start).curve("train_log_likelihood")
        assert (np.diff(curve) > 0).all()


def test_the_bar_counts_the_steps_that_are_taken(places):
    config = train_gmm.Config(data_dir=str(places), epochs=2, batch_size=128, n_seeds=3)
    loaded = load_places(config)
    # 300 places are three batches; K = 1, 5, 10, 3, and 3 again from the country start;
    # both starts for two more seeds
    assert experiment.steps_in_all(config, loaded) == (4 + 1 + 2 * 2) * 2 * 3


def test_too_few_distinct_places_are_counted(tmp_path):
    few = [(str(x), str(2 * x), 0) for x in range(9)] * 20
    write_places(tmp_path, train=few, test=few[:3])
    with pytest.raises(ValueError, match="9 distinct places; 10 components need"):
        load_places(train_gmm.Config(data_dir=str(tmp_path)))


SCALE = {"mean": torch.zeros(2), "std": torch.ones(2)}


def test_a_text_model_is_no_mixture(tmp_path):
    path = tmp_path / "model.pt"
    state = GMM(3).state_dict()
    path.write_bytes(checkpoint.dump("gpt", state, {"n_components": 3}, SCALE))
    message = r"model\.pt holds a gpt, not a mixture \(gmm or umm\)"
    with pytest.raises(checkpoint.CheckpointError, match=message):
        load_mixture(path)


@pytest.mark.parametrize(
    ("config", "preprocessing"),
    [
        ({}, SCALE), ([], SCALE),
        ({"n_components": 0}, SCALE),
        ({"n_components": "3"}, SCALE),
        ({"n_components": 10**30}, SCALE),
        ({"n_components": 3}, {}),
        ({"n_components": 3}, {"mean": 1.0, "std": 1.0}),
        ({"n_components": 3}, {"mean": torch.zeros(2)}),
        ({"n_components": 3}, SCALE | {"std": torch.ones(3)}),
    ],
)  # fmt: skip
def test_a_checkpoint_that_is_no_mixture_is_refused(config, preprocessing, tmp_path):
    # SCALE = {"mean": torch.zeros(2), "std": torch.ones(2)}
    path = tmp_path / "model.pt"
    state = GMM(3).state_dict()
    path.write_bytes(checkpoint.dump("gmm", state, config, preprocessing))
    with pytest.raises(checkpoint.CheckpointError, match=r"model\.pt"):
        load_mixture(path)
