"""Functions that a solution may offer beyond the classes: accuracy, top-k.

Found by their names, called by what their parameters are named after. A function that
cannot be called so is no mistake: it is not checked.
"""

import contextlib
import inspect
import math
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, plain
from grading.loader import Solution

FILE = ("transformer.py",)


def bind(function: Callable, known: dict[tuple, Any]) -> dict[str, Any] | None:
    """Keyword arguments for a function, or None where a parameter is unknown."""
    keywords = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        for names, value in known.items():
            if plain(name) in names:
                keywords[name] = value
                break
        else:
            if parameter.default is parameter.empty:
                return None
    return keywords


def numbers(value: Any) -> list[float]:
    """All single numbers in what a function returned."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [number for part in value for number in numbers(part)]
    if torch.is_tensor(value) and value.numel() == 1:
        return [value.item()]
    try:
        return [float(value)]
    except (TypeError, ValueError):
        return []


# 8 windows of 5 characters: 2 of 8 last ones are right, 26 of all 40
TARGETS = torch.arange(40).reshape(8, 5) % 7
GUESSES = torch.where(
    torch.tensor([[1, 1, 1, 1, 0]] * 6 + [[0, 0, 0, 0, 1]] * 2).bool(),
    TARGETS,
    (TARGETS + 1) % 7,
)
LAST = (GUESSES == TARGETS)[:, -1].float().mean().item()
ALL = (GUESSES == TARGETS).float().mean().item()
FIRST = (GUESSES == TARGETS)[:, 0].float().mean().item()


class FixedModel(torch.nn.Module):
    """Answers every batch of known windows with the guesses above."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return 9.0 * torch.nn.functional.one_hot(GUESSES[: len(x)], 7).float()


def accuracy_calls(function: Callable):
    """Yield the ways to call it: with scores, with guesses, with a model."""
    scores = 9.0 * torch.nn.functional.one_hot(GUESSES, 7).float()
    targets = {"y", "targets", "target", "labels", "label", "ytrue", "yb", "true"}
    outputs = {"logits", "output", "outputs", "pred", "preds", "predictions", "yhat",
               "ypred", "scores", "guesses", "predicted"}  # fmt: skip
    for guess in (scores, GUESSES):
        yield bind(function, {tuple(outputs): guess, tuple(targets): TARGETS})
    shared = {
        ("model", "net", "gpt"): FixedModel(),
        ("device",): "cpu",
        ("criterion", "lossfn", "lossfunction", "loss"): torch.nn.CrossEntropyLoss(),
        tuple(targets): TARGETS,
        ("x", "inputs", "input", "idx", "xb"): TARGETS,
        ("batch",): (TARGETS, TARGETS),
        ("verbose", "show"): False,
    }
    loaders = ("loader", "dataloader", "data", "testloader", "batches", "evalloader")
    yield bind(function, shared | {loaders: [(TARGETS, TARGETS)]})


def check_accuracy(solution: Solution) -> None:
    """Blame an accuracy that is not that of the last characters."""
    judged = False
    for function in solution.functions(r"acc|evaluat", FILE):
        if inspect.isclass(function):
            continue
        for keywords in accuracy_calls(function):
            if keywords is None:
                continue
            try:
                found = numbers(function(**keywords))
            except Exception:  # called in a way that it is not made for
                continue
            if any(matches(value, LAST) for value in found):
                judged = True
                break
            for wrong, what in ((ALL, "all positions"), (FIRST, "the first position")):
                if any(matches(value, wrong) for value in found):
                    raise Blame(
                        f"{function.__name__} counts {what}: it gives {wrong:.2f} "
                        f"where {LAST:.2f} of the last characters are right"
                    )
    if not judged:
        raise NotOffered("no function for the accuracy was found")


def matches(value: float, share: float) -> bool:
    return any(abs(value - share * unit) < 1e-4 for unit in (1, 100))


DISTINCT = [0.05, 0.30, 0.02, 0.20, 0.10, 0.25, 0.08]
TIED = [0.05, 0.30, 0.15, 0.20, 0.15, 0.10, 0.05]
N_DRAWS = 400
CLOSE = 0.12  # five standard deviations of a share of that many
K_NAMES = ("k", "topk")


def top_k_distribution(
    function: Callable, p: list[float], k: int, gpt: Callable, control: bool = True
) -> Tensor | None:
    """The probabilities (V,) by which it draws, measured or as it returns them."""
    common = {
        K_NAMES: k,
        ("temperature", "temp"): 1.0,
        ("topp", "generator", "rng"): None,
        ("device",): "cpu",
        ("verbose",): False,
    }
    V, logits = len(p), torch.tensor(p).log()
    for x in (logits, logits[None], logits[None, None]):
        vectors = {
            ("logits", "scores", "output", "outputs", "x"): x,
            ("probs", "probabilities", "p", "prob", "probas"): x.exp(),
        }
        keywords = bind(function, common | vectors)
        if keywords is None:
            break
        try:
            return distribution(lambda kw=keywords: function(**kw), V)
        except Exception:  # a vector, a batch or a sequence: one of them fits
            continue
    if control and not follows_the_model(function, common, logits, gpt):
        return None
    return generated_distribution(function, common, logits, gpt)


def follows_the_model(function, common, logits: Tensor, gpt: Callable) -> bool:
    """Whether it draws from a fixed model without k; else it cannot be judged so."""
    parameters = inspect.signature(function).parameters
    default = next(
        p.default for name, p in parameters.items() if plain(name) in K_NAMES
    )
    without = {K_NAMES: None if default is None else len(logits)}
    whole = generated_distribution(function, common | without, logits, gpt)
    return whole is not None and (whole - logits.exp()).abs().max().item() < CLOSE


def distribution(call: Callable, V: int) -> Tensor | None:
    value = call()
    if isinstance(value, (tuple, list)) and len(value) == 2:
        a, b = (torch.as_tensor(part).reshape(-1) for part in value)
        p, tokens = (b, a) if a.dtype == torch.int64 else (a, b)
        return torch.zeros(V).scatter(0, tokens, p.float())
    value = torch.as_tensor(value).detach().reshape(-1)
    if value.numel() == V:
        return value.softmax(0).float() if (value < 0).any() else value.float()
    if value.numel() == 1:
        tokens = torch.tensor([int(call()) for _ in range(N_DRAWS)])
        return tokens.bincount(minlength=V) / N_DRAWS
    return None


def generated_distribution(function, common, logits: Tensor, gpt: Callable):
    """The shares of the characters that a function generates from a fixed model."""
    try:
        model, V = gpt(), len(logits)
    except Exception:  # other questions are about that
        return None
    padded = torch.full((11,), -math.inf)
    padded[:V] = logits
    model.forward = lambda idx, *_, **__: padded.expand(*idx.shape, 11)
    letters = "abcdefghijk"
    data = SimpleNamespace(
        encoder=lambda text: [letters.index(c) for c in text],
        decoder=lambda ids: "".join(letters[int(i)] for i in ids),
        get_vocab_size=lambda: 11,
    )
    known = {
        ("model", "gpt", "net", "self"): model,
        ("datahandler", "handler", "data", "dataset"): data,
        ("encoder", "encode"): data.encoder,
        ("decoder", "decode"): data.decoder,
        ("prompt", "sentence", "start", "starttext", "text", "startsentence"): "a",
        ("idx", "tokens", "context", "x"): torch.zeros(1, 1, dtype=torch.long),
        ("blocksize",): 10,
        ("maxchars", "ntokens", "length", "maxnewtokens", "numchars", "nchars", "n",
         "steps", "numtokens", "maxlen", "maxlength", "maxtokens"): N_DRAWS,
    }  # fmt: skip
    keywords = bind(function, common | known)
    if keywords is None:
        return None
    try:
        value = function(**keywords)
        if isinstance(value, str):
            value = [letters.index(c) for c in value]
        elif not torch.is_tensor(value):
            value = [int(token) for token in value]
    except Exception:  # called in a way that it is not made for
        return None
    tokens = torch.as_tensor(value).reshape(-1)[-N_DRAWS:]
    return tokens.bincount(minlength=V)[:V] / len(tokens)


def takes_k(solution: Solution) -> Iterator[Callable]:
    """The functions, and the methods of GPT, that have a parameter k or top_k."""
    pattern = r"top_?k|generat|sample|distribution"
    offered = list(solution.functions(pattern, FILE))
    with contextlib.suppress(Blame, NotOffered):
        members = inspect.getmembers(solution.get(*FILE, "GPT"), inspect.isfunction)
        offered += [method for name, method in members if re.search(pattern, name)]
    for function in offered:
        names = {plain(name) for name in inspect.signature(function).parameters}
        given = getattr(function, "__globals__", {}).get("temperature_scale")
        if given and function.__name__ == "top_k_logits":  # by the GPT-2 course
            continue
        if not inspect.isclass(function) and names & set(K_NAMES):
            yield function


def check_top_k(solution: Solution, gpt: Callable) -> None:
    """Blame a sampling that keeps another number than k, or does not renormalise."""
    judged = False
    for function in takes_k(solution):
        found = top_k_distribution(function, DISTINCT, 3, gpt)
        if found is None:
            continue
        judged = True
        check_distribution(function, found, DISTINCT, 3)
        tied = top_k_distribution(function, TIED, 3, gpt, control=False)
        survivors = int((tied > 0).sum())
        if survivors != 3:
            raise Blame(
                f"{function.__name__} keeps {survivors} characters for top_k = 3 when "
                "two of them tie"
            )
    if not judged:
        raise NotOffered("no function for top-k sampling was found")


def check_distribution(function, found: Tensor, p: list[float], k: int) -> None:
    p = torch.tensor(p)
    kept = p.topk(k)
    name, total = function.__name__, found.sum().item()
    outside = total - found[kept.indices].sum().item()
    if outside > 1e-6:
        raise Blame(
            f"{name} draws a character that is not among the top {k} with a "
            f"probability of {outside:.2f}"
        )
    if abs(total - 1) > 1e-3:
        raise Blame(
            f"the probabilities of {name} sum to {total:.2f}, not 1: divide the {k} "
            "that are left by their sum"
        )
    wanted = kept.values / kept.values.sum()
    worst = (found[kept.indices] - wanted).abs().max().item()
    if worst > CLOSE:
        raise Blame(
            f"{name} draws the most likely character with a probability of "
            f"{found[kept.indices[0]]:.2f} where {wanted[0]:.2f} is right"
        )
