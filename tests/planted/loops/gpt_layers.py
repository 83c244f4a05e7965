"""Self-attention of the GPT homework, one head after the other."""

import torch
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.drop = nn.Dropout(config.dropout)
        square = torch.ones(config.block_size, config.block_size)
        self.mask = square.tril().bool()

    def forward(self, x):
        L, C = x.shape[1:]
        size = C // self.n_head
        projected = self.c_attn(x)
        heads = []
        for h in range(self.n_head):
            q = projected[..., h * size : (h + 1) * size]
            k = projected[..., C + h * size : C + (h + 1) * size]
            v = projected[..., 2 * C + h * size : 2 * C + (h + 1) * size]
            scores = torch.bmm(q, k.permute(0, 2, 1)) * size**-0.5
            scores[:, ~self.mask[:L, :L]] = -1e9
            heads.append(torch.bmm(self.drop(scores.softmax(2)), v))
        return torch.cat(heads, dim=2)
