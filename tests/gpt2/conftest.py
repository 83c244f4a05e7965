"""A small vocabulary, a tiny model, and a folder of weights as everybody has it."""

import json

import pytest
import torch

from gpt2.tokens import END, BytePairs, byte_order, letters
from transformer import GPT

# as GPT-2's: a space before a word belongs to it
MERGES = ("t h", "Ġ th", "h e", "Ġ a", "i n", "Ġth e", "e r", "Ġ m", "o v", "Ġm ov")
TINY = {"n_layer": 2, "n_head": 2, "n_embd": 8, "vocab_size": 267, "block_size": 16}


@pytest.fixture
def pairs() -> BytePairs:
    return BytePairs(MERGES)


@pytest.fixture
def tiny() -> GPT:
    torch.manual_seed(0)
    model = GPT(**TINY).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


def write_vocabulary(folder, merges=MERGES, names=("vocab.json", "merges.txt")):
    """Write a vocabulary's two files."""
    shown = {b: c for c, b in letters().items()}
    tokens = [shown[b] for b in byte_order()]
    tokens += [merge.replace(" ", "") for merge in merges]
    numbers = {token: i for i, token in enumerate([*tokens, END])}
    (folder / names[0]).write_text(json.dumps(numbers), "utf-8")
    text = "\n".join(["#version: 0.2", *merges, ""])
    (folder / names[1]).write_text(text, "utf-8")


def hugging_face(model: GPT, prefix: str = "transformer.") -> dict[str, torch.Tensor]:
    """Return a model's weights as Hugging Face names and turns them."""
    turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    state = {
        (name if name.startswith("lm_head") else prefix + name): (
            p.t() if name.endswith(turned) else p
        ).contiguous()
        for name, p in model.state_dict().items()
    }
    for i in range(len(model.h)):  # masks that older files keep
        T = model.block_size
        state[f"{prefix}h.{i}.attn.bias"] = torch.ones(1, 1, T, T).tril()
        state[f"{prefix}h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    return state


CONFIG = {
    "model_type": "gpt2",
    "n_layer": 2,
    "n_head": 2,
    "n_embd": 8,
    "vocab_size": 267,
    "n_positions": 16,
    "layer_norm_epsilon": 1e-5,
    "activation_function": "gelu_new",
}


@pytest.fixture
def weights_folder(tmp_path, tiny):
    """A folder with the weights of a tied tiny model, and a vocabulary."""
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path / "weights"
    folder.mkdir()
    tiny.lm_head.weight = tiny.wte.weight
    (folder / "config.json").write_text(json.dumps(CONFIG))
    state = {k: v for k, v in hugging_face(tiny).items() if k != "lm_head.weight"}
    safetensors.save_file(state, folder / "model.safetensors")
    write_vocabulary(folder)
    return folder
