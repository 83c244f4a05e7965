"""Self-attention and layer norm, one token after the other."""

import torch
import torch.nn as nn


class MySelfAttention(nn.Module):
    def __init__(self, input_dim):
        super().__init__()
        self.input_dim = input_dim
        self.W_Q = nn.Parameter(torch.randn(input_dim, input_dim) * 0.1)
        self.W_K = nn.Parameter(torch.randn(input_dim, input_dim) * 0.1)
        self.W_V = nn.Parameter(torch.randn(input_dim, input_dim) * 0.1)

    def forward(self, x):
        if x.dim() == 2:
            return self.one(x)
        return torch.stack([self.one(sample) for sample in x])

    def one(self, x):
        q, k, v = x @ self.W_Q, x @ self.W_K, x @ self.W_V
        rows = []
        for i in range(len(x)):
            scores = torch.stack([q[i] @ k[j] for j in range(len(x))])
            weights = torch.softmax(scores / self.input_dim**0.5, dim=0)
            rows.append(sum(w * value for w, value in zip(weights, v, strict=True)))
        return torch.stack(rows)


class MyLayerNorm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(*shape))
        self.bias = nn.Parameter(torch.zeros(*shape))

    def forward(self, x):
        samples = []
        for sample in x:
            mean = sample.sum() / sample.numel()
            variance = ((sample - mean) ** 2).sum() / sample.numel()
            samples.append((sample - mean) / (variance + 1e-8) ** 0.5)
        return self.weight * torch.stack(samples) + self.bias
