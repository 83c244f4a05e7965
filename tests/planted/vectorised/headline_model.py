"""Attention and block of the headline assignment, as the notebook writes them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads=8):
        super().__init__()
        self.D = num_emb
        self.H = num_heads
        self.w_k = nn.Linear(self.D, self.D * self.H)
        self.w_q = nn.Linear(self.D, self.D * self.H)
        self.w_v = nn.Linear(self.D, self.D * self.H)
        self.w_c = nn.Linear(self.D * self.H, self.D)
        self.dropout = 0.1

    def forward(self, x, causal=True):
        B, T, D = x.shape

        def heads(w):
            return w(x).view(B, T, self.H, D).transpose(1, 2).reshape(-1, T, D)

        k, q, v = heads(self.w_k), heads(self.w_q), heads(self.w_v)
        k = k / D**0.25
        q = q / D**0.25
        kq = torch.bmm(q, k.transpose(1, 2))  # (B H, T, T)
        if causal:
            later = torch.triu_indices(T, T, offset=1)
            kq[..., later[0], later[1]] = float("-inf")
        skq = F.softmax(kq, dim=2)
        sa = torch.bmm(skq, v).view(B, self.H, T, D)
        sa = sa.transpose(1, 2).reshape(B, T, D * self.H)
        return F.dropout(self.w_c(sa), self.dropout, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        self.msha = MultiHeadSelfAttention(num_emb=num_emb, num_heads=num_heads)
        self.layer_norm1 = nn.LayerNorm(num_emb)
        self.layer_norm2 = nn.LayerNorm(num_emb)
        self.mlp = nn.Sequential(
            nn.Linear(num_emb, num_neurons * num_emb),
            nn.GELU(),
            nn.Linear(num_neurons * num_emb, num_emb),
        )
        self.drop = nn.Dropout(0.1)

    def forward(self, x, causal=True):
        x_attn = self.msha(x, causal)
        h = self.layer_norm1(x_attn + x)
        x_mlp = self.drop(self.mlp(h))
        return self.layer_norm2(x_mlp + h)
