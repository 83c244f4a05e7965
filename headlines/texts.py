"""Texts that a model writes, and what can be counted about them."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from headlines.data import Tokenizer
from headlines.model import PAD, DecoderTransformer, TransformerBlock

CHUNK = 256  # texts that are drawn at once
Cache = list[list[Tensor]]  # keys and values (B, H, T, D) of each block


def draw(model: DecoderTransformer, n: int, temperature: float, seed: int) -> list[str]:
    """Draw n texts, each up to its first pad; temperature 0 takes the likeliest.

    The distribution is that of model.sample, but a step reads one token, and the texts
    that have ended are left out.
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        text
        for begin in range(0, n, CHUNK)
        for text in draw_chunk(model, min(CHUNK, n - begin), temperature, generator)
    ]


@torch.no_grad()
def draw_chunk(
    model: DecoderTransformer, n: int, temperature: float, generator: torch.Generator
) -> list[str]:
    """Draw n texts at once; what is kept of each position grows with n."""
    model.eval()
    tokens = torch.full((n, model.num_tokens), PAD)
    tokens[:, 0] = model.num_token_vals - 1
    open_texts = torch.arange(n)
    cache: Cache = [[] for _ in model.transformer_blocks]
    for t in range(model.num_tokens - 1):
        logits = step(model, tokens[open_texts, t].to(model.device), t, cache).cpu()
        token = choose(logits, temperature, generator)
        tokens[open_texts, t + 1] = token
        going_on = token != PAD
        if not going_on.any():
            break
        open_texts = open_texts[going_on]
        keep = going_on.to(model.device)
        cache = [[part[keep] for part in block] for block in cache]
    return Tokenizer().decode(tokens.numpy())


def choose(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Draw a token of each distribution, logits (B, V): (B,)."""
    if temperature == 0:
        return logits.argmax(1)
    return torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[
        :, 0
    ]


def step(model: DecoderTransformer, token: Tensor, t: int, cache: Cache) -> Tensor:
    """Return the logits (B, V) after one more token (B,) at position t."""
    h = model.embedding(token) + model.positional_embedding.weight[t]  # (B, D)
    for block, kept in zip(model.transformer_blocks, cache, strict=True):
        h = block_step(block, h[:, None], kept)[:, 0]
    if model.pre_norm:
        h = F.layer_norm(h, (model.num_emb,))
    return model.logits(h)


def block_step(block: TransformerBlock, x: Tensor, kept: list[Tensor]) -> Tensor:
    """Map one position x (B, 1, D) as the block does after those that are kept."""
    normed = block.layer_norm1(x) if block.pre_norm else x
    attended = x + attend(block.msha, normed, kept)
    if block.pre_norm:
        return attended + block.mlp(block.layer_norm2(attended))
    attended = block.layer_norm1(attended)
    return block.layer_norm2(attended + block.mlp(attended))


def attend(attention, x: Tensor, kept: list[Tensor]) -> Tensor:
    """Attend from x (B, 1, D) to all that is kept and to itself, which is kept too."""
    B, _, D = x.shape
    k, q, v = (
        w(x).view(B, 1, attention.H, D).transpose(1, 2)  # (B, H, 1, D)
        for w in (attention.w_k, attention.w_q, attention.w_v)
    )
    kept[:] = (
        [torch.cat(pair, 2) for pair in zip(kept, (k, v), strict=True)]
        if kept
        else [k, v]
    )
    heads = F.scaled_dot_product_attention(q, *kept)
    return attention.w_c(heads.transpose(1, 2).reshape(B, 1, attention.H * D))


def measure(texts: Sequence[str], known: Iterable[str]) -> dict[str, float]:
    """Count texts and their words; a word is real if it is among the known ones."""
    words = [word for text in texts for word in text.split()]
    real = set(known)
    return {
        "n_texts": len(texts),
        "distinct_texts": len(set(texts)),
        "mean_length": sum(map(len, texts)) / len(texts),
        "n_words": len(words),
        "distinct_words": len(set(words)),
        "real_words": sum(word in real for word in words) / max(len(words), 1),
    }


def vocabulary(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in text.split()}


def as_markdown(samples: Sequence[tuple[str, Sequence[str]]], title: str) -> str:
    """Return texts under a heading each."""
    lines = [f"# {title}"]
    for heading, texts in samples:
        lines += ["", f"## {heading}", "", *(f"- `{text}`" for text in texts)]
    return "\n".join(lines) + "\n"
