import torch

from submission.likelihood import log_likelihood

THRESHOLD = -300


def classification(model, text):
    with torch.no_grad():
        return log_likelihood(model, text) < THRESHOLD
