"""The GPT's training and evaluation: windows, measurements, and what is resumed."""

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpt import runs, samples
from gpt.data import load_corpus
from machinery.checkpoint import CheckpointError
from machinery.progress import Progress
from tests.helpers import assert_equal, read, rows_of, window_slices

CPU = torch.device("cpu")


def test_the_vocabulary_travels_in_the_model(folder, config):
    characters = sorted(set(Path(config.train_text).read_text("utf-8")))
    assert read(folder, "model.pt")["preprocessing"]["vocabulary"] == "".join(
        characters
    )
    model, vocabulary = runs.load(folder / "model.pt")
    assert len(vocabulary) == model.wte.weight.shape[0] == len(characters)
    assert not model.training


def test_fault_12_another_vocabulary_is_refused(folder, tmp_path):
    content = read(folder, "model.pt")
    for swapped in ("abc", content["preprocessing"]["vocabulary"] + "ß"):
        torch.save(
            content | {"preprocessing": {"vocabulary": swapped}}, tmp_path / "swap.pt"
        )
        with pytest.raises(CheckpointError, match=r"weight should have shape"):
            runs.load(tmp_path / "swap.pt")


def test_the_metrics_equal_a_slow_count_over_the_saved_model_s_guesses(folder, corpus):
    model, _ = runs.load(folder / "model.pt")
    row = rows_of(folder)[-1]
    for split, windows in corpus.fixed.items():
        losses, right, right_last = [], 0, 0
        for window in windows.tolist():
            with torch.no_grad():
                logits = model(torch.tensor([window[:-1]]))[0].double().tolist()
            for t, scores in enumerate(logits):
                total = math.fsum(math.exp(x) for x in scores)
                losses.append(math.log(total) - scores[window[t + 1]])
                guess = scores.index(max(scores))
                right += guess == window[t + 1]
                right_last += guess == window[t + 1] and t == 9
        assert len(losses) == 64 * 10
        loss = math.fsum(losses) / 640
        assert float(row[f"{split}_loss"]) == pytest.approx(loss, rel=1e-5)
        assert float(row[f"{split}_accuracy"]) == pytest.approx(right_last / 64)
        assert float(row[f"{split}_accuracy_all"]) == pytest.approx(right / 640)
        assert 0 < right_last != right / 10


def test_fault_10_measuring_between_two_epochs_changes_nothing(
    config, corpus, tmp_path
):
    noisy = replace(config, dropout=0.3)

    def weights(often):
        run = runs.start(noisy, corpus, CPU)
        with Progress(0) as progress:
            for _ in runs.train(run, progress):
                for _ in range(often):
                    runs.measure(run)
                    samples.draw(run, 1, 2)
                    torch.rand(3)
        return run.model.state_dict()

    assert_equal(weights(0), weights(2))


def refused(config, corpus, folder) -> str:
    path = re.escape(str(folder / "checkpoint.pt"))
    with pytest.raises(CheckpointError, match=path) as error:
        runs.resume(config, corpus, CPU, folder)
    return str(error.value)


def test_fault_11_other_options_are_listed_with_both_values(folder, config, corpus):
    other = replace(config, n_embd=16, learning_rate=0.5, dropout=0.25)
    message = refused(other, corpus, folder)
    assert message.endswith(
        "other options: dropout 0.0, now 0.25; learning_rate 0.003, now 0.5; "
        "n_embd 8, now 16"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("block_size", 9), ("n_layer", 2), ("n_head", 4), ("n_embd", 4),
        ("dropout", 0.1), ("tie_weights", True), ("learning_rate", 1e-4),
        ("batch_size", 32), ("epoch_windows", 255), ("test_windows", 63), ("seed", 1),
    ],
)  # fmt: skip
def test_fault_11_every_option_that_changes_the_numbers_is_held_fast(
    folder, config, corpus, name, value
):
    old = getattr(config, name)
    message = refused(replace(config, **{name: value}), corpus, folder)
    assert message.endswith(f"with other options: {name} {old!r}, now {value!r}")


def test_fault_11_epochs_folder_and_where_the_text_lies_may_differ(
    folder, config, corpus, tmp_path
):
    moved = {}
    for name in ("train_text", "test_text"):
        moved[name] = str(tmp_path / name)
        Path(moved[name]).write_bytes(Path(getattr(config, name)).read_bytes())
    other = replace(
        config, epochs=9, output_dir="x", resume=True, threads=2, n_evaluated=7, **moved
    )
    run = runs.resume(other, load_corpus(other), CPU, folder)
    assert (run.epoch, len(run.rows), len(run.samples)) == (2, 3, 2)


@pytest.mark.parametrize("changed", ["train_text", "test_text"])
def test_fault_11_another_text_is_refused(folder, config, tmp_path, changed):
    path = tmp_path / "other.txt"
    characters = Path(getattr(config, changed)).read_text("utf-8")
    path.write_text(characters[:-1] + ("t" if characters[-1] != "t" else "h"), "utf-8")
    other = replace(config, **{changed: str(path)})
    message = refused(other, load_corpus(other), folder)
    assert "was trained on another text" in message


def test_an_epoch_s_windows_are_training_windows_in_batches(
    config, corpus, monkeypatch
):
    seen, loss = [], runs.next_token_loss
    monkeypatch.setattr(
        runs, "next_token_loss", lambda m, b: seen.append(b) or loss(m, b)
    )
    run = runs.start(replace(config, epoch_windows=150, batch_size=64), corpus, CPU)
    with Progress(6) as progress:
        list(runs.train(run, progress))
    assert [len(x) for x, _ in seen] == [64, 64, 22] * 2
    slices = window_slices(corpus.handler.text["train"], 11)
    spelt = []
    for x, y in seen:
        assert torch.equal(x[:, 1:], y[:, :-1])
        for row in torch.cat([x, y[:, -1:]], 1).tolist():
            spelt.append(corpus.vocabulary.decode(row))
    assert set(spelt) <= slices
    assert Counter(spelt[:150]) != Counter(spelt[150:])


def test_adam_takes_the_configured_steps(config, corpus):
    run = runs.start(config, corpus, CPU)
    assert isinstance(run.optimizer, torch.optim.Adam)
    (group,) = run.optimizer.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (
        3e-3, (0.9, 0.999), 0,
    )  # fmt: skip
    total = sum(p.numel() for p in run.model.parameters())
    assert sum(p.numel() for p in group["params"]) == total


def test_a_run_goes_on_with_the_weights_and_the_optimizer_that_were_saved(
    folder, config, corpus
):
    run = runs.resume(config, corpus, CPU, folder)
    content = read(folder)
    assert_equal(dict(run.model.state_dict()), content["state_dict"])
    assert_equal(run.optimizer.state_dict()["state"], content["optimizer"]["state"])
    vector = torch.cat([p.flatten() for p in run.model.parameters()])
    assert torch.equal(run.optimizer.vector, vector)
    assert run.device == CPU


def test_a_run_is_resumed_with_one_model_besides_the_one_without_memory(
    folder, config, corpus, monkeypatch
):
    built, build = [], runs.build_model

    def watch(*arguments):
        built.append(build(*arguments))
        return built[-1]

    monkeypatch.setattr(runs, "build_model", watch)
    runs.resume(config, corpus, CPU, folder)
    assert [m.wte.weight.device.type for m in built] == ["meta", "cpu"]


def test_fault_12_a_checkpoint_of_another_vocabulary_is_not_resumed(
    folder, config, corpus, tmp_path
):
    content = read(folder)
    characters = content["preprocessing"]["vocabulary"]
    content["preprocessing"]["vocabulary"] = characters[::-1]
    torch.save(content, tmp_path / "checkpoint.pt")
    assert "another text" in refused(config, corpus, tmp_path)
