"""The GPT-2 course's functions, token after token and all pairs at once."""

import math

import torch


@torch.no_grad()
def log_likelihood(model, text):
    total, past = 0.0, None
    for t in range(text.shape[1] - 1):
        logits, past = model(text[:, t : t + 1], past=past)
        p = torch.softmax(logits[0, -1], dim=0)
        total += math.log(p[text[0, t + 1]].item())
    return total


def classification(model, text):
    n_tokens = text.shape[1] - 1
    return log_likelihood(model, text) / n_tokens < -6


def temperature_scale(logits, model, past, config, temperature, horizon):
    if horizon == 1:
        return torch.log_softmax(logits / temperature, dim=1)
    first = torch.log_softmax(logits, dim=1)[0]
    kept = [t for t in range(config.vocab_size) if logits[0, t] > -1e9]
    many = [p.repeat_interleave(len(kept), dim=1) for p in past]
    second = model(torch.tensor(kept)[:, None], past=many)[0][:, 0]
    values = second.topk(config.top_k, dim=1).values.log_softmax(dim=1)
    weights = ((first[kept, None] + values) / temperature).exp().sum(dim=1)
    result = torch.full_like(logits, -math.inf)
    result[0, kept] = (weights / weights.sum()).log()
    return result
