"""A saved model as generate.py asks for one."""

from dataclasses import asdict

import pytest
import torch

from headlines import prompts, runs
from headlines.config import Config
from headlines.model import DecoderTransformer
from headlines.recipes import RECIPES, Size, build_model
from machinery import checkpoint
from machinery.errors import BadInput

TINY = Size(num_neurons=2, num_heads=2, num_blocks=1, num_emb=4)


def test_a_prompt_begins_a_line_and_has_no_pads():
    encode = prompts.LineVocabulary().encode_prompt
    assert encode("aZ ") == [28, 1, 26, 27]
    assert encode("") == [28]
    assert encode("b" * 148) == [28] + [2] * 148
    with pytest.raises(BadInput, match="at most 148 characters .* got 149"):
        encode("b" * 149)


def test_neither_the_start_nor_the_end_of_a_line_is_shown():
    vocabulary = prompts.LineVocabulary()
    assert vocabulary.decode([28, 1, 26, 27, 2, 0]) == "az b"
    assert vocabulary.decode([vocabulary.end]) == ""


def test_a_line_model_maps_lines_as_the_model_does():
    torch.manual_seed(0)
    model = DecoderTransformer(7, 29, 4, 2, 2, 0.0, 1)
    line_model = prompts.LineModel(model)
    x = torch.tensor([[28, 1, 2]])
    assert line_model.block_size == 7
    assert torch.equal(line_model(x), model.transformer_forward(x))


def test_a_saved_model_comes_back_without_dropout(monkeypatch, tmp_path):
    monkeypatch.setitem(runs.SIZES, 2, TINY)
    saved = build_model(TINY, RECIPES["exercise"])
    about = asdict(Config(recipe="exercise")) | {"size": 2}, {"max_length": 149}
    path = tmp_path / "model.pt"
    path.write_bytes(checkpoint.dump("headlines", saved.state_dict(), *about))
    found, vocabulary = prompts.restore(checkpoint.read(path), path)
    x = torch.tensor([vocabulary.encode_prompt("a cat")])
    assert not any(module.training for module in found.modules())
    assert torch.equal(found(x), saved.eval().transformer_forward(x))
    content = checkpoint.read(path) | {"kind": "sentiment"}
    with pytest.raises(checkpoint.CheckpointError, match=r"other\.pt .*headlines"):
        prompts.restore(content, "other.pt")
