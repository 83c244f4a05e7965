"""The driver from its command line: a whole small experiment, and what it refuses."""

import json

import pytest

import generate
import train_headlines
from headlines import why
from headlines.config import Config
from headlines.prompts import LineVocabulary
from machinery import checkpoint, cli
from tests.helpers import assert_one_line, run_driver


@pytest.fixture(scope="module", autouse=True)
def tiny(small_headlines):
    with small_headlines():
        yield


@pytest.fixture
def finished(finished_headlines):
    return finished_headlines


def test_a_run_leaves_figures_numbers_texts_and_models(finished):
    names = {path.name for path in finished.iterdir()}
    figures = {
        "learning_curves", "few_texts", "standing", "correlation", "letters",
        "first_characters", "reach", "leak", "temperature",
    }  # fmt: skip
    assert {f"{name}.png" for name in figures} <= names
    assert {"summary.json", "samples.md", "size_1", "size_2"} <= names
    assert any(name.startswith("few_texts_size_") for name in names)


def test_the_summary_answers_in_plain_numbers(finished):
    found = json.loads((finished / "summary.json").read_text())
    assert [m["size"] for m in found["models"]] == [1, 2]
    assert found["best_size"] in (1, 2)
    assert found["few_texts"]["n_train"] == 40
    assert found["question_1"]["order"]["one_block_without_positions"] < 1e-4
    assert len(found["temperature"]["drawn"]) == 5
    assert found["mixture_beats_both"] in (True, False)
    assert all(len(line) > 20 for line in found["verdicts"])
    leak = found["question_1"]["leak"]
    assert leak["leaking"][-1] < leak["leaking"][0]


def test_sixty_four_texts_of_each_model_are_shown(finished):
    page = (finished / "samples.md").read_text()
    for part in page.split("\n## ")[1:3]:
        assert part.count("\n- ") == 64


def test_generate_continues_a_prompt_to_the_end_of_the_text(finished, capsys):
    path = finished / "size_1" / "model.pt"
    config = generate.Config(checkpoint=str(path), prompt="quick ", n_samples=3)
    generate.main(config)
    lines = capsys.readouterr().out.splitlines()
    drawn = [line for line in lines if not line.startswith("---")]
    assert len(drawn) == 3
    assert all(line.startswith("quick ") and len(line) <= 149 for line in drawn)
    assert any(len(line) > len("quick ") for line in drawn)
    assert LineVocabulary().encode_prompt("aZ") == [28, 1, 26]
    assert LineVocabulary().encode_prompt("") == [28]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [("a1", "'1' in 'a1' is no letter"), ("a" * 149, "at most 148 characters")],
)
def test_generate_refuses_a_prompt_that_is_no_line(finished, prompt, message):
    path = finished / "size_1" / "model.pt"
    with pytest.raises(ValueError, match=message):
        generate.main(generate.Config(checkpoint=str(path), prompt=prompt))


def test_the_models_are_plain_files_without_seconds(finished):
    content = checkpoint.read(finished / "size_1" / "model.pt")
    assert content["kind"] == "headlines"
    assert content["preprocessing"] == {"max_length": 149}
    assert "seconds" not in str(content["config"])


def test_why_is_an_experiment_of_its_own(finished):
    found = json.loads((finished / "why.json").read_text())
    assert found["arms"].keys() == why.ARMS.keys()
    assert len(found["sentences"]) == 3
    assert (finished / "why.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sizes", "7"], "--sizes must be different numbers from 1 to 4, got '7'"),
        (["--texts", "absent.txt"], "absent.txt"),
        (["--column", "x"], "--column x goes with --texts"),
        (["--n-few", "0"], "--n-few must be at least 1, got 0"),
    ],
)
def test_bad_input_ends_in_one_line(monkeypatch, capsys, tmp_path, flags, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train_headlines.py", *flags])
    monkeypatch.setattr(cli, "catch_signals", lambda: None)
    with pytest.raises(SystemExit) as end:
        cli.run(train_headlines.main, Config, None)
    assert end.value.code == 2
    assert_one_line(capsys.readouterr().err, message)
    assert not (tmp_path / "outputs").exists()


def test_the_driver_runs_from_anywhere(tmp_path):
    result = run_driver("train_headlines.py", "--texts", "absent.txt", cwd=tmp_path)
    assert result.returncode == 2
    assert_one_line(result.stderr, "absent.txt")


def test_the_options_have_help(capsys):
    with pytest.raises(SystemExit):
        cli.parse(Config, ["--help"], train_headlines.__doc__)
    shown = capsys.readouterr().out
    assert "why the fourth size fails" in shown
    assert "--n-few" in shown
