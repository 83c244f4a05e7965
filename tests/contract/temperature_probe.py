"""Temperature over one token and over two, against all pairs of a small vocabulary.

The oracle weighs every pair of next tokens by p(x, y)^(1/t) and sums y out.
V vocabulary, k tokens that top-k keeps.
"""

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, known_config, tensor
from grading.loader import Solution
from tests.contract.gpt2_models import Tiny, V, config

NAME = "temperature_scale"
PARAMETERS = "(logits, model, new_past, config, temperature, temperature_horizon)"
TEMPERATURE = 0.5
NEAR = 2e-3  # of a probability: the course adds 1e-10 before it takes a logarithm
CUT = -1e10  # what the course's top_k_logits gives to a token that it cuts off
K = 4


class Asked:
    """A question to the function, and the answers that come from all pairs."""

    def __init__(self, solution: Solution, top_k: int) -> None:
        self.function = solution.find(NAME)
        if len(inspect.signature(self.function).parameters) != 6:
            raise NotOffered(f"{NAME} does not take {PARAMETERS}")
        self.model, self.k = Tiny(), top_k
        self.context = torch.randint(V, (1, 7))
        self.config = config(top_k)
        self.logits, self.past = self.model(self.context)
        self.logits = cut(self.logits[:, -1].detach(), top_k)  # (1, V)

    def second(self, with_past: bool = True) -> Tensor:
        """The logits (V, V) of the second token after each first one."""
        first = torch.arange(V)[:, None]
        before = self.context.expand(V, -1)[:, : None if with_past else 0]
        return self.model(torch.cat([before, first], dim=1))[0][:, -1]

    def answer(self, horizon: int) -> Tensor:
        """What the function returns: V numbers; Blame for another size."""
        with known_config():
            value = self.function(
                self.logits.clone(), self.model, self.past, self.config, TEMPERATURE,
                horizon,
            )  # fmt: skip
        found = tensor(value, NAME)
        if found.numel() != V:
            raise Blame(
                f"{NAME} returns the shape {tuple(found.shape)}, the next token's "
                f"logits would be (1, {V})"
            )
        return found.reshape(-1)


def cut(logits: Tensor, k: int) -> Tensor:
    """Give CUT to all but the k largest of each row (N, V)."""
    least = logits.topk(k, dim=1).values[:, -1:]
    return torch.where(logits < least, CUT, logits)


def same(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < NEAR)


Answers = Sequence[tuple[Tensor, str]]


def blame(found: Tensor, answers: Answers, what: str) -> None:
    """Blame logits (V,) whose probabilities are not those of the first answer."""
    right, p = answers[0][0], found.softmax(0)
    if same(p, right):
        return
    if (found >= 0).all() and same(found / found.sum(), right):
        raise Blame(
            f"{what} returns probabilities where logits belong: the softmax comes later"
        )
    for other, why in answers[1:]:
        if same(p, other):
            raise Blame(why)
    i = (p - right).abs().argmax()
    raise Blame(
        f"{what} gives token {i} a probability of {p[i]:.2f} where {right[i]:.2f} is "
        "right"
    )


@torch.no_grad()
def check_one(solution: Solution) -> None:
    """Blame a next token that is not drawn from softmax(logits / t)."""
    asked = Asked(solution, V)
    logits, t = asked.logits[0], TEMPERATURE
    answers = [
        ((logits / t).softmax(0), ""),
        ((logits * t).softmax(0), "the logits are multiplied by the temperature"),
        (logits.softmax(0), "the temperature is not used"),
        ((logits.softmax(0) / t).softmax(0),
         "probabilities are divided by the temperature, the logits must be"),
    ]  # fmt: skip
    blame(asked.answer(1), answers, "temperature_scale with horizon 1")


def margin(first: Tensor, second: Tensor, power: float = 1 / TEMPERATURE) -> Tensor:
    """The distribution (V,) of the first of two tokens whose joint one is tempered.

    first (V,) and second (V, V) are log-probabilities, or sums of such.
    """
    return ((first[:, None] + second) * power).logsumexp(1).softmax(0)


def answers_of_two(asked: Asked) -> Answers:
    """The first token of all pairs tempered together, and what others give instead."""
    logits, t = asked.logits[0], TEMPERATURE
    raw = asked.second()
    first, second = logits.log_softmax(0), raw.log_softmax(1)
    warm, warm_second = (logits / t).log_softmax(0), (raw / t).log_softmax(1)
    alone = asked.second(with_past=False).log_softmax(1)
    pairs = first[:, None] + second
    only = "tempered before the joint is formed, only the joint must be"
    added = "logits of the second token are summed, probabilities must be (logsumexp)"
    return [
        (margin(first, second), ""),
        (warm.exp(),
         "horizon 2 gives horizon 1 again: temper the pairs, that is the product of "
         "both probabilities, before the second token is summed out"),
        (margin(first, warm_second), f"the second token is {only}"),
        (margin(warm, second), f"the first token is {only}"),
        (margin(warm, warm_second), f"both tokens are {only}"),
        (first.exp(), "the joint distribution is not tempered"),
        (margin(first, second, t), "the joint is multiplied by the temperature"),
        ((pairs / t).amax(1).softmax(0),
         "only the likeliest second token counts, all must be summed"),
        ((pairs.sum(1) / t).softmax(0), added),
        ((pairs.mean(1) / t).softmax(0), added),
        ((pairs / t).logsumexp(0).softmax(0), "the first token is summed out"),
        (margin(first, alone),
         "the second token is asked for without the past: model(token, past=new_past)"),
        (margin(first, raw),
         "the second token's logits are no log-probabilities yet (log_softmax)"),
    ]  # fmt: skip


def answer_of_two(asked: Asked) -> Tensor:
    """NotOffered where horizon 2, which is extra credit, is not filled in."""
    try:
        return asked.answer(2)
    except NotImplementedError:
        raise NotOffered("horizon 2 is not filled in") from None
    except (TypeError, AttributeError, Blame) as error:
        if "None" not in str(error):
            raise
        raise NotOffered("horizon 2 is not filled in") from None


@torch.no_grad()
def check_two(solution: Solution) -> None:
    """Blame another first token than that of all pairs tempered together."""
    asked = Asked(solution, V)
    found = answer_of_two(asked)
    blame(found, answers_of_two(asked), "temperature_scale with horizon 2")


@torch.no_grad()
def check_top_k(solution: Solution) -> None:
    """Blame pairs of which one token is not among the k likeliest at its place."""
    asked = Asked(solution, K)
    found = asked.answer(2)
    outside = found.softmax(0)[asked.logits[0] <= CUT].sum().item()
    if outside > NEAR:
        raise Blame(
            f"first tokens that top-k cut off come back with a probability of "
            f"{outside:.2f}"
        )
    whole = asked.second()
    first, every = asked.logits[0].log_softmax(0), whole.log_softmax(1)
    lost = torch.where(cut(whole, K) > CUT, every, CUT)
    answers = [
        (margin(first, cut(whole, K).log_softmax(1)), ""),
        (margin(first, every), "the second token is not cut to its top k"),
        (margin(first, lost),
         "the second token's top k do not sum to one: cut it before the softmax"),
    ]  # fmt: skip
    blame(found, answers, "temperature_scale with horizon 2 and top-k")
