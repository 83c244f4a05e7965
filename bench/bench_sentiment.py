"""Time a step of the assignment's classifier, written out and with torch's kernels.

python bench/bench_sentiment.py        # about 2 minutes; needs no data

Reviews of random words, as long as the data's (log-normal, median 205 words), 500 words
at most, in batches of 32. Shuffled, as the course has them, or of similar length, as
training draws them: then there are fewer pads to leave out of a batch. All in turn.
"""

import statistics
import time
from types import SimpleNamespace

import numpy as np
import torch
from torch.nn import functional as F

from sentiment import fused, recipes
from sentiment.model import MyTransformer

T, BATCH, ROUNDS, STEPS, N = 500, 32, 5, 20, 19_904


def reviews(n: int) -> torch.Tensor:
    """Return tokens (n, T) with pads at their ends."""
    lengths = np.random.default_rng(0).lognormal(np.log(205), 0.75, n).clip(5, T)
    tokens = torch.randint(
        1, 20_000, (n, T), generator=torch.Generator().manual_seed(0)
    )
    return tokens.masked_fill(torch.arange(T) >= torch.from_numpy(lengths)[:, None], 0)


def shuffled(tokens: torch.Tensor, seed: int) -> list[torch.Tensor]:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
    return [tokens[rows] for rows in order.split(BATCH)[:STEPS]]


def similar(tokens: torch.Tensor, seed: int) -> list[torch.Tensor]:
    """Return batches as recipes.batches draws them."""
    data = SimpleNamespace(lengths=(tokens > 0).sum(1))
    generator = torch.Generator().manual_seed(seed)
    drawn = recipes.batches(data, torch.arange(N), BATCH, generator)
    return [tokens[rows] for rows in drawn[:STEPS]]


def seconds(forward, model: MyTransformer, batches: list[torch.Tensor]) -> float:
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=forward is not written)
    began = time.perf_counter()
    for batch in batches:
        labels = torch.ones(len(batch))
        loss = F.binary_cross_entropy_with_logits(forward(model, batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - began) / len(batches)


def written(model: MyTransformer, x: torch.Tensor) -> torch.Tensor:
    return model(x)


WAYS = {
    "written out": (written, shuffled),
    "kernels, pads shared": (fused.transformer, shuffled),
    "and batches of similar length": (fused.transformer, similar),
}


def main() -> None:
    torch.manual_seed(0)
    tokens = reviews(N)
    model = MyTransformer(torch.randn(20_000, 50), T).train()
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for seed in range(ROUNDS):
        for name, (forward, arrange) in WAYS.items():
            found[name].append(seconds(forward, model, arrange(tokens, seed)))
    base = statistics.median(found["written out"])
    steps = N / BATCH
    print(f"a step and an epoch of {N:,} reviews, {T} words, batches of {BATCH}")
    print("way | ms a step | seconds an epoch | times as fast")
    for name, times in found.items():
        middle = statistics.median(times)
        print(
            f"{name} | {1000 * middle:.0f} | {steps * middle:.0f} | {base / middle:.1f}"
        )


if __name__ == "__main__":
    main()
