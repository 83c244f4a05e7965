"""Continuations that share a past give what reading each anew gives."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt2.branches import Branches
from transformer import GPT

BLOCK, V = 6, 7


def whole_gpt() -> GPT:
    torch.manual_seed(0)
    model = GPT(n_layer=2, n_head=2, n_embd=8, vocab_size=V, block_size=BLOCK).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return model.requires_grad_(False)


def draw(n: int, t: int) -> torch.Tensor:
    return torch.randint(V, (n, t))


@given(st.integers(1, BLOCK - 2), st.integers(1, 3), st.integers(1, 2))
def test_branches_share_a_past_and_see_their_own_tokens_alone(n_past, n, deeper):
    model, past = whole_gpt(), draw(1, n_past)
    cache = model.new_cache()
    model.next_logits(past, cache)
    branches, paths = [Branches(part) for part in cache], torch.empty(1, 0).long()
    for _ in range(deeper):
        # each goes on in n ways
        for part in branches:
            part.fork(n)
        paths = paths.repeat_interleave(n, 0)
        paths = torch.cat([paths, draw(len(paths), 1)], dim=1)
        found = model.next_logits(paths[:, -1:], branches)
        whole = torch.cat([past.expand(len(paths), -1), paths], dim=1)
        torch.testing.assert_close(found, model(whole)[:, -1], rtol=0, atol=1e-5)
    assert cache[0].length == n_past
    # one is kept: the past goes on as if it had been read
    i = len(paths) // 2
    for part in branches:
        part.keep(i, deeper)
    whole = torch.cat([past, paths[i : i + 1], draw(1, 1)], dim=1)[:, :BLOCK]
    if n_past + deeper < BLOCK:
        found = model.next_logits(whole[:, -1:], cache)
        torch.testing.assert_close(found, model(whole)[:, -1], rtol=0, atol=1e-5)
