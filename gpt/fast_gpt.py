"""A GPT that learns fast: the model of the speed run.

Beside GPT-2's transformer it has rotary embeddings (Su et al. 2021), QK norm (Henry et
al. 2020), squared ReLU (So et al. 2021), a soft-cap of the logits (Gemma 2, 2024) and
embeddings of the last two and three characters.
Shapes: B batch, T time, C channels, H heads, D = C / H, V vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROTARY_BASE = 1000.0  # pairs of channels turn by 1 to about 1 / 1000 a position
LOGIT_SOFT_CAP = 15.0
HASH_MULTIPLIER, HASH_DIVISOR = 40503, 64  # of Knuth's multiplicative hash


def norm(x: Tensor) -> Tensor:
    """Layer norm without parameters."""
    return F.layer_norm(x, x.shape[-1:])


def rotary_table(n_positions: int, n: int) -> tuple[Tensor, Tensor]:
    """Return the cosines and signed sines (T, D) that rotate wants."""
    frequency = ROTARY_BASE ** (-torch.arange(n // 2) / (n // 2))
    angle = torch.arange(n_positions)[:, None] * frequency  # (T, D / 2)
    sin = angle.sin()
    return angle.cos().repeat(1, 2), torch.cat((-sin, sin), dim=1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # (..., T, D)
    """Rotary embedding: turn each pair of channels by an angle of its position."""
    return x * cos + x.roll(x.shape[-1] // 2, dims=-1) * sin


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:  # (B, H, T, D) each
    """Average the values of each position and those before it by softmax(q k')."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    # on a processor plain products take a half to a fifth of the fused kernel's time
    B, H, T, D = q.shape
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))
    future = torch.full((T, T), -1e4, dtype=q.dtype, device=q.device).triu(1)
    score = torch.baddbmm(future, q, k.transpose(1, 2), alpha=D**-0.5)
    return (score.softmax(-1) @ v).view(B, H, T, D)


class Linear(nn.Module):
    """A linear map without bias; float32 weights, arithmetic in its input's type."""

    def __init__(self, n_in: int, n_out: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * scale * n_in**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.type_as(x))


class Block(nn.Module):
    """Attention, then a perceptron with squared ReLU; both begin as the identity."""

    def __init__(self, n_head: int, n_embd: int, dropout: float) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = Linear(n_embd, 3 * n_embd)
        self.out = Linear(n_embd, n_embd, scale=0.0)
        self.up = Linear(n_embd, 4 * n_embd)
        self.down = Linear(4 * n_embd, n_embd, scale=0.0)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, C = x.shape
        qkv = self.qkv(norm(x)).view(B, T, 3, self.n_head, C // self.n_head)
        qk, v = qkv.permute(2, 0, 3, 1, 4).split((2, 1))  # (2 or 1, B, H, T, D)
        q, k = rotate(norm(qk), cos, sin)  # QK norm
        y = causal_attention(q, k, v[0]).transpose(1, 2).reshape(B, T, C)
        x = x + self.dropout(self.out(y))
        return x + self.dropout(self.down(self.up(norm(x)).relu().square()))


class FastGPT(nn.Module):
    """A GPT that also looks up the last two and the last three characters."""

    def __init__(
        self,
        n_layer: int,
        n_head: int,
        n_embd: int,
        vocab_size: int,
        block_size: int,
        n_trigrams: int,
        *,
        dropout: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Raise ValueError for sizes below 1 or heads that have no pairs of channels.

        dtype is that of the activations.
        """
        super().__init__()
        sizes = {
            "n_layer": n_layer,
            "n_head": n_head,
            "n_embd": n_embd,
            "block_size": block_size,
            "n_trigrams": n_trigrams,
        }
        for name, value in sizes.items():
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be an integer above 0, got {value!r}")
        if n_embd % (2 * n_head):
            raise ValueError(
                f"n_embd must be a multiple of 2 n_head, got {n_embd} and {n_head}"
            )
        self.vocab_size, self.block_size = vocab_size, block_size
        self.dtype = dtype
        self.unigram = nn.Embedding(vocab_size, n_embd)
        self.bigram = nn.Embedding((vocab_size + 1) ** 2, n_embd)
        self.trigram = nn.Embedding(n_trigrams, n_embd)
        for embedding in (self.unigram, self.bigram, self.trigram):
            nn.init.normal_(embedding.weight, std=0.5)
        self.blocks = nn.ModuleList(
            Block(n_head, n_embd, dropout) for _ in range(n_layer)
        )
        self.lm_head = Linear(n_embd, vocab_size, scale=0.0)
        # saved with the weights, so that their shape vouches for the block size
        cos, sin = rotary_table(block_size, n_embd // n_head)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def embed(self, idx: Tensor) -> Tensor:
        """Return the sum of the three embeddings: (B, T) -> (B, T, C)."""
        # before the window there is a character that no text has
        padded = F.pad(idx, (2, 0), value=self.vocab_size)
        bigram = padded[:, 1:-1] * (self.vocab_size + 1) + idx
        trigram = padded[:, :-2] * (self.vocab_size + 1) ** 2 + bigram
        hashed = trigram * HASH_MULTIPLIER // HASH_DIVISOR % self.trigram.num_embeddings
        return self.unigram(idx) + self.bigram(bigram) + self.trigram(hashed)

    def forward(self, idx: Tensor) -> Tensor:
        """Return the logits of the next token: (B, T) -> (B, T, V)."""
        x = norm(self.embed(idx).to(self.dtype))
        cos, sin = (t[: idx.shape[1]].type_as(x) for t in (self.cos, self.sin))
        for block in self.blocks:
            x = block(x, cos, sin)
        logits = self.lm_head(norm(x)).float()
        return LOGIT_SOFT_CAP * (logits / LOGIT_SOFT_CAP).tanh()
