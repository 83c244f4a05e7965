"""The driver and the file that it writes, without a browser."""

import base64
import hashlib
import re
import shutil

import pytest
import torch

import export_playground
from dataset import Vocabulary
from gpt.config import Config as GptConfig
from machinery import checkpoint
from playground import bundle, gpt
from tests.helpers import assert_one_line
from transformer import GPT

LIMIT = 3_000_000  # bytes of the page with the GPT, the mixtures and the headlines


@pytest.fixture
def export(run_here, tmp_path):
    def run(outputs, *flags):
        return run_here(
            export_playground,
            "--outputs",
            outputs,
            "--output-dir",
            tmp_path / "p",
            *flags,
        )

    return run


def test_without_any_output_it_says_what_makes_them(export, tmp_path):
    status, _, err = export(tmp_path / "none")
    assert status == 2
    assert_one_line(err, "no trained model", "train_gpt.py", "train_sentiment.py")
    assert not (tmp_path / "p").exists()


def test_it_takes_what_is_there(export, trained_mixtures, tmp_path):
    status, out, err = export(trained_mixtures[0].parent)
    assert (status, err) == (0, "")
    assert "without gpt: python train_gpt.py trains it" in out
    page = (tmp_path / "p" / "index.html").read_text("utf-8")
    assert 'id="data-mixtures"' in page
    assert 'id="data-gpt"' not in page
    assert {p.name for p in (tmp_path / "p").iterdir()} == {"index.html", ".lock"}


def test_all_models_give_a_page_and_a_second_file(exported):
    assert {"index.html", "sentiment.js"} <= {p.name for p in exported.iterdir()}
    page = (exported / "index.html").read_text("utf-8")
    found = re.findall(r'id="data-(\w+)"', page)
    assert found == ["gpt", "mixtures", "headlines", "commands"]


@pytest.mark.parametrize(
    "name", ["gmm/snapshots.pt", "gpt/model.pt", "gpt/snapshots.pt"]
)
def test_a_damaged_model_is_named_in_one_line(export, trained, tmp_path, name):
    outputs = tmp_path / "outputs"
    shutil.copytree(
        trained, outputs, ignore=shutil.ignore_patterns("sentiment", "head*")
    )
    data = (outputs / name).read_bytes()
    (outputs / name).write_bytes(data[: len(data) // 2])
    status, _, err = export(outputs)
    assert status == 2
    assert_one_line(err, name)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda shots: shots.append(3),
        lambda shots: shots[0].pop("start"),
        lambda shots: shots[0].update(n_components=10**12),
        lambda shots: shots[0]["state_dict"].pop("logits"),
        lambda shots: shots[0]["state_dict"].update(logits=torch.zeros(2, 2)),
        lambda shots: shots[0]["state_dict"].update(logits="none"),
    ],
)
def test_whole_files_with_odd_epochs_are_named_in_one_line(
    export, trained_mixtures, tmp_path, spoil
):
    outputs = tmp_path / "outputs"
    shutil.copytree(trained_mixtures[0].parent, outputs)
    path = outputs / "gmm" / "snapshots.pt"
    found = checkpoint.read(path, also={"snapshots": list})
    spoil(found["snapshots"])
    parts = (found[k] for k in ("kind", "state_dict", "config", "preprocessing"))
    path.write_bytes(checkpoint.dump(*parts, snapshots=found["snapshots"]))
    status, _, err = export(outputs)
    assert status == 2
    assert_one_line(err, "gmm/snapshots.pt")


def test_only_two_sizes_of_headlines_fit(export, tmp_path):
    status, _, err = export(tmp_path, "--headlines-size", 3)
    assert status == 2
    assert_one_line(err, "--headlines-size", "at most 2")


def test_the_same_outputs_give_the_same_page(exported, trained, export, tmp_path):
    assert export(trained)[0] == 0
    for name in ("index.html", "sentiment.js"):
        assert (tmp_path / "p" / name).read_bytes() == (exported / name).read_bytes()


def write_gpt(folder, epochs: int) -> None:
    """Write the files of a GPT of the exercise's size, trained or not."""
    folder.mkdir()
    characters = "".join(map(chr, range(32, 97)))
    config = {**GptConfig().__dict__, "epochs": epochs}
    state = GPT(3, 3, 48, len(characters), 10).state_dict()
    shots = [{"epoch": e, "state_dict": state} for e in range(epochs + 1)]
    about = "gpt", state, config, {"vocabulary": characters}
    (folder / "model.pt").write_bytes(checkpoint.dump(*about))
    (folder / "snapshots.pt").write_bytes(checkpoint.dump(*about, snapshots=shots))
    assert len(Vocabulary(characters)) == 65


@pytest.mark.parametrize(("room", "n"), [(1_950_000, 7), (2_000_000, 8), (10**7, 11)])
def test_the_epochs_stay_within_their_room(tmp_path, room, n):
    write_gpt(tmp_path / "gpt", epochs=10)
    pack = gpt.collect(tmp_path / "gpt", room)
    assert len(pack.meta["epochs"]) == n
    assert len(pack.as_json()) < room


def test_room_and_everything_else_stay_below_the_limit():
    empty = bundle.make_page({}, export_playground.collect.COMMANDS)
    assert export_playground.collect.ROOM + len(empty.encode()) < LIMIT


def test_a_model_that_went_on_without_snapshots_is_its_last_epoch(tmp_path):
    write_gpt(tmp_path / "gpt", epochs=2)
    content = checkpoint.read(tmp_path / "gpt" / "model.pt")
    content["state_dict"]["ln_f.weight"] += 1
    names = "kind", "state_dict", "config", "preprocessing"
    data = checkpoint.dump(*(content[name] for name in names))
    (tmp_path / "gpt" / "model.pt").write_bytes(data)
    pack = gpt.collect(tmp_path / "gpt", 10**7)
    assert pack.meta["epochs"] == [0, 1, 2, 3]
    assert torch.tensor(pack.arrays["3.ln_f.weight"][1]).eq(2).all()


def test_the_policy_lets_only_this_script_run(exported):
    page = (exported / "index.html").read_text("utf-8")
    code = re.search(r"<script>(.*?)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert f"script-src 'sha256-{digest}' 'self' file:;" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy


FORBIDDEN = (
    r"\beval\(", r"\bnew Function\b", r"innerHTML", r"outerHTML", r"insertAdjacentHTML",
    r"document\.write", r"\bfetch\(", r"XMLHttpRequest", r"^\s*(?:import|export)\b",
)  # fmt: skip


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_script_makes_code_or_elements_of_text_or_asks_a_network(pattern):
    assert re.findall(pattern, bundle.script(), re.M) == []


def test_nothing_is_loaded_from_elsewhere():
    page = bundle.make_page({}, {})
    addresses = set(re.findall(r"https?://[^\s\"'`]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place


def test_no_two_scripts_define_the_same_name():
    defined = re.findall(
        r"^(?:async )?(?:function|const|let|class) (\w+)", bundle.script(), re.M
    )
    assert len(defined) > 100
    assert sorted(set(defined)) == sorted(defined)


def test_every_element_that_a_script_names_is_in_the_page():
    page = (bundle.HERE / "page.html").read_text("utf-8")
    there = set(re.findall(r'id="([\w-]+)"', page))
    named = set(re.findall(r'(?:byId|tell)\("([\w-]+)"', bundle.script()))
    assert len(named) > 50
    assert named - there == {"data-commands"}


def test_every_script_and_style_is_in_the_page():
    files = {p.name for p in bundle.HERE.iterdir() if p.suffix == ".js"}
    assert files == set(bundle.ARITHMETIC + bundle.DRAWING)
