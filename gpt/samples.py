"""Sentences from the character GPT, and what can be measured of them."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt.runs import EVALUATION_BATCH, Text
from machinery.training import derive_seed, in_chunks
from transformer import GPT, generate


def sentences(
    model: GPT, prompt: Tensor, n: int, length: int, top_k: int | None, seed: list[int]
) -> Tensor:
    """Draw n continuations of prompt (T,) with a seed of their own: (n, T + length)."""
    generator = torch.Generator().manual_seed(derive_seed(seed))
    idx = prompt.expand(n, -1)
    tokens = list(generate(model, idx, length, top_k=top_k, generator=generator))
    return torch.cat([idx, torch.stack(tokens, dim=1)], dim=1)


@torch.no_grad()
def mean_log_likelihood(model: GPT, ids: Tensor, start: int) -> float:
    """Return the mean log p of characters start.. of sentences (n, T), in nats."""
    model.eval()
    total = 0.0
    for t in range(start, ids.shape[1]):
        context = ids[:, max(0, t - model.block_size) : t]
        logits = in_chunks(lambda c: model(c)[:, -1], context, EVALUATION_BATCH)
        total -= F.cross_entropy(logits, ids[:, t]).item()
    return total / (ids.shape[1] - start)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


def judge(model: GPT, text: Text, ids: Tensor, n_prompt: int) -> dict[str, float]:
    """Measure generated sentences (n, T), the prompt of n_prompt characters excluded.

    Words cut off at the end do not count. real_words is the share of words that occur
    in the training text, distinct_words the number of different ones.
    """
    known = set(words(text.handler.text["train"]))
    found = []
    for row in ids.tolist():
        sentence = text.vocabulary.decode(row[n_prompt:])
        whole = re.sub(r"[A-Za-z']+$", "", sentence)
        found += words(whole)
    return {
        "n_sentences": len(ids),
        "n_words": len(found),
        "real_words": sum(word in known for word in found) / max(len(found), 1),
        "distinct_words": len(set(found)),
        "log_likelihood": mean_log_likelihood(model, ids, n_prompt),
    }


def as_markdown(samples: Sequence[dict[str, list[str]]], title: str) -> str:
    """Return samples.md: the sentences of every epoch, one column for each kind."""
    kinds = list(samples[0])
    lines = [f"# {title}", ""]
    for epoch, by_kind in enumerate(samples, 1):
        lines += [f"## Epoch {epoch}", ""]
        lines += [f"| {' | '.join(kinds)} |", "|" + "---|" * len(kinds)]
        for row in zip(*by_kind.values(), strict=True):
            lines.append("| " + " | ".join(map(cell, row)) + " |")
        lines.append("")
    return "\n".join(lines)


def cell(sentence: str) -> str:
    """A sentence as code in a table: newlines are shown, bars do not split it."""
    shown = sentence.replace("\n", "⏎").replace("|", "\\|").replace("`", "'")
    return f"`{shown}`"
