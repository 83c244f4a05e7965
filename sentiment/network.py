"""The network of the bonus: words and n-grams as vectors, attention, two poolings.

B batch, T positions, d width. With attention=False the block has its MLP alone and the
pooling is the mean: what attention is worth.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sentiment.model import PAD

TABLE = 16  # width of the n-grams' vectors


class Block(nn.Module):
    """Attention and an MLP, each with a norm before it and a residual around it."""

    def __init__(
        self, width: int, n_heads: int, hidden: int, dropout: float, attention: bool
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.dropout = nn.Dropout(dropout)
        if attention:
            self.norm1 = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)
        self.attention = attention
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Map x (B, T, d), of which the positions there (B, T) are looked at."""
        if self.attention:
            x = x + self.dropout(self.attend(self.norm1(x), there))
        return x + self.dropout(self.mlp(self.norm2(x)))

    def attend(self, x: Tensor, there: Tensor) -> Tensor:
        B, T, width = x.shape
        q, k, v = (
            part.view(B, T, self.n_heads, -1).transpose(1, 2)
            for part in self.qkv(x).chunk(3, 2)
        )
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=there[:, None, None])
        return self.out(found.transpose(1, 2).reshape(B, T, width))


class NgramNetwork(nn.Module):
    """A logit of a review's words, bigrams and trigrams."""

    def __init__(
        self, vectors: Tensor, n_bigrams: int, n_trigrams: int, *,
        attention: bool = True, n_blocks: int = 1, n_heads: int = 1,
        n_queries: int = 4, hidden: int = 128, dropout: float = 0.3,
    ) -> None:  # fmt: skip
        super().__init__()
        width = vectors.shape[1]
        self.words = nn.Embedding.from_pretrained(
            vectors.clone(), freeze=False, padding_idx=PAD
        )
        self.tables = nn.ModuleList(
            nn.Embedding(n + 1, TABLE, padding_idx=0) for n in (n_bigrams, n_trigrams)
        )
        self.maps = nn.ModuleList(
            nn.Linear(TABLE, width, bias=False) for _ in self.tables
        )
        for table in self.tables:
            nn.init.zeros_(table.weight)  # an n-gram says nothing until it has learnt
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, n_heads, hidden, dropout, attention) for _ in range(n_blocks)
        )
        self.queries = nn.Linear(width, n_queries) if attention else None
        poolings = 1 + n_queries * attention
        self.head = nn.Linear(poolings * width, 1)

    def embed(self, ids: Tensor) -> Tensor:
        """Map the words, bigrams and trigrams ids (3, B, T) to vectors (B, T, d)."""
        x = self.words(ids[0])
        for table, to_width, numbers in zip(
            self.tables, self.maps, ids[1:], strict=True
        ):
            x = x + to_width(table(numbers))
        return x

    def forward(self, ids: Tensor, there: Tensor) -> Tensor:
        """Map ids (3, B, T) and the positions that are there (B, T) to logits (B,)."""
        x = self.dropout(self.embed(ids))
        for block in self.blocks:
            x = block(x, there)
        return self.head(self.dropout(self.pool(x, there))).squeeze(1)

    def pool(self, x: Tensor, there: Tensor) -> Tensor:
        """Return the mean of x (B, T, d) over what is there, and attention's means."""
        mean = there / there.sum(1, keepdim=True).clamp(min=1)
        weights = [mean[:, None]]
        if self.queries is not None:
            weights.append(self.weights(x, there))
        return (torch.cat(weights, 1) @ x).flatten(1)

    def weights(self, x: Tensor, there: Tensor) -> Tensor:
        """Return the weights of the attention's poolings: (B, queries, T)."""
        scores = self.queries(x).transpose(1, 2)
        return scores.masked_fill(~there[:, None], -1e9).softmax(2)
