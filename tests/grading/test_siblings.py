"""Classes and functions of the other assignments: found by name, and not mixed up."""

from pathlib import Path

import pytest

from grading import sandbox
from tests.helpers import write_files

BLOCK = """
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.qkv = nn.Linear(size, 3 * size)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, dim=-1)
            scores = q @ k.mT {mask}
            return scores.softmax(-1) @ v

    class TransformerBlock(nn.Module):
        def __init__(self, {parameters}, num_neurons, num_heads):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm({size}), nn.LayerNorm({size})
            self.attention = Own({size})
            self.mlp = nn.Linear({size}, {size})

        def forward(self, x):
            h = self.n1(x + self.attention(x))
            return self.n2(h + self.mlp(h))
"""
MASK = '+ torch.full((x.shape[1],) * 2, float("-inf")).triu(1)'
OF_THE_BLOCK = "TransformerBlock: residuals and norms"


def rows_of(folder: Path) -> dict[str, tuple[str, str]]:
    rows = sandbox.run([folder], time_limit=60)[folder]
    return {row.title: (row.outcome, row.text) for row in rows}


def block(folder: Path, name: str, mask: str, size: str = "num_emb", **more: str):
    text = BLOCK.format(mask=mask, size=size, parameters=size)
    return rows_of(write_files(folder / name, {"blocks.py": text} | more))


@pytest.mark.slow
def test_a_block_with_attention_of_its_own_is_judged_and_must_not_leak(tmp_path):
    assert block(tmp_path, "right", MASK)[OF_THE_BLOCK] == ("passed", "")
    outcome, text = block(tmp_path, "leaks", "")[OF_THE_BLOCK]
    assert (outcome, text) == (
        "failed",
        "position 0 changes when token 6 changes: the block leaks",
    )


@pytest.mark.slow
def test_a_class_of_that_name_from_another_course_is_not_judged(tmp_path):
    helper = "class SelfAttention:\n    def __init__(self, config):\n        pass\n"
    found = block(tmp_path, "other", "", size="width", **{"parts.py": helper})
    assert not [title for title, (outcome, _) in found.items() if outcome == "failed"]
    assert found["TransformerBlock: (B, T, D) in and out"] == (
        "skipped",
        "TransformerBlock takes no num_emb, so it is not the headlines'",
    )
    assert found["SelfAttention: (B, L, C) in and out"] == (
        "skipped",
        "SelfAttention has no c_attn, so it is not the homework's",
    )


@pytest.mark.slow
def test_helpers_in_the_first_assignment_s_files_are_not_judged(tmp_path):
    text = BLOCK.format(mask="", size="num_emb", parameters="num_emb")
    found = rows_of(write_files(tmp_path / "first", {"transformer.py": text}))
    assert found[OF_THE_BLOCK] == ("skipped", "no TransformerBlock in the folder")


@pytest.mark.slow
def test_a_file_that_cannot_be_imported_is_told_once(tmp_path):
    files = {"it.py": "import torch\nclass SelfAttention(torch.nn.Modul):\n    pass\n"}
    found = rows_of(write_files(tmp_path / "broken", files))
    failed = {title: text for title, (outcome, text) in found.items() if text}
    assert failed["SelfAttention can be imported"].startswith("importing stops: it.py")
    assert [o for o, _ in found.values()].count("failed") == 1
    assert failed["SelfAttention: the formula"] == (
        "until 'SelfAttention can be imported' passes"
    )
