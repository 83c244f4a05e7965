"""GPT-2's weights from a folder in Hugging Face's layout, into transformer.GPT.

Names and shapes are compared before anything is allocated, and nothing in a file is
run: safetensors, or PyTorch's weights-only loading.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpt2.tokens import BytePairs, from_folder
from machinery import checkpoint
from machinery.checkpoint import CheckpointError
from machinery.errors import BadInput
from machinery.files import read_text
from machinery.packages import module
from transformer import GPT

FILES = ("model.safetensors", "pytorch_model.bin")
SIZES = {
    "n_layer": ("n_layer",),
    "n_head": ("n_head",),
    "n_embd": ("n_embd",),
    "vocab_size": ("vocab_size",),
    "block_size": ("n_positions", "n_ctx"),
}
# what transformer.GPT is, where a config says anything about it
FIXED = {
    "model_type": ("gpt2",),
    "layer_norm_epsilon": (1e-5,),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "n_inner": (None,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
}
# stored as (in, out) by the Conv1D of the original
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
BUFFERS = (".attn.bias", ".attn.masked_bias")  # masks, in older files


def load(folder: str | Path) -> tuple[GPT, BytePairs]:
    """Return a folder's model and vocabulary.

    BadInput for a folder that lacks a file or holds another architecture,
    CheckpointError for a damaged file or a shape that disagrees.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder of weights")
    config = read_config(folder / "config.json")
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise BadInput(f"{folder} has no weights: neither {' nor '.join(FILES)}")
    pairs = from_folder(folder)
    if pairs.n_vocab != config["vocab_size"]:
        raise BadInput(
            f"{folder}: its vocabulary has {pairs.n_vocab:,} tokens, its weights are "
            f"for {config['vocab_size']:,} (vocab_size)"
        )
    return read_model(path, config), pairs


def read_config(path: Path) -> dict[str, Any]:
    """Return GPT's arguments; BadInput for a config of something else."""
    if not path.is_file():
        raise BadInput(f"{path.parent} has no config.json")
    try:
        found = json.loads(read_text(path))
        found.items()
    except (json.JSONDecodeError, AttributeError):
        raise BadInput(f"{path} is no JSON object") from None
    for name, allowed in FIXED.items():
        value = found.get(name, None if name == "model_type" else allowed[0])
        if value not in allowed:
            raise BadInput(f"{path}: {name} is {value!r}, not {allowed[0]!r}")
    sizes = {}
    for name, keys in SIZES.items():
        value = next((found[key] for key in keys if key in found), None)
        if type(value) is not int or value < 1:
            raise BadInput(
                f"{path}: {keys[0]} must be a whole number above 0, got {value!r}"
            )
        sizes[name] = value
    if sizes["n_embd"] % sizes["n_head"]:
        raise BadInput(
            f"{path}: n_embd must be a multiple of n_head, "
            f"got {sizes['n_embd']} and {sizes['n_head']}"
        )
    return sizes | {"tie_weights": found.get("tie_word_embeddings") is not False}


def read_model(path: Path, config: dict[str, Any]) -> GPT:
    """Return the model that a file's weights fill."""
    opened = open_safetensors if path.suffix == ".safetensors" else open_pickle
    shapes, read = opened(path)
    names = {
        name.removeprefix("transformer."): name
        for name in shapes
        if not name.endswith(BUFFERS)
    }
    if config["tie_weights"]:
        names.pop("lm_head.weight", None)
    # each layer takes time to build, even without memory
    n_layers = len({name.split(".")[1] for name in names if name.startswith("h.")})
    if n_layers != config["n_layer"]:
        raise CheckpointError(
            f"{path} has {n_layers} layers, its config {config['n_layer']}"
        )
    with torch.device("meta"):
        model = GPT(**config)
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    turned = {name: turn(name, shapes[stored]) for name, stored in names.items()}
    checkpoint.compare_shapes(expected, turned, path)
    return fill(model, {name: read(stored) for name, stored in names.items()}, path)


def turn(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that a stored weight has in the model."""
    return shape[::-1] if name.endswith(TRANSPOSED) else shape


def fill(model: GPT, stored: dict[str, Tensor], path: Path) -> GPT:
    """Give a model without memory its weights; the head stays tied if it is."""
    tied = model.lm_head.weight is model.wte.weight
    weights = {
        name: (p.t() if name.endswith(TRANSPOSED) else p).float().contiguous()
        for name, p in stored.items()
    }
    for name, p in weights.items():
        if not p.isfinite().all():
            raise CheckpointError(f"{path}: {name} is not finite")
    if tied:
        weights["lm_head.weight"] = weights["wte.weight"]
    model.load_state_dict(weights, assign=True)
    if tied:
        model.lm_head.weight = model.wte.weight
    return model.eval()


Opened = tuple[dict[str, tuple[int, ...]], Callable[[str], Tensor]]


def open_safetensors(path: Path) -> Opened:
    """Return the shapes of a file's tensors, and what reads one."""
    safetensors = module("safetensors", extra="gpt2")
    try:
        file = safetensors.safe_open(path, framework="pt")
        names = list(file.keys())
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file: {checkpoint.first_line(error)}"
        ) from error
    return shapes, file.get_tensor


def open_pickle(path: Path) -> Opened:
    """Return the shapes of a file's tensors, and what returns one; nothing is run."""
    try:
        if zipfile.is_zipfile(path):  # older ones are none
            checkpoint.check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except checkpoint.UNREADABLE as error:
        raise CheckpointError(
            f"{path} is not a whole, safe file of weights: "
            f"{checkpoint.first_line(error)}"
        ) from error
    tensors = isinstance(content, dict) and all(
        isinstance(p, Tensor) for p in content.values()
    )
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors by name")
    return {name: tuple(p.shape) for name, p in content.items()}, content.__getitem__
