"""A decoder-only transformer as in GPT-2, and sampling from it.

Vaswani et al. 2017 (attention), Radford et al. 2019 (GPT-2: pre-norm, positions that
are learned). Parameters carry the names of GPT-2's checkpoint.
Shapes: B batch, T time, C channels, H heads, D = C / H, V vocabulary, P cached tokens.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class KeyValueCache:
    """The keys and values (B, H, P, D) that one attention layer has computed so far."""

    def __init__(self) -> None:
        self.length = 0  # P
        self.room: Tensor | None = None  # (2, B, H, at least P, D)

    @property
    def n_before(self) -> int:
        """The position of the next token."""
        return self.length

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append those of new tokens; return all, (B, H, P + T, D) each."""
        start, end = self.length, self.length + k.shape[2]
        if self.room is None or end > self.room.shape[3]:
            # doubled when full: copying costs a constant time a token
            room = k.new_empty(2, *k.shape[:2], 2 * end, k.shape[3])
            if self.room is not None:
                room[:, :, :, :start] = self.room[:, :, :, :start]
            self.room = room
        self.room[0, :, :, start:end], self.room[1, :, :, start:end] = k, v
        self.length = end
        return self.room[0, :, :, :end], self.room[1, :, :, :end]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Append k and v; return what q sees of all up to itself: (B, H, T, D)."""
        k, v = self.extend(k, v)
        return causal_attention(q, k) @ v


def causal_attention(q: Tensor, k: Tensor) -> Tensor:
    """Return softmax(q k' / sqrt(D) + mask): (B, H, T, D), (B, H, P + T, D).

    The queries are the last of the keys' positions, and see none after themselves.
    """
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # (B, H, T, P + T)
    n_queries, n_keys = scores.shape[2:]
    if n_queries > 1:
        past = torch.ones(n_queries, n_keys, dtype=torch.bool, device=q.device)
        scores = scores.masked_fill(~past.tril(n_keys - n_queries), -math.inf)
    return scores.softmax(dim=3)


class CausalSelfAttention(nn.Module):
    """Every position looks at itself and the positions before it, in n_head ways."""

    def __init__(
        self, n_head: int, n_embd: int, block_size: int, *, dropout: float = 0.0
    ) -> None:
        """Raise ValueError unless n_embd is a multiple of n_head."""
        super().__init__()
        if n_head < 1 or n_embd % n_head:
            raise ValueError(
                f"n_embd must be a multiple of n_head, got {n_embd} and {n_head}"
            )
        self.n_head = n_head
        self.block_size = block_size
        self.dropout = dropout
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project to queries, keys and values of each head: 3 times (B, H, T, D)."""
        B, T, C = x.shape
        if T > self.block_size:
            raise ValueError(f"{T} tokens do not fit into block_size {self.block_size}")
        qkv = self.c_attn(x).split(C, dim=2)  # (B, T, C) each
        return tuple(t.view(B, T, self.n_head, -1).transpose(1, 2) for t in qkv)

    def weights(self, x: Tensor) -> Tensor:
        """Return how much each position looks at each other: (B, T, C) -> (B, H, T, T).

        Row i sums to one and is zero after column i.
        """
        q, k, _ = self.split(x)
        return causal_attention(q, k)

    def forward(self, x: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        B, T, C = x.shape
        q, k, v = self.split(x)
        if cache is None:
            # causal_attention(q, k) @ v with dropout between, in one kernel
            dropout = self.dropout if self.training else 0.0
            y = F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=True
            )
        else:
            y = cache.attend(q, k, v)  # (B, H, T, D)
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side
        return F.dropout(self.c_proj(y), self.dropout, self.training)


class MLP(nn.Module):
    """Two linear layers, position by position."""

    def __init__(self, n_embd: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.c_fc = nn.Linear(n_embd, 4 * n_embd)
        self.c_proj = nn.Linear(4 * n_embd, n_embd)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        y = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return F.dropout(y, self.dropout, self.training)


class Block(nn.Module):
    """Positions exchange what they know, then each thinks for itself."""

    def __init__(
        self, n_head: int, n_embd: int, block_size: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_head, n_embd, block_size, dropout=dropout)
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = MLP(n_embd, dropout=dropout)

    def forward(self, x: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Token ids to logits of each next token."""

    def __init__(
        self, n_layer: int, n_head: int, n_embd: int, vocab_size: int, block_size: int,
        *, dropout: float = 0.0, tie_weights: bool = False,
    ) -> None:  # fmt: skip
        """Raise ValueError for sizes below 1 or n_embd no multiple of n_head."""
        super().__init__()
        sizes = (n_layer, n_embd, vocab_size, block_size)
        names = "n_layer", "n_embd", "vocab_size", "block_size"
        for name, value in zip(names, sizes, strict=True):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.block_size = block_size
        self.dropout = dropout
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.h = nn.ModuleList(
            Block(n_head, n_embd, block_size, dropout=dropout) for _ in range(n_layer)
        )
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        if tie_weights:
            self.lm_head.weight = self.wte.weight
        self.init_weights()

    def init_weights(self) -> None:
        """GPT-2's initialisation: small enough that an untrained loss is near ln V."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                # 2 n_layer branches add up in the residual stream
                shrink = math.sqrt(2 * len(self.h)) if "c_proj" in name else 1.0
                nn.init.normal_(parameter, std=0.02 / shrink)

    def forward(self, idx: Tensor) -> Tensor:
        """Return the logits of the next token at every position: (B, T) -> (B, T, V).

        Raise ValueError when T is above block_size.
        """
        return self.lm_head(self.features(idx, [None] * len(self.h)))

    def new_cache(self) -> list[KeyValueCache]:
        """Return an empty cache for next_logits, one part a layer."""
        return [KeyValueCache() for _ in self.h]

    def next_logits(self, idx: Tensor, cache: list[KeyValueCache]) -> Tensor:
        """Go on from the cached tokens with idx (B, T); return the last logits (B, V).

        The cache grows by T; raise ValueError where block_size has no room for it.
        """
        return self.lm_head(self.features(idx, cache)[:, -1])

    def features(self, idx: Tensor, cache: list[KeyValueCache | None]) -> Tensor:
        """Return what the head reads: (B, T) -> (B, T, C)."""
        start = cache[0].n_before if cache[0] else 0
        end = start + idx.shape[1]
        if end > self.block_size:
            room = self.block_size
            raise ValueError(f"{end} tokens do not fit into block_size {room}")
        x = self.wte(idx) + self.wpe.weight[start:end]  # (B, T, C)
        x = F.dropout(x, self.dropout, self.training)
        for block, part in zip(self.h, cache, strict=True):
            x = block(x, part)
        return self.ln_f(x)


def next_token_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean cross-entropy in nats over all positions; x and y are (B, T)."""
    x, y = batch
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def generate(
    model: nn.Module, idx: Tensor, n_tokens: int, temperature: float = 1.0,
    top_k: int | None = None, top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:  # fmt: skip
    """Continue idx (B, T), T >= 1; yield the tokens (B,) of each step as they come.

    The model has a block_size and maps (B, T) to logits (B, T, V), as GPT does. Where
    it offers a cache as GPT does (new_cache, next_logits), a step reads one token.
    Each token is drawn given the last block_size tokens. Temperature 0 is greedy; top_k
    and top_p (nucleus, Holtzman et al. 2020) cut the distribution before it is drawn
    from. Raise ValueError for settings outside their range.
    """
    if idx.ndim != 2 or idx.shape[1] < 1:
        raise ValueError(f"idx must be (B, T) with T >= 1, got {tuple(idx.shape)}")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature must be finite and >= 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p}")

    def draw(logits: Tensor) -> Tensor:
        if temperature == 0:
            return logits.argmax(dim=1)
        tokens, probabilities = kept_tokens(logits, temperature, top_k, top_p)
        drawn = torch.multinomial(probabilities, 1, generator=generator)
        return tokens.gather(1, drawn.to(logits.device))[:, 0]

    return _continue(model, idx[:, -model.block_size :], n_tokens, draw)


@torch.no_grad()
def _continue(
    model: nn.Module, context: Tensor, n_tokens: int, draw
) -> Iterator[Tensor]:
    model.eval()
    new_cache = getattr(model, "new_cache", lambda: None)
    cache, new = new_cache(), context
    for _ in range(n_tokens):
        if cache is None:
            logits = model(context)[:, -1]
        else:
            logits = model.next_logits(new, cache)
        token = draw(logits)  # (B,)
        yield token
        full = context.shape[1] == model.block_size
        context = torch.cat([context, token[:, None]], dim=1)[:, -model.block_size :]
        new = token[:, None]
        if full:
            # the window moves on: every position changes and nothing cached holds
            cache, new = new_cache(), context


def kept_tokens(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> tuple[Tensor, Tensor]:
    """Return min(top_k, V) tokens (B, n) of logits (B, V), and probabilities (B, n).

    Those are zero outside the smallest set of the likeliest with at least top_p.
    """
    n = logits.shape[1] if top_k is None else min(top_k, logits.shape[1])
    if n < logits.shape[1] or top_p is not None:
        logits, tokens = logits.topk(n, dim=1)  # most likely first
    else:
        tokens = torch.arange(n, device=logits.device).expand_as(logits)
    # float64 and a maximum of zero: finite at any temperature above 0
    scaled = logits.cpu().double()  # no Apple GPU has float64
    scaled = (scaled - scaled.amax(dim=1, keepdim=True)) / temperature
    probabilities = scaled.softmax(dim=1)
    if top_p is not None and top_p < 1:  # up to 1, rounding would decide
        before = probabilities.cumsum(dim=1) - probabilities
        probabilities = probabilities.masked_fill(before >= top_p, 0.0)
        probabilities = probabilities / probabilities.sum(dim=1, keepdim=True)
    return tokens, probabilities


def next_token_distribution(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> Tensor:
    """Return the probabilities (B, V) that are drawn from, given logits (B, V)."""
    tokens, probabilities = kept_tokens(logits, temperature, top_k, top_p)
    everywhere = torch.zeros(logits.shape, dtype=probabilities.dtype)
    return everywhere.scatter(1, tokens.cpu(), probabilities)
