"""The notebook's own cells run on our class unchanged."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from headlines.data import Tokenizer
from headlines.model import DecoderTransformer
from tests.headlines.test_model_in_loops import tiny

LINES = ["a cat", "the hen sat", ""]


@torch.no_grad()
def notebook_sample(model, batch_size, temperature):
    """The notebook's own way of sampling."""
    x_seq = np.asarray([[model.num_token_vals - 1] for i in range(batch_size)])
    for i in range(model.num_tokens - 1):
        xx = torch.tensor(x_seq, dtype=torch.long, device=model.device)
        x_log_probs = model.transformer_forward(xx, temperature=temperature)
        x_i_sample = torch.multinomial(torch.exp(x_log_probs[:, i]), 1)
        x_seq = np.concatenate((x_seq, x_i_sample.numpy()), axis=1)
    return x_seq


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_sampling_is_the_notebook_s_draw_for_draw(temperature):
    model = tiny(seed=9)  # pads are likely
    torch.manual_seed(3)
    found = model.sample(batch_size=64, temperature=temperature)
    torch.manual_seed(3)
    expected = notebook_sample(model, 64, temperature)
    assert isinstance(found, np.ndarray)
    assert found.shape == (64, 7)
    assert np.array_equal(found, expected)
    # as there, what follows a text's first pad is whatever the model gives
    ended = found[:, 1:-1] == 0
    assert (found[:, 2:][ended] != 0).any()


def evaluation(test_loader, name=None, model_best=None, epoch=None, device="cpu"):
    """The notebook's cell, without what it prints."""
    model_best.eval()
    loss = 0.0
    rec = 1.0
    N = 0
    for _indx_batch, test_batch in enumerate(test_loader):
        loss_t = model_best.forward(test_batch.to(device), reduction="sum")
        loss = loss + loss_t.item()
        rec_t = model_best.top1_rec(test_batch.to(device))
        rec = rec + rec_t.item()
        N = N + test_batch.shape[0]
    return loss / N, rec / N


def training(num_epochs, model, optimizer, training_loader, val_loader, device="cpu"):
    """The notebook's cell, without what it prints and saves."""
    nll_val, rec_val, sampled = [], [], []
    best_nll = 1000.0
    tokenizer = Tokenizer(max_length=149)
    for e in range(num_epochs):
        model.train()
        for _indx_batch, batch in enumerate(training_loader):
            loss = model.forward(batch.to(device))
            optimizer.zero_grad()
            loss.backward(retain_graph=True)
            optimizer.step()
        loss_val, r_val = evaluation(val_loader, model_best=model, epoch=e)
        nll_val.append(loss_val)
        rec_val.append(r_val)
        if e == 0 or loss_val < best_nll:
            best_nll = loss_val
            sampled_tokens = model.sample(batch_size=64, temperature=1.0)
            sampled.append(tokenizer.decode(sampled_tokens))
    return np.asarray(nll_val), np.asarray(rec_val), sampled


def test_the_notebook_s_training_and_evaluation_run_on_our_class():
    tokens = torch.from_numpy(Tokenizer(max_length=149).encode(LINES * 3)).long()
    torch.manual_seed(0)
    num_tokens, num_token_vals, num_neurons, num_heads, num_blocks = 150, 29, 2, 2, 1
    model = DecoderTransformer(
        num_tokens=num_tokens, num_token_vals=num_token_vals, num_emb=num_heads * 4,
        num_neurons=num_neurons, num_heads=num_heads, num_blocks=num_blocks,
    )  # fmt: skip
    model = model.to("cpu")
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-2
    )
    loaders = [DataLoader(tokens, batch_size=4, shuffle=s) for s in (True, False)]
    nll, rec, sampled = training(2, model, optimizer, *loaders)
    assert nll[1] < nll[0] < 149 * math.log(29)
    assert ((rec > 1 / 9) & (rec <= 10 / 9)).all()
    assert [len(texts) for texts in sampled] == [64] * 2
    assert all(len(text) <= 149 for texts in sampled for text in texts)
    log_probs = model.transformer_forward(tokens)[:, :-1]
    total = F.nll_loss(
        log_probs.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum"
    )
    assert nll[1] == pytest.approx(total.item() / 9, rel=1e-5)
