"""generate.py as a user runs it: reproducible text, and one line for bad input."""

import io
import re
import signal
from dataclasses import asdict, replace

import pytest
import torch

import generate
import speedrun
import transformer
from gpt import fast_runs, runs
from gpt.fast_gpt import FastGPT
from gpt.fast_runs import RECIPES
from machinery import checkpoint
from mixture_models import GMM
from mixtures.runs import load_mixture
from tests.helpers import assert_one_line, run_driver

BLOCK = 10
LETTERS = "\n abcdefghijklmnopqrstuvwxyz"
FAST_BLOCK = RECIPES["tiny"].block_size


@pytest.fixture(scope="module")
def model_file(finished_gpt):
    return finished_gpt[0] / "model.pt"


@pytest.fixture
def write(run_here, model_file):
    """generate.py from the tiny model, in this process: (status, out, err)."""
    return lambda *flags: run_here(generate, "--checkpoint", model_file, *flags)


def written(result) -> str:
    """Return what a successful run printed, its last newline excluded."""
    status, out, err = result
    assert (status, err) == (0, "")
    assert out.endswith("\n")
    return out[:-1]


def continued(model_file, prompt: str, n: int, **settings) -> str:
    """Return prompt and n characters, recomputing everything for each."""
    model, vocabulary = runs.load(model_file)
    ids = vocabulary.encode(prompt)
    for _ in range(n):
        with torch.no_grad():
            logits = model(torch.tensor([ids[-BLOCK:]]))[0, -1]
        ids.append(int(logits.argmax()))
    return vocabulary.decode(ids)


def test_the_prompt_and_as_many_characters_as_wanted_are_printed(write, model_file):
    text = written(write("--prompt", "the cat", "--length", 25))
    assert text.startswith("the cat")
    assert len(text) == len("the cat") + 25
    _, vocabulary = runs.load(model_file)
    assert set(text) <= set(vocabulary.characters)


def test_the_default_is_300_characters_after_the(write):
    text = written(write())
    assert text.startswith("the ")
    assert len(text) == 304


def test_temperature_0_is_the_model_s_likeliest_text(write, model_file):
    for prompt in ("t", "the ", "then a hen", "the cat's mat"[:BLOCK]):
        text = written(write("--prompt", prompt, "--length", 30, "--temperature", 0))
        assert text == continued(model_file, prompt, 30)


def test_top_k_1_and_a_tiny_top_p_are_greedy(write, model_file):
    expected = continued(model_file, "the ", 30)
    for flags in (("--top-k", 1), ("--top-p", 1e-9), ("--temperature", 1e-8)):
        assert written(write("--length", 30, *flags)) == expected


def test_each_setting_reaches_the_sampling(write, monkeypatch):
    seen, function = [], transformer.kept_tokens

    def look(logits, *settings):
        seen.append(settings)
        return function(logits, *settings)

    monkeypatch.setattr(transformer, "kept_tokens", look)
    flags = ("--temperature", 0.7, "--top-k", 6, "--top-p", 0.9, "--length", 3)
    written(write(*flags))
    written(write("--length", 2))
    assert seen == [(0.7, 6, 0.9)] * 3 + [(1.0, None, None)] * 2


def test_the_same_seed_writes_the_same_text_in_any_process(write, model_file, tmp_path):
    flags = ("--length", 60, "--seed", 7, "--top-k", 5, "--temperature", 0.8)
    first = written(write(*flags))
    assert written(write(*flags)) == first
    flags = ("--checkpoint", model_file, *flags)
    result = run_driver("generate.py", *flags, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == first + "\n"
    assert not list(tmp_path.iterdir())


def test_another_seed_writes_another_text(write):
    texts = {written(write("--length", 60, "--seed", seed)) for seed in range(4)}
    assert len(texts) == 4


def test_samples_are_numbered_and_differ(write):
    text = written(write("--n-samples", 3, "--length", 40))
    parts = re.split(r"(?:^|\n)--- sample (\d) ---\n", text)
    assert parts[0] == ""
    assert parts[1::2] == ["1", "2", "3"]
    assert len(set(parts[2::2])) == 3
    for part in parts[2::2]:
        assert part.startswith("the ")
        assert len(part) == 44
    # the first is what one sample alone would be
    assert parts[2] == written(write("--length", 40))


def test_a_checkpoint_to_resume_from_writes_as_the_model_does(
    write, run_here, model_file
):
    flags = ("--checkpoint", model_file.with_name("checkpoint.pt"), "--length", 40)
    assert written(run_here(generate, *flags)) == written(write("--length", 40))


def test_fault_14_an_empty_prompt_starts_from_a_newline(write, model_file, monkeypatch):
    step, read = transformer.GPT.next_logits, []
    monkeypatch.setattr(
        transformer.GPT, "next_logits", lambda m, x, c: read.append(x) or step(m, x, c)
    )
    flags = ("--length", 30, "--temperature", 0)
    text = written(write("--prompt", "", *flags))
    _, vocabulary = runs.load(model_file)
    assert read[0].tolist() == [vocabulary.encode("\n")]
    assert "\n" + text == continued(model_file, "\n", 30)


def test_fault_14_without_a_newline_an_empty_prompt_starts_somewhere(
    run_here, tmp_path
):
    config = {"n_layer": 1, "n_head": 1, "n_embd": 4, "block_size": 3}
    config |= {"dropout": 0.0, "tie_weights": False}
    preprocessing = {"vocabulary": "abc"}
    model = runs.build_model(config, preprocessing)
    path = tmp_path / "abc.pt"
    path.write_bytes(checkpoint.dump("gpt", model.state_dict(), config, preprocessing))
    flags = ("--checkpoint", path, "--prompt", "", "--length", 12)
    text = written(run_here(generate, *flags))
    assert len(text) == 12
    assert set(text) <= set("abc")


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_fault_14_a_prompt_longer_than_the_block_is_cropped_and_says_so(
    write, model_file, length
):
    prompt = ("the cat's mat and then a hen sat " * 2)[:length]
    flags = ("--prompt", prompt, "--length", 20, "--temperature", 0)
    status, out, err = write(*flags)
    assert status == 0
    assert out == continued(model_file, prompt, 20) + "\n"
    if length > BLOCK:
        assert_one_line(err, "10 characters", repr(prompt[-BLOCK:]))
    else:
        assert err == ""


def test_fault_13_an_unknown_character_is_one_line(write, model_file):
    _, vocabulary = runs.load(model_file)
    status, out, err = write("--prompt", "the ßig cat")
    assert (status, out) == (2, "")
    assert_one_line(
        err,
        f"generate.py: 'ß' is not in the vocabulary ({len(vocabulary)} characters: ",
        repr(vocabulary.characters),
    )


def test_without_a_checkpoint_the_command_that_makes_one_is_named(run_here, tmp_path):
    for flags in ((), ("--checkpoint", "absent.pt")):
        status, out, err = run_here(generate, *flags)
        assert (status, out) == (2, "")
        path = "absent.pt" if flags else "outputs/gpt/model.pt"
        assert_one_line(err, path, "python train_gpt.py", "--untrained")
    assert not list(tmp_path.iterdir())


def test_an_untrained_model_writes_shakespeare_s_characters_evenly(
    run_here, tmp_path, monkeypatch
):
    monkeypatch.setattr("gpt.data.DATA_DIR", tmp_path)
    flags = ("--untrained", "--length", 400)
    text = written(run_here(generate, *flags, "--seed", 1))
    assert text.startswith("the ")
    assert len(text) == 404
    shakespeare = (tmp_path / "train_shakespeare.txt").read_text("utf-8")
    assert set(text) <= set(shakespeare)
    # a trained model, or one of another start, knows some characters better
    assert len(set(text)) > 50
    assert written(run_here(generate, *flags, "--seed", 1)) == text
    assert written(run_here(generate, *flags, "--seed", 2)) != text


def test_a_mixture_s_model_is_one_line(run_here, tmp_path):
    scale = {"mean": torch.zeros(2), "std": torch.ones(2)}
    path = tmp_path / "gmm.pt"
    state = GMM(3).state_dict()
    path.write_bytes(checkpoint.dump("gmm", state, {"n_components": 3}, scale))
    status, out, err = run_here(generate, "--checkpoint", path)
    assert (status, out) == (2, "")
    assert_one_line(err, f"{path} holds a gmm, not a text model (gpt or fast_gpt or ")


# the speed run's model


def random_fast_model(dtype: str) -> FastGPT:
    """A tiny model that has favourites: an untrained one finds all alike."""
    torch.manual_seed(0)
    recipe = replace(RECIPES["tiny"], dtype=dtype)
    model = fast_runs.from_recipe(recipe, len(LETTERS))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


@pytest.fixture(scope="module")
def fast_file(tmp_path_factory):
    """A model of the speed run that says it was trained in bfloat16."""
    config = asdict(replace(RECIPES["tiny"], dtype="bfloat16"))
    state = random_fast_model("bfloat16").state_dict()
    path = tmp_path_factory.mktemp("fast") / "model.pt"
    vocabulary = {"vocabulary": LETTERS}
    path.write_bytes(checkpoint.dump("fast_gpt", state, config, vocabulary))
    return path


@pytest.mark.parametrize("n", [0, 1, 4, FAST_BLOCK - 1, FAST_BLOCK, 3 * FAST_BLOCK])
def test_a_fast_model_s_likeliest_text_is_that_of_its_forward(run_here, fast_file, n):
    prompt = ("the cat and then a hen sat on it " * 2)[:n]
    flags = ("--prompt", prompt, "--length", 40, "--temperature", 0)
    status, out, err = run_here(generate, "--checkpoint", fast_file, *flags)
    ids = [LETTERS.index(c) for c in prompt or "\n"]
    start, model = len(ids), random_fast_model("float32")
    for _ in range(40):
        with torch.no_grad():
            logits = model(torch.tensor([ids[-FAST_BLOCK:]]))[0, -1]
        ids.append(int(logits.argmax()))
    continuation = "".join(LETTERS[i] for i in ids[start:])
    assert len(set(continuation)) > 2
    assert (status, out) == (0, prompt + continuation + "\n")
    if n > FAST_BLOCK:
        assert_one_line(err, f"{FAST_BLOCK} characters", repr(prompt[-FAST_BLOCK:]))
    else:
        assert err == ""


def test_a_fast_model_computes_in_float32_whatever_it_was_trained_in(fast_file):
    model, vocabulary = fast_runs.load(fast_file)
    idx = torch.tensor([vocabulary.encode("the cat")])
    assert torch.equal(model(idx), random_fast_model("float32")(idx))
    assert not torch.equal(model(idx), random_fast_model("bfloat16")(idx))


def test_a_fast_model_draws_and_refuses_as_the_gpt_does(run_here, fast_file):
    flags = ("--checkpoint", fast_file, "--length", 60, "--seed", 3)
    first = written(run_here(generate, *flags))
    assert len(first) == len("the ") + 60
    assert written(run_here(generate, *flags)) == first
    assert written(run_here(generate, *flags, "--seed", 4)) != first
    status, out, err = run_here(generate, *flags, "--prompt", "the ßig cat")
    assert (status, out) == (2, "")
    assert_one_line(err, f"'ß' is not in the vocabulary ({len(LETTERS)} characters")


def test_what_speedrun_saves_can_be_sampled(run_here, tmp_path):
    folder = tmp_path / "speedrun"
    config = {"recipe": "tiny", "steps": 2, "output_dir": str(folder), "threads": 1}
    speedrun.main(speedrun.Config(**config))
    path = folder / "model.pt"
    flags = ("--checkpoint", path, "--length", 50, "--prompt", "ROMEO:")
    status, out, err = run_here(generate, *flags)
    assert (status, err) == (0, "")
    assert "ROMEO:" in out
    _, vocabulary = fast_runs.load(path)
    assert len(vocabulary) == 65
    for load, wanted in (
        (runs.load, "fast_gpt, not a model of train_gpt.py"),
        (load_mixture, "fast_gpt, not a mixture"),
    ):
        with pytest.raises(checkpoint.CheckpointError, match=wanted):
            load(path)


def test_a_gpt_is_no_fast_model(model_file):
    with pytest.raises(checkpoint.CheckpointError, match="gpt, not a model of speed"):
        fast_runs.load(model_file)


@pytest.mark.parametrize(
    "change",
    [
        {"n_layer": 10**9}, {"n_layer": -1}, {"n_layer": 2.0},
        {"n_embd": 2 * 10**9}, {"n_embd": 10**30}, {"n_embd": 17},
        {"n_head": 0}, {"n_head": -2}, {"n_head": 2.0}, {"n_head": 4}, {"n_head": 16},
        {"block_size": 10**12}, {"block_size": 0}, {"block_size": 17},
        {"block_size": "all"}, {"n_trigrams": 10**12}, {"n_trigrams": 0},
        {"dtype": "float1"}, {"dtype": None}, {"dropout": 2}, {"dropout": "much"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.timeout(10)
def test_fault_2_absurd_sizes_of_a_fast_model_are_one_line(
    run_here, fast_file, tmp_path, change
):
    content = checkpoint.read(fast_file)
    path = tmp_path / "model.pt"
    torch.save(content | {"config": content["config"] | change}, path)
    status, out, err = run_here(generate, "--checkpoint", path)
    assert (status, out) == (2, "")
    assert_one_line(err, str(path))


@pytest.mark.parametrize(
    "change", [{"config": {}}, {"preprocessing": {}}, {"state_dict": {}}], ids=str
)
def test_fault_2_a_fast_model_without_its_parts_is_one_line(
    run_here, fast_file, tmp_path, change
):
    path = tmp_path / "model.pt"
    torch.save(checkpoint.read(fast_file) | change, path)
    status, out, err = run_here(generate, "--checkpoint", path)
    assert (status, out) == (2, "")
    assert_one_line(err, str(path))


# files that are none


def flipped(data: bytes) -> bytes:
    """Return a checkpoint's bytes with one bit of a weight changed."""
    state = torch.load(io.BytesIO(data), weights_only=True)["state_dict"]
    at = data.index(state["wte.weight"].numpy().tobytes()) + 5
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda d: b"", lambda d: d[:3000], flipped, lambda d: b"not a checkpoint\n"],
    ids=["empty", "cut", "flipped", "text"],
)
def test_fault_2_and_3_a_damaged_checkpoint_is_one_line(
    run_here, model_file, tmp_path, damage
):
    path = tmp_path / "model.pt"
    path.write_bytes(damage(model_file.read_bytes()))
    status, out, err = run_here(generate, "--checkpoint", path)
    assert (status, out) == (2, "")
    assert_one_line(err, str(path))


def test_a_folder_is_no_checkpoint(run_here, tmp_path):
    status, out, err = run_here(generate, "--checkpoint", tmp_path)
    assert (status, out) == (2, "")
    assert_one_line(err, str(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"config": {}},
        {"config": None},
        {"config": {"n_head": 3}},
        {"config": {"n_layer": "one"}},
        {"config": {"n_layer": 0}},
        {"config": {"n_layer": 10**9}},
        {"config": {"n_embd": 2**40}},
        {"config": {"n_embd": 2 * 10**30}},
        {"config": {"block_size": 11}},
        {"preprocessing": {}},
        {"preprocessing": None},
        {"preprocessing": {"vocabulary": ""}},
        {"preprocessing": {"vocabulary": 7}},
        {"state_dict": {}},
        {"state_dict": None},
        {"state_dict": {"wte.weight": "?"}},
    ],
    ids=str,
)
@pytest.mark.timeout(10)
def test_fault_2_a_checkpoint_that_makes_no_gpt_is_one_line(
    run_here, model_file, tmp_path, change
):
    content = checkpoint.read(model_file)
    ((key, value),) = change.items()
    if value and key != "preprocessing":
        value = content[key] | value
    path = tmp_path / "model.pt"
    torch.save(content | {key: value}, path)
    status, out, err = run_here(generate, "--checkpoint", path)
    assert (status, out) == (2, "")
    assert_one_line(err, str(path))


def test_weights_that_are_not_finite_are_one_line(run_here, model_file, tmp_path):
    content = checkpoint.read(model_file)
    content["state_dict"]["ln_f.weight"][0] = float("nan")
    path = tmp_path / "model.pt"
    torch.save(content, path)
    status, _, err = run_here(generate, "--checkpoint", path)
    assert status == 2
    assert_one_line(err, "finite")


@pytest.mark.parametrize(
    ("flag", "value", "rule"),
    [
        ("--temperature", "-1", "at least 0"),
        ("--temperature", "nan", "finite"),
        ("--temperature", "inf", "finite"),
        ("--temperature", "warm", "invalid float value: 'warm'"),
        ("--top-k", "0", "at least 1"),
        ("--top-k", "-3", "at least 1"),
        ("--top-k", "2.5", "invalid int value: '2.5'"),
        ("--top-p", "0", "above 0"),
        ("--top-p", "1.5", "at most 1"),
        ("--top-p", "nan", "finite"),
        ("--length", "0", "at least 1"),
        ("--n-samples", "0", "at least 1"),
        ("--seed", "-1", "at least 0"),
        ("--seed", str(2**64), "at most"),
        ("--device", "tpu", "one of cpu, cuda, mps, auto"),
    ],
)
def test_fault_15_and_16_a_bad_setting_is_one_line(write, flag, value, rule):
    status, out, err = write(flag, value)
    assert (status, out) == (2, "")
    assert_one_line(err, "generate.py: ", flag, rule)


def test_top_k_above_the_vocabulary_and_top_p_1_are_the_whole_distribution(write):
    whole = written(write("--length", 60))
    assert written(write("--length", 60, "--top-k", "none")) == whole
    for flags in (("--top-p", 1), ("--top-k", 1000)):
        text = written(write("--length", 60, *flags))
        assert len(text) == len(whole)


def test_characters_are_printed_as_they_come(write, monkeypatch, capsys):
    step, steps = transformer.GPT.next_logits, []

    def interrupted(self, idx, cache):
        steps.append(1)
        if len(steps) == 5:
            signal.raise_signal(signal.SIGINT)
        return step(self, idx, cache)

    monkeypatch.setattr(transformer.GPT, "next_logits", interrupted)
    status, out, err = write("--length", 1000)
    assert status == 130
    assert out.startswith("the ")
    assert len(out) == len("the ") + 5
    assert_one_line(err, "SIGINT")
