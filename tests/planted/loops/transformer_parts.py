"""Attention of the headline assignment, one head after the other, norms first."""

import math

import torch
from torch import nn


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads):
        super().__init__()
        self.scale = 1 / math.sqrt(num_emb)
        self.maps = nn.ModuleList()
        for _ in range(num_heads):
            head = [nn.Linear(num_emb, num_emb, bias=False) for _ in range(3)]
            self.maps.append(nn.ModuleList(head))
        self.together = nn.Linear(num_heads * num_emb, num_emb)

    def forward(self, x, causal):
        T = x.shape[1]
        mask = torch.zeros(T, T)
        if causal:
            mask = torch.full((T, T), float("-inf")).triu(diagonal=1)
        heads = []
        for query, key, value in self.maps:
            scores = torch.einsum("bid,bjd->bij", query(x), key(x))
            weights = torch.softmax(self.scale * scores + mask, dim=-1)
            heads.append(weights @ value(x))
        return self.together(torch.cat(heads, dim=-1))


class FeedForward(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.up, self.down = nn.Linear(size, hidden), nn.Linear(hidden, size)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        self.norm_a = nn.LayerNorm(num_emb)
        self.attention = MultiHeadSelfAttention(num_emb, num_heads)
        self.norm_b = nn.LayerNorm(num_emb)
        self.ff = FeedForward(num_emb, num_neurons * num_emb)

    def forward(self, x, causal=True):
        x = x + self.attention(self.norm_a(x), causal)
        return x + self.ff(self.norm_b(x))
