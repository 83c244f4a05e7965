"""Questions 6a to 6h and the sentences of section 7, in numbers and texts."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gpt2 import corpus, likelihood, sampling
from gpt2.config import Config
from gpt2.horizon import (
    Levels,
    Lookahead,
    generate_ahead,
    joint,
    look_ahead,
    temper,
)
from gpt2.tokens import BytePairs
from machinery.training import derive_seed
from transformer import GPT, generate

SENTENCES, CONTINUED, STRINGS, AHEAD = 1, 2, 3, 4  # streams of random numbers
GPT2 = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024}
VOCABULARIES = (50_257, 60_000)
LENGTHS = (3, 5, 10, 20, 50, 100)  # characters of the strings that are told apart
TEMPERATURES = tuple(round(0.1 * i, 1) for i in range(1, 16))
AT = 0.5  # the temperature whose texts are compared
N_AHEAD, TOP_K_AHEAD = 40, 10  # tokens written with each horizon, and kept of each
TOP_K_PAIRS = 40  # tokens kept of each where pairs are compared


@dataclass(frozen=True)
class Asked:
    """The model that is asked, and the reviews that it has not seen."""

    model: GPT
    pairs: BytePairs
    held_out: list[str]
    config: Config

    def seed(self, *stream: int) -> int:
        return derive_seed([self.config.seed, *stream])

    def prompt(self, text: str) -> Tensor:
        """Return the tokens (T,) of a text to continue, after an end of text."""
        return as_prompt(self.model, self.pairs, text)


def as_prompt(model: GPT, pairs: BytePairs, text: str) -> Tensor:
    return torch.tensor(pairs.encode_prompt(text), device=model.wte.weight.device)


def bits_of_a_token(n_tokens: int = VOCABULARIES[0]) -> dict[str, float]:
    """Question 6a: how many bits name one of n_tokens."""
    bits = math.log2(n_tokens)
    return {"n_tokens": n_tokens, "bits": bits, "whole_bits": math.ceil(bits)}


def added_parameters() -> dict[str, dict[str, int]]:
    """Question 6b: GPT-2's parameters with either vocabulary, counted on the class."""
    found = {}
    for name, tied in (("tied", True), ("untied", False)):
        counts = []
        for vocab_size in VOCABULARIES:
            with torch.device("meta"):  # no memory
                model = GPT(**GPT2, vocab_size=vocab_size, tie_weights=tied)
            counts.append(sum(p.numel() for p in model.parameters()))
        found[name] = {
            "before": counts[0], "after": counts[1], "added": counts[1] - counts[0],
        }  # fmt: skip
    return found


def write_sentences(asked: Asked, n: int = 5) -> dict[str, list[str]]:
    """Section 7: n sentences for each of ten prefixes."""
    return {
        prefix: sampling.sentences(
            asked.model, asked.pairs, prefix, n, asked.config.top_k,
            asked.seed(SENTENCES, i),
        )
        for i, prefix in enumerate(corpus.PREFIXES)
    }  # fmt: skip


def continue_openings(asked: Asked) -> list[tuple[str, str]]:
    """Question 6c: (opening of 100 characters, what the model makes of it)."""
    found = []
    config = asked.config
    for i, text in enumerate(corpus.openings(asked.held_out, config.n_openings)):
        generator = torch.Generator().manual_seed(asked.seed(CONTINUED, i))
        tokens = [
            int(token)
            for token in generate(
                asked.model, asked.prompt(text)[None], config.length, 1.0,
                config.top_k, None, generator,
            )
        ]  # fmt: skip
        # a review may end: what comes after is another one
        pieces, piece = [], []
        for token in [*tokens, asked.pairs.end]:
            if token == asked.pairs.end:
                pieces.append(asked.pairs.decode(piece))
                piece = []
            else:
                piece.append(token)
        found.append((text, " ¶ ".join(pieces)))
    return found


def strings(asked: Asked) -> dict[str, list[str]]:
    """Return random strings, Shakespeare, reviews, and those with words shuffled."""
    return corpus.strings(
        asked.held_out, asked.config.n_strings, max(LENGTHS), asked.seed(STRINGS)
    )


def score(asked: Asked, texts: dict[str, list[str]]) -> dict[str, dict]:
    """Question 6d: scores (N,) of each kind of text."""
    return {
        name: likelihood.scores(asked.model, asked.pairs.encode, some)
        for name, some in texts.items()
    }


def tell_apart(scores: dict[str, dict[str, np.ndarray]]) -> dict[str, dict]:
    """Question 6e: random strings from language, by the sum and by the mean score."""
    found = {}
    for kind in ("sum", "per_token"):
        language = both_kinds(scores, kind)
        random = scores["random"][kind]
        found[kind] = likelihood.classify(random, language) | {
            "roc": likelihood.roc(random[1::2], language[1::2]),
        }
    return found


def both_kinds(scores: dict[str, dict[str, np.ndarray]], kind: str) -> np.ndarray:
    """Return a score of both kinds of language, one after the other."""
    return np.concatenate([scores[name][kind] for name in ("Shakespeare", "reviews")])


def areas_by_length(asked: Asked, whole: dict[str, list[str]]) -> dict[str, list]:
    """How short a text may be: areas for strings that are cut to fewer characters.

    random against language by the sum and per token; reviews against themselves with
    the words shuffled, by the sum.
    """
    found: dict[str, list[float]] = {"random, sum": [], "random, per token": [],
                                     "shuffled words, sum": []}  # fmt: skip
    for length in LENGTHS:
        draw = np.random.default_rng(asked.seed(STRINGS, length))
        texts = {name: [t[:length] for t in some] for name, some in whole.items()}
        texts["reviews, words shuffled"] = [
            corpus.shuffle_words(text, draw) for text in texts["reviews"]
        ]
        by = score(asked, texts)
        for label, kind in (("sum", "sum"), ("per token", "per_token")):
            found[f"random, {label}"].append(
                likelihood.area(by["random"][kind], both_kinds(by, kind))
            )
        found["shuffled words, sum"].append(
            likelihood.area(by["reviews, words shuffled"]["sum"], by["reviews"]["sum"])
        )
    return found


@torch.no_grad()
def pairs_ahead(asked: Asked, top_k: int, n: int = 20) -> list[Levels]:
    """Return the next two tokens' distributions after n held-out openings."""
    found = []
    for text in corpus.openings(asked.held_out, n):
        ahead = Lookahead(asked.model, asked.prompt(text)[2 - asked.model.block_size :])
        found.append(look_ahead(ahead.logits, ahead.follow, 2, top_k))
    return found


def product_against_joint(levels: list[Levels]) -> dict[str, list[float]]:
    """Question 6g: how far the product of tempered conditionals is from the joint.

    Total variation over pairs of tokens at each temperature, a mean over contexts.
    Given the first token both temper the second alike: all of it is in the first.
    """
    found: dict[str, list[float]] = {"temperature": [], "joint": []}
    for temperature in TEMPERATURES:
        distances = []
        for level in levels:
            log_p = temper(level, temperature)
            myopic = [(p.double() / temperature).log_softmax(-1) for _, p in level]
            right = (log_p[0][:, None] + log_p[1]).exp()
            product = (myopic[0][:, None] + myopic[1]).exp()
            distances.append((right - product).abs().sum().item() / 2)
        found["temperature"].append(temperature)
        found["joint"].append(float(np.mean(distances)))
    return found


def as_sharp(levels: list[Levels]) -> float:
    """Return the temperature at which horizon 1 is as sharp as the levels' is at AT.

    That is: the next token has the same mean entropy over contexts.
    """
    wanted = np.mean([entropy(temper(level, AT)[0]) for level in levels])
    low, high = 0.01, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        found = np.mean([entropy(temper(level[:1], middle)[0]) for level in levels])
        low, high = (middle, high) if found < wanted else (low, middle)
    return (low + high) / 2


def entropy(log_p: Tensor) -> float:
    """Return the entropy of log-probabilities in nats."""
    return -torch.xlogy(log_p.exp(), log_p.exp()).sum().item()


def written_ahead(asked: Asked, sharp: float) -> list[dict]:
    """Question 6h: what horizons 1, 2, 3 write at one temperature, and how likely.

    log_p is the model's own log-likelihood per token at temperature 1. One row is for
    horizon 1 at the temperature that is as sharp as horizon 2; one for blocks.
    """
    kinds = [
        (1, AT, False), (2, AT, False), (3, AT, False), (1, sharp, False),
        (2, AT, True),
    ]  # fmt: skip
    texts = corpus.openings(asked.held_out, 10)
    prompts = [asked.prompt(text) for text in texts]
    rows = []
    for horizon, temperature, blocks in kinds:
        values, shown = [], []
        for i, idx in enumerate(prompts):
            generator = torch.Generator().manual_seed(asked.seed(AHEAD, i))
            written = list(
                generate_ahead(
                    asked.model, idx, N_AHEAD, temperature, horizon, TOP_K_AHEAD,
                    blocks, generator,
                )
            )  # fmt: skip
            log_p = likelihood.token_log_probs(asked.model, [[*idx.tolist(), *written]])
            values.append(log_p[0][-N_AHEAD:].mean().item())
            shown.append(asked.pairs.decode(written))
        rows.append(
            {
                "horizon": horizon,
                "temperature": temperature,
                "blocks": blocks,
                "log_p": float(np.mean(values)),
                "error": float(np.std(values, ddof=1) / len(values) ** 0.5),
                "openings": texts[:3],
                "texts": shown[:3],
            }
        )
    return rows


def best_pair(levels: list[Levels]) -> float:
    """How often the likeliest next token begins the likeliest pair of tokens."""
    same = []
    for level in levels:
        best = int(joint(level).argmax()) // level[1][1].shape[1]
        same.append(best == int(level[0][1].argmax()))
    return float(np.mean(same))
