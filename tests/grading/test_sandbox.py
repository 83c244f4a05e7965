"""What of a folder is copied before it runs."""

import sys

import pytest

from grading import sandbox
from tests.helpers import write_files


def test_a_copy_holds_no_links_no_hidden_and_no_large_files(tmp_path):
    source = write_files(tmp_path / "source", {"dataset.py": "x", ".hidden": "x"})
    (source / ".git").mkdir()
    (source / "data").mkdir()
    (source / "data" / "train.csv").write_text("1")
    (source / "link").symlink_to(tmp_path)
    with open(source / "large", "wb") as file:
        file.truncate(sandbox.LARGEST_FILE + 1)
    sandbox.copy_folder(source, tmp_path / "copy")
    found = {p.relative_to(tmp_path / "copy") for p in (tmp_path / "copy").rglob("*")}
    assert set(map(str, found)) == {"dataset.py", "data", "data/train.csv"}


def test_checks_that_never_start_are_the_machine_s_fault_and_no_empty_page(
    tmp_path, monkeypatch
):
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(sandbox, "command", lambda folders, results: asleep)
    folder = write_files(tmp_path / "mine", {"dataset.py": "x"})
    with pytest.raises(sandbox.CheckError, match="no check did start within 1 s"):
        sandbox.run([folder], time_limit=1)


ASLEEP = """
    from torch import nn

    class {name}(nn.Module):
        def __init__(self, num_emb, num_neurons=2, num_heads=3):
            super().__init__()
            self.map = nn.Linear(num_emb, num_emb)
            {own}

        def forward(self, x):
            while True: {line}
"""
ATTENTION, BLOCK = "MultiHeadSelfAttention", "TransformerBlock"
USES = "from attention import MultiHeadSelfAttention\n"


@pytest.mark.slow
def test_what_hangs_is_named_by_its_line_and_what_uses_it_is_not_blamed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sandbox, "CHECK_SECONDS", 3.0)
    own = f"self.attention = {ATTENTION}(num_emb)"
    busy = {"line": "pass", "own": ""}
    files = {
        "attention.py": ASLEEP.format(name=ATTENTION, **busy),
        "block.py": ASLEEP.format(name=BLOCK, line="self.attention(x)", own=own),
        "model.py": ASLEEP.format(name="SelfAttention", **busy).replace(
            "map =", "c_attn ="
        ),
    }
    folder = write_files(tmp_path / "mine", files)
    block = (folder / "block.py").read_text()
    (folder / "block.py").write_text(USES + block)
    rows = sandbox.run([folder], time_limit=30)[folder]
    blamed = {row.title: row.text for row in rows if row.outcome == "failed"}
    title = f"{ATTENTION}: (B, T, D) in and out"
    assert blamed == {title: "takes longer than 3 seconds, at attention.py line 11"}
    said = {row.title: row.text for row in rows}
    assert said[f"{BLOCK}: (B, T, D) in and out"] == f"until {title!r} passes"
    text = f"takes longer than 2 seconds: no more until {title!r} passes"
    assert said["SelfAttention: (B, L, C) in and out"] == text


def test_what_was_not_handed_in_is_told_so_where_no_time_was_left(tmp_path):
    """Not that no time was left: then the assignment is left out of the table."""
    copy = tmp_path / "mine"
    event = {"solution": str(copy), "section": "GPT", "outcome": "collected"}
    reason = "no transformer.py in the folder"
    events = [
        event | {"key": "a", "title": "a", "text": reason},
        event | {"key": "b", "title": "b", "text": ""},
    ]
    rows = sandbox.rows_of(events, copy)
    assert [row.text for row in rows] == [reason, "no time was left"]
