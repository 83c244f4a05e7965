"""Texts that a model writes, and what can be counted about them."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from headlines.data import Tokenizer
from headlines.model import PAD, DecoderTransformer, TransformerBlock

CHUNK = 256  # texts that are drawn at once
Cache = list[Tensor]  # of each block: keys and values (2, B, H, T, D)


def draw(model: DecoderTransformer, n: int, temperature: float, seed: int) -> list[str]:
    """Draw n texts, each up to its first pad; temperature 0 takes the likeliest.

    The distribution is that of model.sample, but a step reads one token, and texts that
    have ended are left out once they are the most.
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
    """Draw n texts at once; the cache grows with n."""
    model.eval()
    tokens = torch.full((n, model.num_tokens), PAD)
    tokens[:, 0] = model.num_token_vals - 1
    texts, going_on = torch.arange(n), torch.ones(n, dtype=torch.bool)
    cache = empty_cache(model, n)
    for t in range(model.num_tokens - 1):
        logits = step(model, tokens[texts, t].to(model.device), t, cache).cpu()
        token = choose(logits, temperature, generator).where(going_on, PAD)
        tokens[texts, t + 1] = token
        going_on = token != PAD
        if not going_on.any():
            break
        if 2 * going_on.sum() < len(texts):
            keep = going_on.to(model.device)
            cache = [block[:, keep] for block in cache]
            texts, going_on = texts[going_on], going_on[going_on]
    return Tokenizer().decode(tokens.numpy())


def empty_cache(model: DecoderTransformer, n: int) -> Cache:
    """Return room for the keys and values of n texts."""
    heads = [block.msha.H for block in model.transformer_blocks]
    T, D = model.num_tokens, model.num_emb
    return [torch.empty(2, n, H, T, D, device=model.device) for H in heads]


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
        h = block_step(block, h[:, None], t, kept)[:, 0]
    if model.pre_norm:
        h = F.layer_norm(h, (model.num_emb,))
    return model.logits(h)


def block_step(block: TransformerBlock, x: Tensor, t: int, kept: Tensor) -> Tensor:
    """Map x (B, 1, D) at position t as the block does after those that are kept."""
    normed = block.layer_norm1(x) if block.pre_norm else x
    attended = x + attend(block.msha, normed, t, kept)
    if block.pre_norm:
        return attended + block.mlp(block.layer_norm2(attended))
    attended = block.layer_norm1(attended)
    return block.layer_norm2(attended + block.mlp(attended))


def attend(attention, x: Tensor, t: int, kept: Tensor) -> Tensor:
    """Attend from x (B, 1, D) to what is kept of t positions, and keep x as well."""
    B, _, D = x.shape
    q, kept[0, :, :, t], kept[1, :, :, t] = (
        w(x).view(B, attention.H, D)
        for w in (attention.w_q, attention.w_k, attention.w_v)
    )
    k, v = kept[:, :, :, : t + 1]
    heads = F.scaled_dot_product_attention(q[:, :, None], k, v)  # (B, H, 1, D)
    return attention.w_c(heads.reshape(B, 1, attention.H * D))


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
