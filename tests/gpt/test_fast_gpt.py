"""The speed run: its mathematics, its measurement, its files, two processes as one."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

import speedrun
from gpt.tiny_shakespeare import TEST_START, tiny_shakespeare
from machinery import checkpoint
from machinery.errors import Diverged
from speedrun import RECIPES, Config, Model, Recipe, rotate
from tests.helpers import ROOT, assert_one_line, start_two

TINY = RECIPES["tiny"]
V = 65


@pytest.fixture
def model() -> Model:
    """The tiny model with random weights: untrained, its blocks do nothing."""
    torch.manual_seed(0)
    model = Model(TINY, V)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    text = tiny_shakespeare()
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    return torch.tensor([index[c] for c in text])


def rows_of(folder) -> list[dict[str, float]]:
    with open(folder / "metrics.csv", newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


# --- the model


def test_untrained_model_knows_nothing():
    windows = torch.randint(V, (4, 17))
    loss = speedrun.loss_of(Model(TINY, V), windows)
    assert loss.item() == pytest.approx(math.log(V), abs=1e-6)


def test_future_cannot_change_past(model):
    idx = torch.randint(V, (2, 16))
    changed = idx.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % V
    before, after = model(idx), model(changed)
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert (before[:, 9:] - after[:, 9:]).abs().amin(dim=(0, 2)).min() > 0


def test_every_earlier_character_counts(model):
    idx = torch.randint(V, (1, 16))
    last = model(idx)[0, -1]
    for place in range(16):
        changed = idx.clone()
        changed[0, place] = (changed[0, place] + 1) % V
        assert (model(changed)[0, -1] - last).abs().max() > 1e-6, place


def test_scores_depend_on_the_distance_alone():
    cos, sin = speedrun.angles(32, 8)
    q, k = torch.randn(8), torch.randn(8)
    scores = rotate(q.expand(32, 8), cos, sin) @ rotate(k.expand(32, 8), cos, sin).T
    for distance in (-20, -1, 0, 1, 5, 31):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert scores[0].std() > 0.01  # and on it they do depend
    lengths = rotate(q.expand(32, 8), cos, sin).norm(dim=1)
    torch.testing.assert_close(lengths, q.norm().expand(32))


def test_plain_attention_is_the_fused_one():
    q, k, v = torch.randn(3, 2, 4, 16, 8)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(speedrun.attend(q, k, v), expected)


# --- optimizers, batches, evaluation


def test_muon_has_the_matrices_and_adamw_the_rest():
    model = Model(TINY, V)
    muon, adam = speedrun.make_optimizers(model, TINY)
    assert isinstance(muon, torch.optim.Muon)
    names = {id(p): name for name, p in model.named_parameters()}
    of = [
        sorted(names[id(p)] for group in o.param_groups for p in group["params"])
        for o in (muon, adam)
    ]
    assert of[1] == ["head.weight", "one.weight", "three.weight", "two.weight"]
    assert len(of[0]) == 4 * TINY.n_layer
    assert sorted(of[0] + of[1]) == sorted(names.values())


def test_a_pass_over_the_text_meets_every_window_once():
    text = torch.arange(1000)
    recipe = replace(TINY, batch_size=10, steps=12)
    draws = list(speedrun.batches(text, recipe, seed=1))
    assert [draw.shape for draw in draws] == [(10, 17)] * 12
    assert all((draw.diff(dim=1) == 1).all() for draw in draws)
    a_pass = torch.cat(draws)[:60, :-1]  # 61 or 62 windows make a pass
    assert a_pass.unique().numel() == 60 * 16
    again = list(speedrun.batches(text, recipe, seed=1))
    assert torch.equal(torch.cat(draws), torch.cat(again))
    other = list(speedrun.batches(text, recipe, seed=2))
    assert not torch.equal(torch.cat(draws), torch.cat(other))


def test_cut_windows_are_windows_of_their_own(model):
    windows = torch.randint(V, (3, 17))
    halves = torch.cat((windows[:, :9], windows[:, 8:]))
    expected = speedrun.loss_of(model, halves)
    torch.testing.assert_close(speedrun.loss_of(model, windows, cut=2), expected)


@pytest.mark.parametrize("n", [48 + 1, 48 + 2, 48 + 6, 64, 1 + 16 * 513])
def test_validation_loss_is_that_of_every_character_one_by_one(model, n):
    ids = torch.randint(V, (n,))
    total = 0.0
    with torch.no_grad():
        for i in range(1, n) if n < 100 else ():
            first = (i - 1) // 16 * 16  # where the window of character i begins
            logits = model(ids[None, first:i])[0, -1]
            total -= logits.double().log_softmax(0)[ids[i]].item()
        if n > 100:  # several batches of windows, and none left over
            x, y = ids[:-1].view(-1, 16), ids[1:].view(-1, 16)
            losses = F.cross_entropy(model(x).mT, y, reduction="none")
            total = losses.double().sum().item()
    expected = total / (n - 1)
    assert speedrun.evaluate(model, ids, 16) == pytest.approx(expected, rel=1e-6)


def test_evaluation_is_without_dropout_and_training_goes_on_with_it():
    model = Model(replace(TINY, dropout=0.5), V)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ids = torch.randint(V, (100,))
    assert speedrun.evaluate(model, ids, 16) == speedrun.evaluate(model, ids, 16)
    assert model.training


def test_rates_rise_and_then_fall_to_zero_in_every_group(monkeypatch):
    make_optimizers, rates = speedrun.make_optimizers, {"Muon": [], "AdamW": []}

    def note(optimizer, *_):
        used = rates[type(optimizer).__name__]
        used.append([group["lr"] for group in optimizer.param_groups])

    def noted(model, recipe):
        optimizers = make_optimizers(model, recipe)
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(note)
        return optimizers

    monkeypatch.setattr(speedrun, "make_optimizers", noted)
    recipe = replace(TINY, steps=10, rise=0.4, matrix_rate=0.2, table_rate=0.1)
    list(speedrun.train(Model(TINY, V), torch.arange(V).repeat(9), recipe, seed=1))
    shares = (0.25, 0.5, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
    for name, full in (("Muon", 0.2), ("AdamW", 0.1)):
        assert len(rates[name]) == 10
        for used, share in zip(rates[name], shares, strict=True):
            assert used == pytest.approx([full * share] * len(used)), name


def test_learns_what_can_be_learnt():
    text = torch.arange(V).repeat(40)
    model = Model(TINY, V)
    losses = list(speedrun.train(model, text, replace(TINY, steps=60), seed=1))
    assert losses[0].item() == pytest.approx(math.log(V), abs=1e-5)
    assert losses[-1] < 2


# --- the driver


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, stdout) of a tiny run in this process."""
    folder = tmp_path_factory.mktemp("speedrun")
    speedrun.main(Config("tiny", 4, str(folder), threads=1))
    return folder


def test_writes_what_it_measured(finished, ids):
    assert {p.name for p in finished.iterdir() if p.name[0] != "."} == {
        "metrics.csv", "summary.json", "model.pt",
    }  # fmt: skip
    rows, summary = (
        rows_of(finished),
        json.loads((finished / "summary.json").read_text()),
    )
    assert [row["step"] for row in rows] == [1, 2, 4]
    assert list(rows[0]) == ["step", "train_loss", "val_loss"]
    assert summary["val_loss"] == rows[-1]["val_loss"]
    seconds = [e["seconds"] for e in summary["evaluations"]]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] <= summary["seconds"]
    content = checkpoint.read(finished / "model.pt")
    model = checkpoint.restore(content, speedrun.build_model, "model.pt")
    val_loss = speedrun.evaluate(model, ids[TEST_START:], TINY.block_size)
    assert val_loss == pytest.approx(summary["val_loss"], rel=1e-6)


def test_same_run_same_files(finished, tmp_path):
    speedrun.main(Config("tiny", 4, str(tmp_path), threads=1))
    assert (tmp_path / "metrics.csv").read_bytes() == (
        finished / "metrics.csv"
    ).read_bytes()
    weights = [
        checkpoint.read(f / "model.pt")["state_dict"] for f in (tmp_path, finished)
    ]
    for name in weights[0]:
        assert torch.equal(weights[0][name], weights[1][name]), name


def test_two_processes_are_one(finished, tmp_path):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node", "2", ROOT / "speedrun.py", "--recipe", "tiny",
        "--steps", "4", "--output-dir", tmp_path / "two",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=tmp_path, timeout=100,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote") == 1  # by the first process alone
    assert [p.name for p in tmp_path.iterdir()] == ["two"]
    for one, two in zip(rows_of(finished), rows_of(tmp_path / "two"), strict=True):
        # Muon's bfloat16 magnifies what the order of a sum changes
        assert one == pytest.approx(two, abs=1e-3)
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["config"]["processes"] == 2


def test_killed_process_ends_the_other_and_what_was_written_stays(tmp_path):
    flags = ("--recipe", "tiny", "--steps", 2000, "--output-dir", tmp_path / "out")
    first, second = start_two(ROOT / "speedrun.py", *flags, cwd=tmp_path)
    while not (tmp_path / "out" / "metrics.csv").exists() and first.poll() is None:
        time.sleep(0.05)
    second.kill()
    stdout, stderr = first.communicate(timeout=100)
    second.communicate(timeout=100)
    assert first.returncode == 1
    assert_one_line(stderr, "speedrun.py", "process 0 of 2", "another one ended")
    assert len(rows_of(tmp_path / "out")) == stdout.count("val_loss") > 0
    assert not (tmp_path / "out" / "model.pt").exists()


def test_batch_that_the_processes_cannot_share(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="3 processes cannot share 8 windows"):
        speedrun.main(Config("tiny", output_dir=str(tmp_path)))


def test_interrupted_run_keeps_its_measurements(tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, ROOT / "speedrun.py", "--recipe", "tiny", "--steps", "4000",
         "--threads", "1", "--output-dir", out],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (out / ".lock").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 130
    assert_one_line(stderr, "speedrun.py", "SIGINT")
    assert not (out / "model.pt").exists()


def test_loss_that_is_no_number_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setattr(speedrun, "evaluate", lambda *_: math.nan)
    with pytest.raises(Diverged, match="not finite"):
        speedrun.main(Config("tiny", 1, str(tmp_path)))


def test_recipes_fit_their_heads():
    for name, recipe in RECIPES.items():
        assert isinstance(recipe, Recipe)
        assert recipe.n_embd % (2 * recipe.n_head) == 0, name
        assert recipe.block_size % 2 == 0, name
