"""The model of headlines for the page: its weights, and its log-probabilities."""

from pathlib import Path

import torch

from headlines import runs
from headlines.data import Tokenizer
from headlines.recipes import RECIPES, SIZES
from machinery import checkpoint
from playground.pack import Pack, rounded_model

LINE = "a man in love with the moon"  # of the check


def model_file(folder: Path, size: int) -> Path:
    """Return the model of a size, or of the other that the page may show."""
    wanted = [folder / f"size_{n}" / "model.pt" for n in (size, 3 - size)]
    return next((path for path in wanted if path.exists()), wanted[0])


def collect(path: Path) -> Pack:
    """Return what the page needs of a model of train_headlines.py.

    Raise CheckpointError for a file that is damaged, OSError where there is none.
    """
    content = checkpoint.read(path)
    state = content["state_dict"]
    model = rounded_model(runs.restore(content, path), state)
    config = content["config"]
    size, tokenizer = SIZES[config["size"]], Tokenizer()
    tokens = tokenizer.encode([LINE])[0, : len(LINE) + 1].tolist()
    pack = Pack({
        "size": config["size"],
        "n_block": size.num_blocks,
        "n_head": size.num_heads,
        "n_embd": size.num_emb,
        "n_tokens": model.num_tokens,
        "pre_norm": RECIPES[config["recipe"]].pre_norm,
        "letters": tokenizer.letters,  # the accented ones, too
        "n_weights": sum(weights.numel() for weights in state.values()),
        "check": tokens,
    })  # fmt: skip
    pack.add_state("", state)
    with torch.no_grad():
        expected = model.transformer_forward(torch.tensor([tokens]))[0]
    pack.add("check.log_probs", "f8", expected)  # (T, V)
    return pack
