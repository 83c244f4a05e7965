import torch
import torch.nn.functional as F


def log_likelihood(model, text):
    with torch.no_grad():
        logits, _ = model(text, past=None)
        logits = logits[:, :-1, :].reshape(-1, logits.size(-1))
        targets = text[:, 1:].reshape(-1)
        loss = F.cross_entropy(logits, targets, reduction="sum")
        return -loss.item()
