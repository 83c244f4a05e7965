"""Runs that are stopped go on bit for bit; patience and the best epoch with them."""

from dataclasses import replace

import pytest
import torch

from headlines import experiment, questions, runs, yardstick
from headlines.config import Config
from headlines.data import make_corpus
from headlines.recipes import RECIPES, SIZES, Size
from machinery import checkpoint
from machinery.checkpoint import CheckpointError
from machinery.errors import BadInput, Interrupted
from machinery.progress import Progress
from tests.helpers import assert_equal

CPU = torch.device("cpu")
TINY = {
    n: Size(num_neurons=2, num_heads=2, num_blocks=1, num_emb=4 * n)
    for n in range(1, 5)
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr("headlines.cleaning.lemmatizer", lambda: lambda w, lang: w)
    monkeypatch.setattr(runs, "SIZES", TINY)


@pytest.fixture(scope="module")
def corpus():
    names = [f"q{a}{b} z{b}{a}" for a in "abcdefgh" for b in "ijklmnop"]
    return make_corpus("mine", names)


def config(**options):
    return Config(**{"sizes": "1", "epochs": 4, "n_few": 20} | options)


def train(run, n=None):
    """Train n epochs, or to the end."""
    with Progress(0) as progress:
        for epoch in runs.train(run, progress):
            if epoch == n:
                break
    return run


def start(settings, corpus):
    return runs.start("size_1", 1, settings, corpus, CPU)


def written(run, folder):
    for name, data in run.files().items():
        (folder / name).write_bytes(data)
    return folder / "checkpoint.pt"


@pytest.mark.parametrize("recipe", list(RECIPES))
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path, corpus, recipe, epoch):
    settings = config(recipe=recipe)
    whole = train(start(settings, corpus))
    path = written(train(start(settings, corpus), epoch), tmp_path)
    resumed = train(runs.resume(start(settings, corpus), path))
    assert_equal(resumed.rows, whole.rows)
    assert_equal(resumed.samples, whole.samples)
    assert_equal(resumed.best, whole.best)
    assert resumed.best_epoch == whole.best_epoch
    assert_equal(resumed.model.state_dict(), whole.model.state_dict())
    assert_equal(resumed.optimizer.state_dict(), whole.optimizer.state_dict())
    assert [len(row) for row in whole.rows] == [5 + 2 * (recipe == "exercise")] * 4


def validations(run, values):
    """Have a run meet these validation losses, and record which epochs were trained."""
    rows = iter(values)
    return lambda model, tokens: {
        "nll": (value := next(rows)), "bits": value, "top1": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("stop_at", [None, 3, 6])
def test_early_stopping_waits_for_more_than_patience(
    monkeypatch, tmp_path, corpus, stop_at
):
    losses = [9.0, 5.0, 6.0, 4.0, 7.0, 7.0, 4.5, 4.1, 3.0]  # too late by then
    monkeypatch.setattr(
        runs, "evaluate_padded", lambda m, t: {"padded_nll": padded[-1]}
    )
    padded = []

    def evaluate(model, tokens):
        padded.append(losses[len(padded)])
        return {"nll": 1.0, "bits": 1.0, "top1": 0.5}

    monkeypatch.setattr(runs, "evaluate", evaluate)
    recipe = replace(RECIPES["exercise"], patience=3)
    monkeypatch.setitem(RECIPES, "exercise", recipe)
    settings = config(recipe="exercise", epochs=20)
    run = train(start(settings, corpus), stop_at)
    if stop_at:
        run = train(runs.resume(start(settings, corpus), written(run, tmp_path)))
    # the fourth epoch was the best; four more were none the better
    assert (run.best_epoch, run.epoch, run.done) == (4, 8, True)


def test_the_model_kept_is_that_of_the_best_epoch(monkeypatch, tmp_path, corpus):
    run = start(config(), corpus)
    monkeypatch.setattr(runs, "evaluate", validations(run, [3.0, 1.0, 2.0, 4.0]))
    second = {}
    with Progress(0) as progress:
        for epoch in runs.train(run, progress):
            if epoch == 2:
                weights = run.model.state_dict().items()
                second = {name: p.clone() for name, p in weights}
    assert run.best_epoch == 2
    written(run, tmp_path)
    content = checkpoint.read(tmp_path / "model.pt")
    assert_equal(content["state_dict"], second)
    assert content["kind"] == "headlines"
    assert_equal(dict(runs.restore(content, "model.pt").state_dict()), second)


def test_what_is_asked_of_a_run_is_asked_of_its_best_epoch(monkeypatch, corpus):
    with monkeypatch.context() as patch:
        patch.setattr(runs, "evaluate", validations(None, [3.0, 1.0, 2.0, 4.0]))
        run = train(start(config(), corpus))
    assert experiment.best_nll(run) == 1.0
    last = {name: p.clone() for name, p in run.model.state_dict().items()}
    found = questions.assess([run], yardstick.count(corpus))[0]
    run.model.load_state_dict(run.best)
    best = runs.evaluate(run.model, corpus.tokens["validation"])
    assert found["validation"]["nll"] == pytest.approx(best["nll"])
    run.model.load_state_dict(last)
    at_the_end = runs.evaluate(run.model, corpus.tokens["validation"])
    assert found["validation"]["nll"] != pytest.approx(at_the_end["nll"])
    assert (found["best_epoch"], found["epochs"]) == (2, 4)


def test_few_and_all_texts_are_told_apart(corpus):
    settings = config(epochs=1)
    trained = {1: train(start(settings, corpus))}
    few = train(runs.start("few", 1, settings, corpus, CPU, 20))
    found = questions.compare_few(trained, few, ["qai zia"] * 64)
    assert found["n_few"] == 20
    assert found["validation_nll"] == {
        "all": trained[1].rows[0]["validation_nll"],
        "few": few.rows[0]["validation_nll"],
    }
    assert found["train_loss"]["few"] == few.rows[0]["train_loss"]
    assert found["texts"]["all"]["distinct_texts"] == 1
    assert found["texts"]["few"]["distinct_texts"] > 1


def test_sampling_more_often_changes_no_weight(monkeypatch, corpus):
    one = train(start(config(), corpus))
    monkeypatch.setattr(runs, "N_SAMPLES", 30)
    two = train(start(config(), corpus))
    assert_equal(one.model.state_dict(), two.model.state_dict())
    assert len(two.samples[0]) == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 5}, "epochs 4, now 5"),
        ({"seed": 1}, "seed 42, now 1"),
        ({"recipe": "exercise"}, "recipe 'fast', now 'exercise'"),
    ],
)
def test_a_run_is_not_continued_under_other_options(tmp_path, corpus, options, message):
    path = written(train(start(config(), corpus), 1), tmp_path)
    with pytest.raises(CheckpointError, match=message):
        runs.resume(start(config(**options), corpus), path)


def test_a_run_is_not_continued_on_other_texts(tmp_path, corpus):
    path = written(train(start(config(), corpus), 1), tmp_path)
    other = make_corpus("mine", corpus.texts["train"])
    with pytest.raises(CheckpointError, match="was trained on other texts"):
        runs.resume(start(config(), other), path)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path, corpus):
    data = checkpoint.dump("gpt", {}, {}, {})
    (tmp_path / "model.pt").write_bytes(data)
    with pytest.raises(BadInput, match=r"holds a gpt, not a model of train_headlines"):
        runs.restore(checkpoint.read(tmp_path / "model.pt"), tmp_path / "model.pt")


def test_all_sizes_are_trained_and_the_best_on_few_texts(tmp_path, corpus):
    settings = config(sizes="1,2", epochs=2)
    trained, few = experiment.train_all(settings, corpus, CPU, tmp_path)
    assert list(trained) == [1, 2]
    best = min(trained.values(), key=experiment.best_nll)
    assert (few.size, len(few.train_tokens)) == (best.size, 20)
    for run in (*trained.values(), few):
        names = {path.name for path in (tmp_path / run.name).iterdir()}
        assert {"model.pt", "checkpoint.pt", "metrics.csv", "samples.md"} <= names
    again = replace(settings, resume=True)
    resumed, few_again = experiment.train_all(again, corpus, CPU, tmp_path)
    assert_equal([r.rows for r in resumed.values()], [r.rows for r in trained.values()])
    assert_equal(few_again.model.state_dict(), few.model.state_dict())


def test_sizes_trained_side_by_side_are_those_of_one_process(
    monkeypatch, tmp_path, corpus, capsys, asked_of_workers
):
    monkeypatch.setattr(runs, "SIZES", SIZES)  # processes know no others
    settings = config(sizes="1,2", epochs=1)
    with Progress(0) as progress:
        for name, threads in (("one", 1), ("two", 2)):
            monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
            found = {
                size: runs.start(f"size_{size}", size, settings, corpus, CPU)
                for size in (1, 2)
            }
            experiment.train_side_by_side(found, CPU, tmp_path / name, progress)
            shown = capsys.readouterr().out
            assert all(f"size {size}, epoch 1: validation" in shown for size in (1, 2))
        found[1].epoch, found[1].best_epoch = 0, 0  # as if it had not ended
        experiment.train_side_by_side(found, CPU, tmp_path / "rest", progress)
    assert asked_of_workers == [(1, 1), (2, 1), (2, 1)]  # the last time, too
    assessed = []
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
        counted = yardstick.count(corpus)
        assessed.append(questions.assess(list(found.values()), counted))
    assert asked_of_workers[3:] == [(1, 1), (2, 1)]
    assert assessed[0] == assessed[1]
    assert [row["size"] for row in assessed[0]] == [1, 2]
    for size, run in found.items():
        path = tmp_path / "one" / f"size_{size}" / "checkpoint.pt"
        alone = runs.start(f"size_{size}", size, settings, corpus, CPU)
        runs.resume(alone, path)
        assert_equal(run.rows, alone.rows)
        assert_equal(run.model.state_dict(), alone.model.state_dict())


def test_a_finished_experiment_resumes_whichever_size_was_best(
    monkeypatch, tmp_path, corpus
):
    settings = config(sizes="1,2", epochs=1)
    for best in (1, 2):  # in one folder: the second time the other size is the best
        folder = tmp_path / "one"
        monkeypatch.setattr(experiment, "best_nll", lambda run, b=best: run.size != b)
        _, few = experiment.train_all(
            replace(settings, resume=True), corpus, CPU, folder
        )
        again = experiment.train_all(
            replace(settings, resume=True), corpus, CPU, folder
        )
        assert (few.size, again[1].size, again[1].epoch) == (best, best, 1)
        assert_equal(again[1].model.state_dict(), few.model.state_dict())


def test_an_experiment_goes_on_in_a_folder_that_has_had_another(
    monkeypatch, tmp_path, corpus
):
    settings = config(sizes="1,2", epochs=2)
    whole, few = experiment.train_all(settings, corpus, CPU, tmp_path / "whole")
    other = replace(settings, seed=1)
    experiment.train_all(other, corpus, CPU, tmp_path / "cut")
    monkeypatch.setattr("machinery.progress._received", received := [])
    monkeypatch.setattr(
        experiment, "describe_epoch", lambda run: received.append(2) or "an epoch"
    )
    with pytest.raises(Interrupted):
        experiment.train_all(settings, corpus, CPU, tmp_path / "cut")
    monkeypatch.undo()
    monkeypatch.setattr(runs, "SIZES", TINY)
    again = replace(settings, resume=True)
    resumed, few_again = experiment.train_all(again, corpus, CPU, tmp_path / "cut")
    for size, run in whole.items():
        assert_equal(resumed[size].model.state_dict(), run.model.state_dict())
    assert_equal(few_again.model.state_dict(), few.model.state_dict())


def test_few_texts_are_fewer_than_all(corpus):
    n = len(corpus.tokens["train"])
    experiment.check_few(config(n_few=n - 1), corpus)
    with pytest.raises(BadInput, match=f"--n-few must be below the {n} .* got {n}"):
        experiment.check_few(config(n_few=n), corpus)


def test_an_interrupted_experiment_goes_on_where_it_stopped(
    monkeypatch, tmp_path, corpus
):
    settings = config(sizes="1,2", epochs=2)
    whole, _ = experiment.train_all(settings, corpus, CPU, tmp_path / "whole")
    monkeypatch.setattr("machinery.progress._received", received := [])
    done = []

    def stop_in_the_second(run):
        done.append(run.name)
        if len(done) == 3:  # one epoch of the second size
            received.append(2)
        return "an epoch"

    monkeypatch.setattr(experiment, "describe_epoch", stop_in_the_second)
    with pytest.raises(Interrupted):
        experiment.train_all(settings, corpus, CPU, tmp_path / "cut")
    received.clear()
    again = replace(settings, resume=True)
    resumed, _ = experiment.train_all(again, corpus, CPU, tmp_path / "cut")
    for size, run in whole.items():
        assert_equal(resumed[size].rows, run.rows)
        assert_equal(resumed[size].model.state_dict(), run.model.state_dict())
    for name in ("metrics.csv", "samples.md"):
        one, two = (
            (tmp_path / d / "size_2" / name).read_bytes() for d in ("whole", "cut")
        )
        assert one == two
