"""Temperature over a horizon: the next n tokens are tempered together.

Question 6h; Long Horizon Temperature Scaling (Shih, Sadigh, Ermon 2023). The usual
temperature rescales each next token by itself, and the product of the rescaled
conditionals is not the rescaled joint distribution. Here
p_T(x_1 .. x_n) = p(x_1 .. x_n)^(1/T) / Z, and the next token is its first margin.
V vocabulary, k tokens that top-k keeps (V without it), n horizon.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gpt2.branches import Branches
from machinery.errors import BadInput
from transformer import GPT

MOST = 2**20  # continuations that are weighed at once
# paths (N, d) of tokens after the context -> logits (N, V) of what comes next; asked
# for d = 1, 2, ... in turn, N growing k-fold
Follow = Callable[[Tensor], Tensor]
Levels = list[tuple[Tensor, Tensor]]


def check_horizon(horizon: int, n_kept: int) -> None:
    """Raise BadInput where n_kept^horizon continuations are too many."""
    if horizon < 1:
        raise BadInput(f"horizon must be at least 1, got {horizon}")
    if n_kept**horizon > MOST:
        largest = int(math.log(MOST) / math.log(n_kept) + 1e-9)
        raise BadInput(
            f"horizon {horizon} weighs {n_kept}^{horizon} = {n_kept**horizon:,} "
            f"continuations, at most {MOST:,} are possible: the largest horizon for "
            f"{n_kept} tokens is {largest}"
        )


def look_ahead(
    logits: Tensor, follow: Follow, horizon: int, top_k: int | None = None
) -> Levels:
    """Return the tokens of each level, and their log-probabilities given the path.

    Level d has two tensors of d dimensions of k: entry [i, j, ...] of the last one is
    what the model gives the last token after i, j, .... Every conditional is cut to its
    k likeliest tokens and sums to one again.
    """
    n_kept = min(top_k or len(logits), len(logits))
    check_horizon(horizon, n_kept)
    levels: Levels = []
    paths = torch.empty(1, 0, dtype=torch.int64, device=logits.device)
    logits = logits[None]
    for depth in range(1, horizon + 1):
        if depth > 1:
            logits = follow(paths)
        values, tokens = logits.float().topk(n_kept)  # (N, k)
        shape = (n_kept,) * depth
        levels.append((tokens.view(shape), values.log_softmax(1).view(shape)))
        longer = paths.repeat_interleave(n_kept, dim=0)
        paths = torch.cat([longer, tokens.view(-1, 1)], dim=1)
    return levels


def joint(levels: Levels) -> Tensor:
    """Return log p(x_1 .. x_n) of all paths: n dimensions of k."""
    total = levels[0][1]
    for _, log_p in levels[1:]:
        total = total[..., None] + log_p
    return total


def temper(levels: Levels, temperature: float) -> list[Tensor]:
    """Return log p_T of each level's token given the path before it, as levels has it.

    The joint is tempered whole: a token's weight is its own and that of all that may
    follow it. Temperature 0 is the limit: the likeliest path, or all that are equally
    likely.
    """
    ahead, n_best = 0.0, 1.0
    found = []
    for _, log_p in reversed(levels):
        if temperature == 0:
            score = log_p + ahead
            ahead = score.amax(-1)
            ways = (score == ahead[..., None]).double() * n_best  # to the best
            n_best = ways.sum(-1)
            found.append((ways / n_best[..., None]).log())
        else:
            score = log_p.double() / temperature + ahead
            found.append(score.log_softmax(-1))
            ahead = score.logsumexp(-1)
    return found[::-1]


def temperature_scale(
    logits: Tensor,
    follow: Follow,
    temperature: float,
    horizon: int = 1,
    top_k: int | None = None,
) -> Tensor:
    """Return log p_T of the next token (V,), given its logits (V,).

    -inf for what top-k cuts off. At temperature 1 any horizon gives the model's own
    distribution; horizon 1 is the usual temperature.
    """
    levels = look_ahead(logits, follow, horizon, top_k)
    first = temper(levels, temperature)[0]
    everything = torch.full_like(logits, -math.inf, dtype=first.dtype)
    return everything.scatter(0, levels[0][0], first)


class Lookahead:
    """What a model says after paths that all begin where its context ends."""

    def __init__(self, model: GPT, context: Tensor) -> None:
        self.model = model.eval()
        self.past = model.new_cache()
        self.branches: list[Branches] = []
        self.read(context)

    @property
    def length(self) -> int:
        """The number of tokens of the context."""
        return self.past[0].length

    @torch.no_grad()
    def read(self, tokens: Tensor) -> None:
        """Append tokens (T,) to the context; logits (V,) are those of what follows."""
        self.logits = self.model.next_logits(tokens[None], self.past)[0]

    @torch.no_grad()
    def follow(self, paths: Tensor) -> Tensor:
        """Return the logits (N, V) after paths (N, d), whose last step is new."""
        if paths.shape[1] == 1:
            self.branches = [Branches(part) for part in self.past]
        else:
            n_rows = self.branches[0].room.shape[1]
            for part in self.branches:
                part.fork(len(paths) // n_rows)
        logits = self.model.next_logits(paths[:, -1:], self.branches)
        if paths.shape[1] == 1:
            self.after_one = logits  # (k, V)
        return logits

    def keep(self, i: int) -> None:
        """Append the i-th of the followed paths of one token; nothing is run again."""
        row = i * (self.branches[0].room.shape[1] // len(self.after_one))
        for part in self.branches:
            part.keep(row, 1)
        self.logits = self.after_one[i]


def generate_ahead(
    model: GPT,
    idx: Tensor,
    n_tokens: int,
    temperature: float = 1.0,
    horizon: int = 2,
    top_k: int | None = 40,
    blocks: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator[int]:
    """Continue idx (T,), T >= 1, tempering horizon tokens together; yield each token.

    A window of horizon tokens moves on by one, of which the first is drawn given the
    others summed out; with blocks, all of a window are drawn, and it moves on by its
    length. A context that is full goes on from its last half.
    Raise BadInput for a horizon or a temperature out of range.
    """
    if not (math.isfinite(temperature) and temperature >= 0):
        raise BadInput(f"temperature must be finite and >= 0, got {temperature}")
    if horizon >= model.block_size:
        raise BadInput(
            f"horizon must be below the model's context of {model.block_size} tokens, "
            f"got {horizon}"
        )
    text = idx.tolist()
    ahead = Lookahead(model, idx[-(model.block_size - horizon) :])
    end = len(text) + n_tokens
    while len(text) < end:
        if ahead.length + horizon > model.block_size:
            half = text[-max(1, (model.block_size - horizon) // 2) :]
            ahead = Lookahead(model, torch.tensor(half, device=idx.device))
        levels = look_ahead(ahead.logits, ahead.follow, horizon, top_k)
        log_p = temper(levels, temperature)
        path = draw_path(log_p[: None if blocks else 1], generator)
        drawn = [int(levels[d][0][path[: d + 1]]) for d in range(len(path))]
        if len(drawn) == 1 and horizon > 1:
            ahead.keep(path[0])
        else:
            ahead.read(torch.tensor(drawn, device=idx.device))
        for token in drawn[: end - len(text)]:
            text.append(token)
            yield token


def draw_path(
    log_p: list[Tensor], generator: torch.Generator | None
) -> tuple[int, ...]:
    """Draw an entry of each level, given those before it."""
    path: tuple[int, ...] = ()
    for level in log_p:
        p = level[path].exp().cpu()
        path += (int(torch.multinomial(p, 1, generator=generator)),)
    return path
