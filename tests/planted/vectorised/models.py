"""Self-attention and layer norm without loops."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class MySelfAttention(nn.Module):
    def __init__(self, input_dim):
        super().__init__()
        self.input_dim = input_dim
        self.to_qkv = nn.Linear(input_dim, 3 * input_dim)

    def forward(self, x):
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.input_dim)
        weights = torch.softmax(scores, dim=-1)
        weights = F.dropout(weights, 0.1, training=self.training)
        return weights @ v


class MyLayerNorm(nn.Module):
    def __init__(self, normalized_shape, eps=1e-8):
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(normalized_shape))
        self.beta = nn.Parameter(torch.zeros(normalized_shape))

    def forward(self, x):
        mean = x.mean(dim=(-2, -1), keepdim=True)
        variance = x.var(dim=(-2, -1), unbiased=False, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.eps)
        return self.gamma * x + self.beta
