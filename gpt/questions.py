"""What the exercise asks of the character GPT, in numbers and sentences.

Losses are in nats per character unless a line says bits.
"""

import math
import re
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gpt import samples
from gpt.data import Corpus
from gpt.runs import EVALUATION_BATCH, Run
from machinery.ngram import ngram_losses
from machinery.training import in_chunks
from transformer import GPT, next_token_distribution

NGRAM_CONTEXT = 10  # characters, as many as the exercise's model sees
SHOWN = 20  # characters of a sentence whose attention is drawn


def count_baselines(corpus: Corpus, block_size: int) -> dict[str, float]:
    """Return the counted models' losses on the test text.

    Like the GPT's, the n-gram's is over windows, whose first characters have little
    context; texts too short to count are left without.
    """
    ids = [np.asarray(data.ids) for data in (corpus.train, corpus.test)]
    context = min(block_size, NGRAM_CONTEXT, len(ids[0]) // 10 - 1, len(ids[1]) - 1)
    if context < 1:
        return {}
    losses = ngram_losses(*ids, len(corpus.vocabulary), context)
    longer = block_size - context  # positions with more context than is counted
    windowed = (np.sum(losses.by_context) + longer * losses.best) / block_size
    return {
        "unigram": losses.unigram,
        "bigram": losses.bigram,
        f"best n-gram in windows of {block_size}": float(windowed),
        f"best n-gram with {context} characters before each": losses.best,
    }


def describe_losses(run: Run, baselines: dict[str, float]) -> str:
    lines = ["test loss in nats (bits) per character:"]
    losses = {"this model": run.rows[-1]["test_loss"], **baselines}
    for name, loss in losses.items():
        lines.append(f"  {loss:.4f} ({loss / math.log(2):.4f})  {name}")
    return "\n".join(lines)


def describe_epoch(run: Run) -> str:
    row = run.rows[-1]
    lines = [
        f"epoch {run.epoch:2}: loss train {row['train_loss']:.4f} "
        f"test {row['test_loss']:.4f}; accuracy of the last character "
        f"train {row['train_accuracy']:.4f} test {row['test_accuracy']:.4f}, "
        f"of all test {row['test_accuracy_all']:.4f}"
    ]
    if run.samples:
        for kind, texts in run.samples[-1].items():
            lines += [f"  {kind}: {text!r}" for text in texts]
    return "\n".join(lines)


def look_back(run: Run) -> tuple[np.ndarray, str]:
    """Return each head's attention (n_layer, H, T, T) in a test sentence, and that."""
    run.model.eval()
    idx = run.corpus.test.ids[: min(run.config.block_size, SHOWN)].to(run.device)
    characters = run.corpus.vocabulary.decode(idx.tolist())
    return attention_weights(run.model, idx).cpu().numpy(), characters


@torch.no_grad()
def after_prompt(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return the distribution (V,) of the character after the prompt.

    Whole, and cut to the top k.
    """
    run.model.eval()
    context = run.prompt[None, -run.config.block_size :]
    logits = run.model(context)[:, -1].cpu()
    full, kept = (
        next_token_distribution(logits, 1.0, top_k, None)[0].numpy()
        for top_k in samples.kinds(run.config).values()
    )
    return full, kept


def evaluate_sampling(run: Run) -> dict[str, dict[str, float]]:
    """Measure many sentences of each kind of sampling."""
    drawn = samples.draw(run, samples.AT_THE_END, run.config.n_evaluated)
    start = len(run.prompt)
    return {
        kind: evaluate_samples(run.model, run.corpus, ids, start)
        for kind, ids in drawn.items()
    }


def evaluate_samples(
    model: GPT, corpus: Corpus, ids: Tensor, start: int
) -> dict[str, float]:
    """Measure generated sentences (n, T) from their characters start.. on.

    Words cut off at the end do not count. real_words is the share of words that occur
    in the training text, distinct_words the number of different ones.
    """
    known = set(words(corpus.handler.text["train"]))
    found = []
    for row in ids[:, start:].tolist():
        whole = re.sub(r"[A-Za-z']+$", "", corpus.vocabulary.decode(row))
        found += words(whole)
    return {
        "n_sentences": len(ids),
        "n_words": len(found),
        "real_words": sum(word in known for word in found) / max(len(found), 1),
        "distinct_words": len(set(found)),
        "log_likelihood": mean_log_likelihood(model, ids, start),
    }


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


@torch.no_grad()
def mean_log_likelihood(model: GPT, ids: Tensor, start: int) -> float:
    """Return the mean log p of characters start.. of sentences (n, T)."""
    model.eval()
    total = 0.0
    for t in range(start, ids.shape[1]):
        context = ids[:, max(0, t - model.block_size) : t]
        logits = in_chunks(lambda c: model(c)[:, -1], context, EVALUATION_BATCH)
        total -= F.cross_entropy(logits, ids[:, t]).item()
    return total / (ids.shape[1] - start)


def compare(sampling: dict[str, dict[str, float]]) -> dict[str, bool]:
    """Say what top-k sampling does to the sentences."""
    plain, top_k = sampling.values()
    return {
        "more_real_words": top_k["real_words"] > plain["real_words"],
        "fewer_distinct_words": top_k["distinct_words"] < plain["distinct_words"],
    }


def describe_sampling(sampling: dict[str, dict[str, float]]) -> str:
    """Answer, in numbers, whether top-k changes the quality of the samples."""
    plain, _ = sampling.values()
    lines = [f"over {plain['n_sentences']} sentences of each kind:"]
    for kind, found in sampling.items():
        lines.append(
            f"  {kind:15}: {found['real_words']:.1%} of {found['n_words']} words occur "
            f"in the training text, {found['distinct_words']} distinct, "
            f"log-likelihood {found['log_likelihood']:.3f} nats per character"
        )
    verdict = compare(sampling)
    more = "more" if verdict["more_real_words"] else "no more"
    fewer = "fewer" if verdict["fewer_distinct_words"] else "no fewer"
    lines.append(f"  top-k writes {more} real words and {fewer} different ones")
    return "\n".join(lines)


def summarize(run: Run, **found: Any) -> dict[str, Any]:
    """Return the numbers of summary.json, with what has been found besides."""
    return {
        "units": "loss in nats per character, over all positions of a window",
        "n_parameters": sum(p.numel() for p in run.model.parameters()),
        "epochs": run.rows,
        **found,
        "samples": run.samples,
        "written": samples.before_and_after(run),
    }


@torch.no_grad()
def attention_weights(model: GPT, idx: Tensor) -> Tensor:
    """Return the weights of every layer and head for idx (T,): (n_layer, H, T, T)."""
    x = model.wte(idx[None]) + model.wpe.weight[: len(idx)]  # (1, T, C)
    weights = []
    for block in model.h:
        weights.append(block.attn.weights(block.ln_1(x))[0])
        x = block(x)
    return torch.stack(weights)
