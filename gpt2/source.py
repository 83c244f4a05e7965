"""Where the model comes from: a folder of weights, or the stand-in."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from gpt2 import corpus, stand_in, weights
from gpt2.config import Config
from gpt2.likelihood import token_log_probs
from gpt2.recipe import RECIPE
from gpt2.tokens import BytePairs, from_package
from machinery import checkpoint
from machinery.ngram import ngram_losses
from machinery.process import seconds_since_start
from machinery.run_folder import RunFolder
from transformer import GPT

Source = tuple[GPT, BytePairs, dict[str, Any]]
MAX_CONTEXT = 4  # tokens that the counted n-gram sees at most


def held_out() -> list[str]:
    """Return the reviews that the stand-in does not see."""
    return corpus.reviews(RECIPE.n_held_out)[1]


def from_weights(folder: str) -> Source:
    """Return the model of a folder, its vocabulary, and what there is to say of it."""
    model, pairs = weights.load(folder)
    n = sum(p.numel() for p in model.parameters())
    line = f"given weights: {n:,}, for {pairs.n_vocab:,} tokens"
    return model, pairs, {"name": "the given weights", "stand_in": False,
                          "lines": [line], "n_parameters": n}  # fmt: skip


def from_stand_in(config: Config, folder: RunFolder) -> Source:
    """Return the stand-in of a folder, trained first where there is none."""
    path, notes = folder.path / "stand_in.pt", folder.path / "stand_in.json"
    if not path.exists():
        train(config, folder)
    content = checkpoint.read(path)
    model, pairs = stand_in.restore(content, path)
    numbers = read_numbers(notes)
    n = sum(p.numel() for p in model.parameters())
    lines = [f"stand-in for GPT-2: {n:,} weights, {pairs.n_vocab:,} tokens"]
    if numbers:
        lines.append(
            f"held-out reviews: {numbers['bits']:.3f} bits per character after "
            f"{numbers['seconds']:.0f} s; a counted n-gram of the same tokens "
            f"{numbers['ngram_bits']:.3f}"
        )
    about = {"name": "the stand-in", "stand_in": True, "lines": lines}
    return model, pairs, about | {"n_parameters": n} | numbers


def read_numbers(path: Path) -> dict[str, float]:
    """Return what the stand-in's training measured, or nothing: the model is enough."""
    try:
        found = json.loads(path.read_bytes())
        return {name: float(found[name]) for name in ("bits", "seconds", "ngram_bits")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def train(config: Config, folder: RunFolder) -> None:
    """Train the stand-in and measure it on the reviews that were held out."""
    pairs = from_package().first(RECIPE.vocab_size)
    texts, unseen = corpus.reviews(RECIPE.n_held_out)
    data = corpus.load_corpus(texts, pairs, Path(config.output_dir).parent / "cache")
    print(
        f"no --weights: training a stand-in on {len(texts):,} reviews, "
        f"{len(data.stream):,} tokens",
        flush=True,
    )
    training = stand_in.start(data, RECIPE, config.seed)
    if config.resume:
        stand_in.resume(training, folder.path / "stand_in_checkpoint.pt")
    finished = stand_in.train(training, folder)
    folder.write("stand_in.pt", finished)
    ids = [[pairs.end, *i, pairs.end] for i in pairs.encode_all(unseen)]
    bits = bits_per_character(training.model, ids, unseen)
    numbers = {"bits": bits, "seconds": seconds_since_start()}
    print(f"held-out reviews: {bits:.3f} bits per character", flush=True)
    stream = np.concatenate([np.array(text[:-1]) for text in ids])
    counted = ngram_losses(data.stream.numpy(), stream, pairs.n_vocab, MAX_CONTEXT)
    nats = counted.best * len(stream)
    numbers["ngram_bits"] = nats / math.log(2) / sum(map(len, unseen))
    folder.write_json("stand_in.json", numbers)


def bits_per_character(model: GPT, ids: list[list[int]], texts: list[str]) -> float:
    """Return the bits that all tokens of texts cost, ends included, a character."""
    nats = -sum(log_p.sum().item() for log_p in token_log_probs(model, ids))
    return nats / math.log(2) / sum(map(len, texts))
