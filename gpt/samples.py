"""Sentences that the character GPT writes, and how they are shown."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gpt import runs
from gpt.config import Config
from gpt.runs import Run
from machinery.training import derive_seed
from transformer import GPT, generate

AFTER_EPOCH, AT_THE_END, WHOLE = 1, 2, 3  # streams of random numbers
WRITTEN = 300  # characters of a text


def kinds(config: Config) -> dict[str, int | None]:
    """Return top_k of the two kinds of sampling that the exercise compares."""
    return {"plain sampling": None, f"top-k, k = {config.top_k}": config.top_k}


def draw(run: Run, stream: int, n: int) -> dict[str, Tensor]:
    """Return n sentences of each kind, the prompt included, as ids (n, T)."""
    config, prompt = run.config, run.prompt
    return {
        kind: sentences(
            run.model, prompt, n, config.sample_length, top_k,
            seed=[config.seed, run.epoch, stream, i],
        )
        for i, (kind, top_k) in enumerate(kinds(config).items())
    }  # fmt: skip


def after_epoch(run: Run) -> dict[str, list[str]]:
    """Return the few sentences of each kind that show what an epoch has taught."""
    drawn = draw(run, AFTER_EPOCH, run.config.n_sentences)
    decode = run.corpus.vocabulary.decode
    return {kind: list(map(decode, ids.tolist())) for kind, ids in drawn.items()}


def before_and_after(run: Run) -> dict[str, str]:
    """Return a text of the model as its training began, and one as it is now."""
    config, corpus = run.config, run.corpus
    untrained = runs.untrained(config, corpus).to(run.device).eval()
    seed = [config.seed, run.epoch, WHOLE]
    return {
        name: corpus.vocabulary.decode(
            sentences(model, run.prompt, 1, WRITTEN, None, seed)[0].tolist()
        )
        for name, model in {"untrained": untrained, "trained": run.model}.items()
    }


def sentences(
    model: GPT, prompt: Tensor, n: int, length: int, top_k: int | None, seed: list[int]
) -> Tensor:
    """Draw n continuations of prompt (T,) with a seed of their own: (n, T + length)."""
    generator = torch.Generator().manual_seed(derive_seed(seed))
    idx = prompt.expand(n, -1)
    tokens = list(generate(model, idx, length, top_k=top_k, generator=generator))
    return torch.cat([idx, torch.stack(tokens, dim=1)], dim=1)


def as_markdown(samples: Sequence[dict[str, list[str]]], title: str) -> str:
    """Return samples.md: the sentences of every epoch, one column for each kind."""
    header = list(samples[0])
    lines = [f"# {title}", ""]
    for epoch, by_kind in enumerate(samples, 1):
        lines += [f"## Epoch {epoch}", ""]
        lines += [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
        for row in zip(*by_kind.values(), strict=True):
            lines.append("| " + " | ".join(map(cell, row)) + " |")
        lines.append("")
    return "\n".join(lines)


def cell(sentence: str) -> str:
    """A sentence as code in a table: newlines are shown, bars do not split it."""
    shown = sentence.replace("\n", "⏎").replace("|", "\\|").replace("`", "'")
    return f"`{shown}`"
