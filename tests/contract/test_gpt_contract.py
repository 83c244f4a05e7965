"""The exercise's questions on the GPT, its accuracy and its sampling."""

import pytest
import torch

from grading.classes import Blame, build, tensor
from tests.contract.attention_probe import FILE, influence
from tests.contract.function_probe import check_accuracy, check_top_k

SECTION = "GPT"
LOADED = ("test_transformer_imports",)
VOCABULARY, LENGTH = 11, 10


def question(title: str, needs: tuple):
    return pytest.mark.question(title, file=FILE, needs=needs)


def gpt(solution):
    cls = solution.get(FILE, "GPT")
    return build(
        cls, n_layer=2, n_head=3, n_embd=24, vocab_size=VOCABULARY, block_size=LENGTH
    ).eval()


def logits(model, idx):
    value = model(idx)
    if isinstance(value, tuple):
        value = value[0]
    value = tensor(getattr(value, "logits", value), "GPT.forward")
    if value.shape != (*idx.shape, VOCABULARY):
        raise Blame(
            f"GPT.forward returns the shape {tuple(value.shape)}, a score for each of "
            f"the {VOCABULARY} characters would be {(*idx.shape, VOCABULARY)}"
        )
    return value


@question(
    "GPT: scores for every next character", needs=(*LOADED, "test_attention_shape")
)
def test_gpt_logits(solution):
    model = gpt(solution)
    for length in (1, 4, LENGTH):
        value = logits(model, torch.randint(VOCABULARY, (2, length)))
        if (value >= 0).all() and torch.allclose(value.sum(2), torch.ones(2, length)):
            raise Blame(
                "GPT.forward returns probabilities: cross_entropy needs the scores, "
                "it takes the softmax itself"
            )


@question(
    "GPT: no character sees what follows",
    needs=("test_gpt_logits", "test_attention_mask", "test_attention_heads"),
)
def test_gpt_causality(solution):
    model = gpt(solution)
    idx = torch.randint(VOCABULARY, (1, LENGTH))
    seen = influence(lambda z: logits(model, z), idx, (idx + 1) % VOCABULARY) > 1e-5
    leaks = seen.triu(1).nonzero().tolist()
    if leaks:
        i, j = max(leaks, key=lambda leak: leak[1] - leak[0])
        raise Blame(f"position {i} changes when character {j} changes: the GPT leaks")
    if not seen.diagonal().all():
        raise Blame("the scores do not depend on the character they follow")


@question("accuracy: of the last character", needs=LOADED)
def test_accuracy(solution):
    check_accuracy(solution)


@question("top-k sampling", needs=LOADED)
def test_top_k(solution):
    check_top_k(solution, lambda: gpt(solution))
