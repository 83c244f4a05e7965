"""The character GPT's driver: every file, stopped and continued runs, bad input."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import train_gpt
from gpt import plots, runs
from gpt.config import Config
from gpt.data import Corpus, load_corpus
from machinery import progress
from machinery.run_folder import RunFolder
from tests.helpers import (
    ROOT,
    assert_equal,
    assert_one_line,
    assert_same_run,
    read,
    rows_of,
)

CPU = torch.device("cpu")
FIGURES = {
    "learning_curves.png",
    "step_losses.png",
    "attention.png",
    "next_character.png",
    "top_k.png",
}
FILES = FIGURES | {
    "metrics.csv",
    "summary.json",
    "samples.md",
    "model.pt",
    "snapshots.pt",
    "checkpoint.pt",
}
PLAIN = (bool, int, float, str, type(None), torch.Tensor)


def train(config: Config, corpus: Corpus, *, resume: bool = False) -> Path:
    """Train as the driver does, all but the figures; return the folder."""
    with RunFolder(config.output_dir) as folder:
        if resume:
            run = runs.resume(config, corpus, CPU, folder.path)
        else:
            run = runs.start(config, corpus, CPU)
        train_gpt.train(run, folder)
    return folder.path


def test_every_promised_file_is_written_and_named(finished_gpt):
    folder, result = finished_gpt
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    for name in FILES:
        assert f"outputs/gpt/{name}" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_opens_and_shows_something(folder, name):
    with Image.open(folder / name) as image:
        assert image.format == "PNG"
        assert all(200 < side < 6000 for side in image.size)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10


def plain(value) -> bool:
    if type(value) is dict:
        return all(type(k) in (str, int) and plain(v) for k, v in value.items())
    if type(value) in (list, tuple):
        return all(map(plain, value))
    return type(value) in PLAIN


def test_fault_5_both_checkpoints_load_with_weights_only_and_are_plain(folder):
    for name in ("model.pt", "checkpoint.pt"):
        content = torch.load(folder / name, weights_only=True)
        assert plain(content), name
        assert content["format"] == 2
        assert content["kind"] == "gpt"
        assert content["config"]["n_embd"] == 8
        assert content["preprocessing"].keys() == {"vocabulary"}


def test_the_checkpoints_have_the_promised_keys_and_no_seconds(folder):
    model, whole = read(folder, "model.pt"), read(folder)
    keys = {"format", "kind", "config", "state_dict", "preprocessing"}
    assert model.keys() == keys
    more = {"optimizer", "epoch", "data_hash", "metrics", "step_losses", "samples"}
    assert whole.keys() == keys | more
    assert not [name for name in model["config"] if "second" in name]
    assert_equal(model["state_dict"], whole["state_dict"])
    assert whole["epoch"] == 2
    assert len(whole["step_losses"]) == 2 * 4  # steps of 64 of 256 windows


def test_the_metrics_have_every_epoch_and_epoch_0(folder):
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    parts = ("loss", "accuracy", "accuracy_all")
    names = {f"{s}_{p}" for s in ("train", "test") for p in parts}
    assert rows[0].keys() == {"epoch"} | names
    assert float(rows[2]["train_loss"]) < float(rows[0]["train_loss"])
    assert_equal(
        [{k: str(v) for k, v in row.items()} for row in read(folder)["metrics"]], rows
    )


def test_the_first_row_is_the_untrained_model_s(folder):
    n = len(read(folder)["preprocessing"]["vocabulary"])
    for split in ("train", "test"):
        loss = float(rows_of(folder)[0][f"{split}_loss"])
        assert loss == pytest.approx(math.log(n), abs=0.02)


def test_the_samples_are_in_the_file_the_summary_and_on_the_terminal(finished_gpt):
    folder, result = finished_gpt
    markdown = (folder / "samples.md").read_text("utf-8")
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert markdown.count("## Epoch") == len(summary["samples"]) == 2
    for by_kind in summary["samples"]:
        assert list(by_kind) == ["plain sampling", "top-k, k = 5"]
        for kind, sentences in by_kind.items():
            assert kind in markdown
            assert len(sentences) == 3
            for sentence in sentences:
                assert len(sentence) == len("the ") + 30
                assert sentence.startswith("the ")
                assert f"{kind}: {sentence!r}" in result.stdout


def test_a_text_before_and_one_after_training_is_in_the_summary(finished_gpt):
    written = json.loads((finished_gpt[0] / "summary.json").read_text())["written"]
    assert list(written) == ["untrained", "trained"]
    for text in written.values():
        assert len(text) == len("the ") + 300
        assert text.startswith("the ")
    # an untrained model knows no letter to be commoner than another
    counts = [text.count("e") + text.count(" ") for text in written.values()]
    assert counts[0] < counts[1]


def test_the_summary_has_the_metrics_the_config_and_the_sizes(folder, config):
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["config"]["seed"] == 42
    assert summary["config"]["train_text"] == config.train_text
    assert [{k: str(v) for k, v in r.items()} for r in summary["epochs"]] == rows_of(
        folder
    )
    assert "nats per character" in summary["units"]
    state = read(folder)["state_dict"]
    assert summary["n_parameters"] == sum(p.numel() for p in state.values())
    assert summary["versions"]["torch"] == str(torch.__version__)
    for judged in summary["sampling"].values():
        assert judged["n_sentences"] == 20
        assert 0 <= judged["real_words"] <= 1
        assert judged["distinct_words"] <= judged["n_words"]
        assert judged["log_likelihood"] < 0


def test_the_baselines_stand_beside_the_test_loss_in_nats_and_bits(
    finished_gpt, config
):
    folder, result = finished_gpt
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    train, test = (
        Path(path).read_text("utf-8") for path in (config.train_text, config.test_text)
    )
    found = summary["baselines"]
    assert list(found) == [
        "unigram",
        "bigram",
        "best n-gram in windows of 10",
        "best n-gram with 10 characters before each",
    ]
    counts = Counter(train)
    unigram = -sum(math.log(counts[c] / len(train)) for c in test) / len(test)
    assert found["unigram"] == pytest.approx(unigram, rel=1e-9)
    assert sorted(found.values(), reverse=True) == list(found.values())
    lines = found | {"this model": summary["epochs"][-1]["test_loss"]}
    for name, nats in lines.items():
        expected = rf"{nats:.4f} \({nats / math.log(2):.4f}\) +{re.escape(name)}\n"
        assert re.search(expected, result.stdout)


def test_the_figures_show_the_numbers(folder, corpus, monkeypatch, tmp_path, config):
    drawn = {}

    def keep(name):
        function = getattr(plots, name)

        def draw(*arguments):
            drawn[name] = function(*arguments)
            return drawn[name]

        monkeypatch.setattr(plots, name, draw)

    for name in ("learning_curves", "step_losses", "attention", "next_character"):
        keep(name)
    run = runs.resume(config, corpus, CPU, folder)
    with RunFolder(tmp_path / "figures") as figures:
        train_gpt.answer(run, figures)
        train_gpt.draw_curves(run, figures, {"unigram": 2.5})
    left, right = drawn["learning_curves"].axes[:2]
    assert left is not right
    rows = rows_of(folder)
    for axes, name in ((left, "loss"), (right, "accuracy")):
        assert "epoch" in axes.get_xlabel()
        for line, split in zip(axes.lines, ("train", "test"), strict=False):
            assert list(line.get_xdata()) == [0, 1, 2]
            expected = [float(row[f"{split}_{name}"]) for row in rows]
            assert list(line.get_ydata()) == expected
    assert list(left.lines[2].get_ydata()) == [2.5, 2.5]
    assert left.lines[2].get_label() == "unigram"
    assert "nats per character" in left.get_ylabel()
    assert len(right.lines) == 2
    steps = drawn["step_losses"].axes[0].lines[0]
    assert steps.get_ydata().tolist() == read(folder)["step_losses"]
    assert steps.get_xdata()[-1] == 2
    images = [axes.images[0] for axes in drawn["attention"].axes if axes.images]
    assert len(images) == 2  # heads of the one layer
    for image in images:
        shown = torch.tensor(image.get_array())
        assert (shown.triu(1) == 0).all()
        assert shown.sum(1).tolist() == pytest.approx([1] * 10, rel=1e-5)
    full, kept = drawn["next_character"].axes[0].containers
    heights = [bar.get_height() for bar in full]
    assert heights == sorted(heights, reverse=True)
    assert math.fsum(heights) == pytest.approx(1)
    shown = [bar.get_height() for bar in kept]
    total = math.fsum(heights[:5])
    assert shown[:5] == pytest.approx([h / total for h in heights[:5]])
    assert not any(shown[5:])


def test_the_same_seed_gives_the_same_run_and_pictures(folder, train_here, tmp_path):
    status, _, err = train_here("--output-dir", "again")
    assert (status, err) == (0, "")
    assert_same_run(folder, tmp_path / "again")
    for name in FIGURES:
        again = tmp_path / "again" / name
        assert (folder / name).read_bytes() == again.read_bytes(), name


def test_another_seed_gives_another_run(folder, config, corpus, tmp_path):
    other = replace(config, seed=43, output_dir=str(tmp_path / "other"))
    rows = rows_of(train(other, load_corpus(other)))
    for one, two in zip(rows_of(folder), rows, strict=True):
        assert one["train_loss"] != two["train_loss"]
    weights = [runs.start(c, corpus, CPU).model.wte.weight for c in (config, other)]
    assert not torch.isclose(*weights).any()


def test_fault_10_sampling_and_evaluating_more_changes_no_weight(
    folder, config, tmp_path
):
    more = replace(
        config, n_sentences=7, sample_length=50, top_k=2, test_windows=200,
        output_dir=str(tmp_path / "more"),
    )  # fmt: skip
    found = read(train(more, load_corpus(more)))
    expected = read(folder)
    for name in ("state_dict", "optimizer", "step_losses"):
        assert_equal(found[name], expected[name])
    assert len(found["samples"][0]["plain sampling"]) == 7
    assert found["metrics"][2]["test_loss"] != expected["metrics"][2]["test_loss"]


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2, "tie_weights": True}])
def test_fault_9_a_run_stopped_after_any_epoch_equals_the_uninterrupted_one(
    config, corpus, tmp_path, options
):
    n = 4
    wanted = replace(config, epochs=n, epoch_windows=130, **options)
    whole = train(replace(wanted, output_dir=str(tmp_path / "whole")), corpus)
    for k in range(1, n + 1):
        part = replace(wanted, epochs=k, output_dir=str(tmp_path / f"{k}"))
        train(part, corpus)
        assert read(tmp_path / f"{k}")["epoch"] == k
        train(replace(part, epochs=n, resume=True), corpus, resume=True)
        assert_same_run(whole, tmp_path / f"{k}")


def test_fault_9_a_run_may_be_stopped_again_and_again(config, corpus, tmp_path):
    wanted = replace(config, epoch_windows=130)
    whole = replace(wanted, epochs=3, output_dir=str(tmp_path / "whole"))
    train(whole, corpus)
    for k in (1, 2, 3):
        part = replace(wanted, epochs=k, output_dir=str(tmp_path / "part"))
        train(part, corpus, resume=k > 1)
    assert_same_run(tmp_path / "whole", tmp_path / "part")


def test_a_continued_run_s_model_does_not_tell_that_it_was_continued(
    config, corpus, tmp_path
):
    wanted = replace(config, output_dir=str(tmp_path), epochs=1)
    train(wanted, corpus)
    before = read(tmp_path, "model.pt")
    train(replace(wanted, epochs=2, resume=True), corpus, resume=True)
    after = read(tmp_path, "model.pt")
    assert after["config"] | {"epochs": 1} == before["config"]


def test_a_finished_run_is_continued_to_the_same_figures(
    folder, train_here, gpt_flags, tmp_path
):
    status, out, err = train_here("--epochs", 1)
    assert (status, err) == (0, "")
    mine = tmp_path / "outputs" / "gpt"
    one = (mine / "learning_curves.png").read_bytes()
    status, out, err = train_here("--resume")
    assert (status, err) == (0, "")
    assert "epoch  2: loss" in out
    assert "epoch  1: loss" not in out
    assert_same_run(folder, mine)
    for name in FIGURES:
        assert (folder / name).read_bytes() == (mine / name).read_bytes(), name
    assert (mine / "learning_curves.png").read_bytes() != one
    summaries = [json.loads((f / "summary.json").read_text()) for f in (folder, mine)]
    for name in ("epochs", "baselines", "sampling", "samples"):
        assert_equal(*(summary[name] for summary in summaries))


def test_a_model_is_no_checkpoint_to_go_on_from(train_here, folder, tmp_path):
    mine = tmp_path / "outputs" / "gpt"
    mine.mkdir(parents=True)
    (mine / "checkpoint.pt").write_bytes((folder / "model.pt").read_bytes())
    status, out, err = train_here("--resume")
    assert (status, out) == (2, "")
    assert_one_line(err, "train_gpt.py: ", "no checkpoint to resume", "optimizer")


def test_nothing_to_go_on_from_is_one_line(train_here):
    status, out, err = train_here("--resume")
    assert (status, out) == (2, "")
    assert_one_line(err, "outputs/gpt/checkpoint.pt", "run without --resume")


def test_fault_2_a_cut_checkpoint_is_one_line_and_stays(train_here, folder, tmp_path):
    mine = tmp_path / "outputs" / "gpt"
    mine.mkdir(parents=True)
    cut = (folder / "checkpoint.pt").read_bytes()[:5000]
    (mine / "checkpoint.pt").write_bytes(cut)
    status, out, err = train_here("--resume")
    assert (status, out) == (2, "")
    assert_one_line(err, "checkpoint.pt")
    assert (mine / "checkpoint.pt").read_bytes() == cut


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": {}},
        {"optimizer": {"state": {}, "param_groups": []}},
        {"config": None},
        {"metrics": None},
        {"epoch": "two"},
        {"step_losses": None},
        {"samples": None},
    ],
    ids=str,
)
def test_fault_2_a_checkpoint_with_a_part_that_is_none_is_one_line(
    train_here, folder, tmp_path, change
):
    mine = tmp_path / "outputs" / "gpt"
    mine.mkdir(parents=True)
    torch.save(read(folder) | change, mine / "checkpoint.pt")
    status, out, err = train_here("--resume", "--epochs", 3)
    assert (status, out) == (2, "")
    assert_one_line(err, "checkpoint.pt")


def test_a_checkpoint_without_samples_is_one_line(train_here, folder, tmp_path):
    mine = tmp_path / "outputs" / "gpt"
    mine.mkdir(parents=True)
    content = read(folder)
    del content["samples"], content["step_losses"]
    torch.save(content, mine / "checkpoint.pt")
    status, out, err = train_here("--resume")
    assert (status, out) == (2, "")
    assert_one_line(err, "checkpoint.pt", "samples, step_losses")


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_fault_8_a_signal_keeps_the_last_epoch_and_the_run_goes_on_from_it(
    gpt_flags, config, corpus, tmp_path, signum, status
):
    command = [sys.executable, ROOT / "train_gpt.py", *gpt_flags, "--epochs", 100_000]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        list(map(str, command)), cwd=tmp_path, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("epoch  2"):
            process.send_signal(signum)
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert_one_line(err, "train_gpt.py: ", signal.Signals(signum).name)
    folder = tmp_path / "outputs" / "gpt"
    k = read(folder)["epoch"]
    assert 2 <= k < 100_000
    names = {path.name for path in folder.iterdir()}
    assert names >= {"learning_curves.png", "step_losses.png", "samples.md", "model.pt"}
    assert [row["epoch"] for row in rows_of(folder)] == [str(i) for i in range(k + 1)]
    wanted = replace(config, epochs=k + 1, output_dir=str(folder))
    train(wanted, corpus, resume=True)
    train(replace(wanted, output_dir=str(tmp_path / "whole")), corpus)
    assert_same_run(folder, tmp_path / "whole")


def test_fault_8_a_signal_in_any_step_loses_that_epoch_alone(
    train_here, folder, tmp_path, monkeypatch
):
    loss, calls = runs.next_token_loss, []

    def interrupted(model, batch):
        calls.append(1)
        if len(calls) == 4 + 3:  # the third step of the second epoch
            signal.raise_signal(signal.SIGINT)
        return loss(model, batch)

    monkeypatch.setattr(runs, "next_token_loss", interrupted)
    status, out, err = train_here()
    assert status == 130
    assert len(calls) == 7
    assert_one_line(err, "SIGINT")
    mine = tmp_path / "outputs" / "gpt"
    assert read(mine)["epoch"] == 1
    assert "epoch  2: loss" not in out
    progress._received.clear()
    assert train_here("--resume")[0] == 0
    assert_same_run(folder, mine)


def test_fault_8_a_second_ctrl_c_aborts_at_once(train_here, monkeypatch, tmp_path):
    loss, calls = runs.next_token_loss, []

    def interrupted(model, batch):
        calls.append("begun")
        if len(calls) == 6:
            signal.raise_signal(signal.SIGINT)
            calls.append("noted")
            signal.raise_signal(signal.SIGINT)
            calls.append("ended")
        return loss(model, batch)

    monkeypatch.setattr(runs, "next_token_loss", interrupted)
    status, _, err = train_here()
    assert status == 130
    assert calls[-1] == "noted"
    assert_one_line(err, "aborted")
    assert read(tmp_path / "outputs" / "gpt")["epoch"] == 1


def test_fault_22_divergence_names_epoch_and_step_and_keeps_a_finite_model(
    train_here, tmp_path
):
    status, _, err = train_here("--learning-rate", 1e30, "--epochs", 3)
    assert status == 2
    assert_one_line(err, "epoch 1", "step", "learning rate")
    for name in ("model.pt", "checkpoint.pt"):
        state = read(tmp_path / "outputs" / "gpt", name)["state_dict"]
        assert all(x.isfinite().all() for x in state.values())
    model, _ = runs.load(tmp_path / "outputs" / "gpt" / "model.pt")
    assert model(torch.tensor([[1, 2]])).isfinite().all()


@pytest.mark.parametrize("rate", [1e10, 1e20, 1e30, 1e38])
def test_fault_22_divergence_in_an_epoch_s_last_step_is_one_line_as_well(
    train_here, tmp_path, rate
):
    flags = ("--learning-rate", rate, "--epochs", 1, "--batch-size", 256)
    status, _, err = train_here(*flags, "--n-evaluated", 1)
    folder = tmp_path / "outputs" / "gpt"
    if status:
        assert status == 2
        assert_one_line(err, "epoch 1", "learning rate")
    else:
        assert err == ""
    rows = read(folder)["metrics"]
    assert len(rows) == (1 if status else 2)
    assert all(math.isfinite(value) for row in rows for value in row.values())
    model, _ = runs.load(folder / "model.pt")
    assert model(torch.tensor([[1, 2]])).isfinite().all()


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--prompt", "Grüße"), ("'G' is not in the vocabulary (", "characters: ")),
        (("--n-embd", 9), ("--n-embd must be a multiple of --n-head, got 9 and 2",)),
        (("--block-size", 900), ("test.txt: the text has 800 characters; ", "901")),
        (("--block-size", 0), ("--block-size must be at least 1, got 0",)),
        (("--learning-rate", 0), ("--learning-rate must be above 0, got 0",)),
        (("--learning-rate", "nan"), ("--learning-rate must be finite, got nan",)),
        (("--dropout", 1), ("--dropout must be below 1, got 1",)),
        (("--top-k", 0), ("--top-k must be at least 1, got 0",)),
        (("--epochs", 0), ("--epochs must be at least 1, got 0",)),
        (("--test-text", "absent.txt"), ("absent.txt", "No such file")),
        (("--data-dir", "."), ("--data-dir and --train-text exclude each other",)),
    ],
    ids=str,
)
def test_bad_input_is_one_line_before_any_training(
    train_here, tmp_path, monkeypatch, flags, parts
):
    monkeypatch.setattr(runs, "train", lambda *_: pytest.fail("trained"))
    if flags[0] == "--block-size" and flags[1] == 900:
        monkeypatch.setattr(runs, "start", lambda *_: pytest.fail("started"))
    status, out, err = train_here(*flags)
    assert (status, out) == (2, "")
    assert_one_line(err, "train_gpt.py: ", *parts)
    assert not (tmp_path / "outputs").exists()


def test_one_text_without_the_other_is_one_line(run_here):
    for name in ("--train-text", "--test-text"):
        status, out, err = run_here(train_gpt, name, "some.txt")
        assert (status, out) == (2, "")
        assert_one_line(err, "--train-text and --test-text go together")


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"the \xff" * 30, "is not UTF-8 at byte 4"),
        (b"the\0cat" * 30, "NUL at byte 3"),
        (b"", "the text has 0 characters"),
        (b"the cat", "the text has 7 characters; block_size 10 needs at least 11"),
    ],
)
def test_fault_17_and_18_a_bad_text_is_one_line(
    train_here, tmp_path, split, data, message
):
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    flags = [f"--{split}-text", path]
    if split == "train":
        flags += ["--test-text", path]
    status, out, err = train_here(*flags)
    assert (status, out) == (2, "")
    assert_one_line(err, str(path), message)
    assert not (tmp_path / "outputs").exists()


def test_a_folder_of_one_s_own_texts_is_trained_on(run_here, gpt_flags, tmp_path):
    for split, path in (("train", gpt_flags[1]), ("test", gpt_flags[3])):
        copy = tmp_path / f"{split}_shakespeare.txt"
        copy.write_bytes(path.read_bytes())
    status, _, err = run_here(
        train_gpt, "--data-dir", tmp_path, *gpt_flags[4:], "--epochs", 1
    )
    assert (status, err) == (0, "")
    assert len(rows_of(tmp_path / "outputs" / "gpt")) == 2


def test_an_empty_prompt_starts_from_a_newline(train_here, tmp_path):
    status, _, err = train_here("--prompt", "", "--epochs", 1)
    assert (status, err) == (0, "")
    for sentences in read(tmp_path / "outputs" / "gpt")["samples"][0].values():
        assert all(s[0] == "\n" and len(s) == 31 for s in sentences)


def test_an_empty_prompt_is_possible_or_refused_where_no_text_has_a_newline(
    train_here, gpt_flags, tmp_path
):
    flags = []
    for split, path in (("train", gpt_flags[1]), ("test", gpt_flags[3])):
        copy = tmp_path / f"{split}.txt"
        copy.write_bytes(path.read_bytes().replace(b"\n", b" "))
        flags += [f"--{split}-text", copy]
    status, out, err = train_here(*flags, "--prompt", "", "--epochs", 1)
    if status:
        # after an epoch it is too late
        assert out == ""
        assert_one_line(err, "newline")
    else:
        assert err == ""


@pytest.mark.parametrize("character", ["a", "ab", "$"])
def test_a_text_of_one_or_two_characters_is_trained_on(train_here, tmp_path, character):
    path = tmp_path / "text.txt"
    path.write_text(character * 200)
    flags = ("--train-text", path, "--test-text", path, "--prompt", character)
    status, _, err = train_here(*flags, "--epochs", 1, "--test-windows", 8)
    assert (status, err) == (0, "")


def test_texts_too_short_to_count_are_trained_on_without_baselines(
    train_here, tmp_path
):
    path = tmp_path / "text.txt"
    path.write_text("the cat and")
    flags = ("--train-text", path, "--test-text", path, "--epochs", 1)
    status, _, err = train_here(*flags)
    assert (status, err) == (0, "")
    summary = json.loads((tmp_path / "outputs" / "gpt" / "summary.json").read_text())
    assert summary["baselines"] == {}


def test_a_prompt_with_dollars_is_no_formula(train_here, gpt_flags, tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(gpt_flags[1].read_bytes() + b"$x_$ \\frac{ $^$")
    flags = ("--train-text", path, "--prompt", "$x_$", "--epochs", 1)
    status, _, err = train_here(*flags)
    assert (status, err) == (0, "")


def test_fewer_epochs_than_are_done_is_one_line(train_here, folder, tmp_path):
    mine = tmp_path / "outputs" / "gpt"
    shutil.copytree(folder, mine)
    status, _, err = train_here("--resume", "--epochs", 1)
    assert status == 2
    assert_one_line(err, "has done 2 epochs, more than --epochs 1")


def test_a_model_too_large_for_the_memory_is_one_line(train_here):
    status, _, err = train_here("--n-embd", 4_000_000)
    assert status == 1
    assert_one_line(err, "out of memory")
