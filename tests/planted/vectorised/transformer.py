import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, n_head, n_embd, block_size):
        super().__init__()
        self.n_head = n_head
        self.n_embd = n_embd
        self.head_dim = n_embd // n_head
        self.qkv = nn.Linear(n_embd, 3 * n_embd)
        self.out = nn.Linear(n_embd, n_embd)
        mask = torch.tril(torch.ones(block_size, block_size))
        self.register_buffer("mask", mask.view(1, 1, block_size, block_size))

    def split_heads(self, z):
        B, T, _ = z.shape
        return z.view(B, T, self.n_head, self.head_dim).transpose(1, 2)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (self.split_heads(z) for z in self.qkv(x).split(C, dim=2))
        scores = q @ k.transpose(2, 3) / math.sqrt(self.head_dim)  # (B, H, T, T)
        scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        attention = F.softmax(scores, dim=-1)
        y = attention @ v
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        return self.out(y)


class Block(nn.Module):
    def __init__(self, n_head, n_embd, block_size):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_head, n_embd, block_size)
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd)
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, n_layer, n_head, n_embd, vocab_size, block_size):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.h = nn.ModuleList(
            [Block(n_head, n_embd, block_size) for _ in range(n_layer)]
        )
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def last_character_accuracy(logits, targets):
    predicted = logits.argmax(dim=-1)
    return (predicted[:, -1] == targets[:, -1]).float().mean().item()


def top_k_probabilities(logits, k):
    probs = F.softmax(logits, dim=-1)
    values, tokens = torch.topk(probs, k)
    kept = torch.zeros_like(probs)
    kept[..., tokens] = values
    return kept / kept.sum()


def generate(model, idx, n_tokens, top_k=None):
    for _ in range(n_tokens):
        logits = model(idx[:, -model.block_size :])[0, -1]
        probs = F.softmax(logits, dim=-1)
        if top_k is not None:
            probs = top_k_probabilities(logits, top_k)
        token = torch.multinomial(probs, 1)
        idx = torch.cat([idx, token[None]], dim=1)
    return idx
