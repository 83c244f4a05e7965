"""The GPT homework's model: its self-attention."""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F


@dataclass
class Config:
    block_size: int = 64
    vocab_size: int = 65
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 64
    dropout: float = 0.0


class SelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.n_head = config.n_head
        ones = torch.ones(config.block_size, config.block_size)
        self.register_buffer("mask", torch.tril(ones)[None, None])

    def forward(self, x):
        B, L, C = x.shape
        q, k, v = self.c_attn(x).split(C, dim=-1)
        q = q.view(B, L, self.n_head, C // self.n_head).transpose(1, 2)
        k = k.view(B, L, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, L, self.n_head, C // self.n_head).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // self.n_head)
        scores = scores.masked_fill(self.mask[:, :, :L, :L] == 0, float("-inf"))
        weights = self.dropout(F.softmax(scores, dim=-1))
        y = weights @ v
        assert y.shape == (B, self.n_head, L, C // self.n_head)
        y = y.transpose(1, 2).contiguous().view(B, L, C)
        return self.c_proj(y)
