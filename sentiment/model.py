"""The assignment's modules, written out: self-attention, layer norm, the classifier.

B batch, T tokens, d embedding. No loops; torch's fused kernels stand in fused.py.
"""

import torch
from torch import Tensor, nn

PAD = 0
UNKNOWN = 1


class MySelfAttention(nn.Module):
    """softmax(Q K^T / sqrt d) V with one head and maps of d x d (section 5)."""

    def __init__(self, input_dim: int) -> None:
        super().__init__()
        self.input_dim = input_dim
        self.w_q = nn.Linear(input_dim, input_dim, bias=False)
        self.w_k = nn.Linear(input_dim, input_dim, bias=False)
        self.w_v = nn.Linear(input_dim, input_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, d), or one sample (T, d), to its own shape."""
        batch = x if x.ndim == 3 else x[None]
        q, k, v = self.w_q(batch), self.w_k(batch), self.w_v(batch)
        scores = torch.bmm(q, k.transpose(1, 2)) / self.input_dim**0.5  # (B, T, T)
        return torch.bmm(scores.softmax(2), v).view_as(x)


class MyLayerNorm(nn.Module):
    """One mean and one variance for all T x d elements of a sample (section 5)."""

    def __init__(self, normalized_shape: tuple[int, int]) -> None:
        super().__init__()
        self.eps = 1e-8
        self.gamma = nn.Parameter(torch.ones(normalized_shape))
        self.beta = nn.Parameter(torch.zeros(normalized_shape))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., T, d) to its own shape."""
        centered = x - x.mean((-2, -1), keepdim=True)
        variance = centered.square().mean((-2, -1), keepdim=True)  # the population's
        return self.gamma * centered / (variance + self.eps).sqrt() + self.beta


class MyTransformerBlock(nn.Module):
    """Attention and two linear layers, each with a residual and a norm after it.

    attention=False leaves the attention's branch out: what it is worth.
    """

    def __init__(
        self, max_len: int, input_dim: int, dropout: float = 0.1, *,
        attention: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention = MySelfAttention(input_dim) if attention else None
        self.dropout = nn.Dropout(dropout)
        self.norm1 = MyLayerNorm((max_len, input_dim))
        self.linear1 = nn.Linear(input_dim, input_dim)
        self.linear2 = nn.Linear(input_dim, input_dim)
        self.norm2 = MyLayerNorm((max_len, input_dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, d) to its own shape; T is max_len."""
        if self.attention is not None:
            x = x + self.dropout(self.attention(x))
        x = self.norm1(x)
        return self.norm2(x + self.linear2(self.linear1(x).relu()))


class MyTransformer(nn.Module):
    """Word vectors that go on learning, blocks, the mean over positions, a logit."""

    def __init__(
        self, vectors: Tensor, max_len: int, num_of_blocks: int = 1, *,
        attention: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.max_len = max_len
        self.embedding = nn.Embedding.from_pretrained(
            vectors.clone(), freeze=False, padding_idx=PAD
        )
        self.blocks = nn.ModuleList(
            MyTransformerBlock(max_len, vectors.shape[1], attention=attention)
            for _ in range(num_of_blocks)
        )
        self.fc = nn.Linear(vectors.shape[1], 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, max_len), pads at their ends, to logits (B,)."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(1)).squeeze(1)
