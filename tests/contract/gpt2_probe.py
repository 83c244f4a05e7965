"""What the GPT-2 course's functions make of a small model: likelihood, a classifier.

A function of that name with other parameters belongs to another course.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, plain, tensor
from grading.loader import Solution
from tests.contract.gpt2_models import LANGUAGE, RANDOM, StandIn, Tiny, TwoKinds, V

LIKELIHOOD, CLASSIFIER = "log_likelihood", "classification"
TEXTS = {"text", "texts", "string", "snippet", "inputids", "tokens"}
T = 12


def function(solution: Solution, name: str) -> Callable:
    """A function of (model, text); NotOffered for one of other parameters."""
    found = solution.find(name)
    names = [plain(p) for p in inspect.signature(found).parameters]
    if len(names) < 2 or "model" not in names[0] or names[1] not in TEXTS:
        raise NotOffered(f"{name} takes {', '.join(names)}, not (model, text)")
    return found


def likelihoods(model: Tiny, ids: Tensor) -> Iterator[tuple[Tensor, str]]:
    """Yield a text's (1, T) log-likelihood, then what others compute and why."""
    logits = model(ids)[0][0]  # (T, V)
    tokens, following = ids[0, :, None], ids[0, 1:, None]
    log_p = logits.log_softmax(1)
    scored = log_p[:-1].gather(1, following)[:, 0]
    total, n = scored.sum(), len(scored)
    yield total, ""
    mean = "it is the mean over the tokens, the log-likelihood of a text is their sum"
    yield total / n, mean
    yield total / T, mean
    yield -total, "it is the negative log-likelihood"
    yield -total / n, "it is the mean of the negative log-likelihoods of the tokens"
    yield (total / n).exp(), "it is the exponential of the mean"
    yield (-total / n).exp(), "it is the perplexity"
    yield total / math.log(2), "it is in bits: the logarithm has the base 2, not e"
    yield total / math.log(10), "the logarithm has the base 10, not e"
    own = log_p.gather(1, tokens)[:, 0]
    shift = (
        "every token is scored by the logits of its own position, not by those before"
    )
    for part in (own, own[:-1], own[1:]):
        yield part.sum(), shift
    back = log_p[1:].gather(1, tokens[:-1])
    yield back.sum(), "the shift goes the wrong way: logits of t score the token t - 1"
    yield scored[1:].sum(), "the second token is left out; only the first may be"
    yield scored[:-1].sum(), "the last token is left out"
    yield scored.exp().sum(), "probabilities are summed, without their logarithms"
    yield scored.exp().prod(), "it is the likelihood, without its logarithm"
    raw = logits[:-1].gather(1, following)
    yield raw.sum(), "logits are summed: they are no log-probabilities (log_softmax)"
    twice = log_p.exp().log_softmax(1)[:-1].gather(1, following)
    yield twice.sum(), "the softmax is taken twice: cross-entropy takes it itself"
    for over_time in (logits.log_softmax(0)[:-1], logits[:-1].log_softmax(0)):
        axis = "the softmax runs over the positions, it must run over the vocabulary"
        yield over_time.gather(1, following).sum(), axis
    alone = torch.cat([model(token[None])[0][0] for token in tokens[:-1]])
    past = "each token is asked for without those before it (past, or the whole text)"
    yield alone.log_softmax(1).gather(1, following).sum(), past


def ask(name: str, function: Callable, model: StandIn, text: Tensor) -> Any:
    """What a function says of a text; Blame where it puts the model into training."""
    value = function(model, text)
    if model.asked_in_training:
        raise Blame(
            f"{name}: the model is asked in training mode, so dropout is at work: "
            "model.eval() turns it off"
        )
    return value


@torch.no_grad()
def check_likelihood(solution: Solution, remark: Callable) -> None:
    """Blame a number that is not the sum of log p(x_t | what is before), t from 1."""
    log_likelihood, model = function(solution, LIKELIHOOD), Tiny()
    ids = torch.randint(V, (1, T))
    value, other = (ask(LIKELIHOOD, log_likelihood, model, ids) for _ in range(2))
    found = tensor(value, LIKELIHOOD)
    if found.numel() != 1:
        raise Blame(f"log_likelihood returns {found.numel()} numbers, it should be one")
    if not found.allclose(tensor(other, LIKELIHOOD), equal_nan=True):
        raise Blame(
            "log_likelihood gives two values for one text: dropout of its own is at "
            "work, also after model.eval()"
        )
    answers = list(likelihoods(model, ids))
    why = next(
        (w for x, w in answers if math.isclose(found.item(), x, rel_tol=1e-3)),
        "it is another number",
    )
    if why:
        right = answers[0][0].item()
        raise Blame(
            f"log_likelihood is {found.item():.4g} where {right:.4g} is right: {why}"
        )
    if torch.is_tensor(value):
        remark("log_likelihood returns a tensor, a Python number is asked for: .item()")


def verdict(classify: Callable, text: Tensor) -> bool:
    value = ask(CLASSIFIER, classify, TwoKinds(), text)
    if isinstance(value, str):
        raise Blame(f"classification returns {value!r}, it must be True or False")
    return bool(tensor(value, CLASSIFIER))


def nats(texts: list[Tensor]) -> list[float]:
    log_p = TwoKinds().logits.log_softmax(0)
    return [log_p[text[0, 1:]].sum().item() for text in texts]


@torch.no_grad()
def check_classifier(solution: Solution) -> None:
    """Blame an answer that is not: True for random strings, False for language."""
    classify = function(solution, CLASSIFIER)
    language = [verdict(classify, text) for text in LANGUAGE]
    random = [verdict(classify, text) for text in RANDOM]
    if all(language) and not any(random):
        raise Blame(
            "classification answers the other way round: True means a random string"
        )
    scores, scores_of_random = nats(LANGUAGE), nats(RANDOM)
    if any(language):
        score = scores[language.index(True)]
        raise Blame(
            f"language with a log-likelihood of {score:.0f} nats is called random: the "
            f"threshold is too high, random strings have {max(scores_of_random):.0f} "
            "and less"
        )
    if not all(random):
        score = scores_of_random[random.index(False)]
        raise Blame(
            f"a random string with a log-likelihood of {score:.0f} nats is called "
            f"language: the threshold is too low, language has {min(scores):.0f} and "
            "more"
        )
