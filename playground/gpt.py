"""The character GPT for the page: its weights along the training, and its logits."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dataset import Vocabulary
from gpt import runs, snapshots
from machinery import checkpoint
from playground.pack import Pack, packed_size, rounded_model
from transformer import GPT

PROMPT = "the "  # of the check; characters that a vocabulary lacks are left out
Snapshots = list[tuple[int, dict[str, Tensor]]]  # epochs and their weights


def collect(folder: Path, room: int) -> Pack:
    """Return what the page needs of a folder of train_gpt.py.

    As many epochs as fit into room characters, the first and the last among them.
    Raise CheckpointError for files that are damaged, OSError where there are none.
    """
    content = checkpoint.read(folder / "model.pt")
    model = runs.restore(content, folder / "model.pt")
    kept = read_snapshots(folder, content)
    size = packed_size([w.numel() for w in content["state_dict"].values()])
    chosen = thin_out([epoch for epoch, _ in kept], max(room // size, 1))

    characters = content["preprocessing"]["vocabulary"]
    ids = check_ids(characters, model.block_size)
    names = "n_layer", "n_head", "n_embd", "block_size"
    sizes = {name: content["config"][name] for name in names}
    about = {"characters": characters, "epochs": chosen, "check": ids}
    pack = Pack(sizes | about)
    logits = []
    for epoch, state in kept:
        if epoch in chosen:
            pack.add_state(f"{epoch}.", state)
            logits.append(last_logits(rounded_model(model, state), ids))
    pack.add("check.logits", "f8", torch.stack(logits))  # (E, V)
    pack.add("check.attention", "f8", attention(model, ids))  # the last epoch's
    return pack


def read_snapshots(folder: Path, content: dict[str, Any]) -> Snapshots:
    """Return the epochs that snapshots.pt holds, and the model's own as the last."""
    path, found = folder / "snapshots.pt", []
    own = content["state_dict"]
    if path.exists():
        kept = checkpoint.read(path, also={"snapshots": list})["snapshots"]
        if not all(map(snapshots.is_snapshot, kept)):
            raise checkpoint.CheckpointError(f"{path} holds no snapshots of a model")
        found = [(s["epoch"], s["state_dict"]) for s in kept]
    for _, state in found:
        expected, kept = map(checkpoint.shapes, (own, state))
        checkpoint.compare_shapes(expected, kept, path)
    if not found or not all(torch.equal(found[-1][1][k], own[k]) for k in own):
        last = found[-1][0] if found else 0
        found.append((max(content["config"]["epochs"], last + 1), own))
    return found


def thin_out(epochs: Sequence[int], n: int) -> list[int]:
    """Return n of the epochs, the last always: early ones close together, later far.

    The ends stay; between them goes whatever leaves the smallest gap, as a ratio.
    """
    kept = list(epochs)
    if n == 1:
        return kept[-1:]
    while len(kept) > max(n, 2):
        gaps = [
            math.log((after + 1) / (before + 1))
            for before, after in zip(kept, kept[2:], strict=False)
        ]
        # of equal gaps the later one
        worst = max(range(len(gaps)), key=lambda i: (-gaps[i], i))
        del kept[worst + 1]
    return kept


def check_ids(characters: str, block_size: int) -> list[int]:
    """Return the tokens, at least one, on which the page is compared."""
    known = "".join(c for c in 3 * PROMPT if c in characters) or characters[0]
    return Vocabulary(characters).encode(known[:block_size])


@torch.no_grad()
def last_logits(model: GPT, ids: list[int]) -> Tensor:
    """Return the logits (V,) of the token after ids."""
    return model(torch.tensor([ids]))[0, -1]


@torch.no_grad()
def attention(model: GPT, ids: list[int]) -> Tensor:
    """Return what each position looks at, (layers, heads, T, T)."""
    maps = []
    x = model.wte(torch.tensor([ids])) + model.wpe.weight[: len(ids)]
    for block in model.h:
        maps.append(block.attn.weights(block.ln_1(x))[0])
        x = block(x)
    return torch.stack(maps)
