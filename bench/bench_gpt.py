"""Time an epoch of the character GPT against the loop that courses hand out.

python bench/bench_gpt.py        # about 4 minutes

The course's loop: a DataLoader over numpy windows cut one by one, GELU and attention
step by step, plain Adam, .item() every step, over the same model and the same windows.
An epoch is the exercise's: 100,000 training windows, 10,000 test windows, six
sentences. Also printed: the floor, which is the time that the matrix products alone
need here; as many steps with a single window, which is what calling the operators
costs; and where the time of a step goes.
"""

import argparse
import math
import statistics
import time
from collections import Counter

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import transformer
from gpt import runs
from gpt.config import Config
from gpt.data import Corpus, load_corpus
from gpt.runs import Run, evaluate
from gpt.samples import sentences
from machinery.training import fit, seed_epoch, steps_per_epoch
from transformer import GPT, CausalSelfAttention, next_token_loss


class WindowByWindow(Dataset):
    """Windows cut one by one out of a numpy array."""

    def __init__(self, ids: np.ndarray, block_size: int) -> None:
        self.ids, self.block_size = ids, block_size

    def __len__(self) -> int:
        return len(self.ids) - self.block_size

    def __getitem__(self, i: int):
        window = self.ids[i : i + self.block_size + 1].astype(np.int64)
        return torch.from_numpy(window[:-1]), torch.from_numpy(window[1:])


def plain_gelu(x: torch.Tensor, approximate: str) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def plain_attention(self, x: torch.Tensor, cache=None) -> torch.Tensor:
    """Scores, mask, softmax and sum one after the other, as they are taught."""
    q, k, v = self.split(x)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    mask = torch.tril(torch.ones(x.shape[1], x.shape[1]))
    weights = torch.softmax(scores.masked_fill(mask == 0, float("-inf")), dim=-1)
    y = (weights @ v).transpose(1, 2).contiguous().view(x.shape)
    return self.c_proj(y)


def plain_epoch(run: Run) -> float:
    """Train and test as courses do; return the mean training loss."""
    model, corpus, config = run.model, run.corpus, run.config
    starts = draw_starts(run).tolist()
    data = WindowByWindow(corpus.train.ids.numpy(), config.block_size)
    loader = DataLoader(data, batch_size=config.batch_size, sampler=starts)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    losses = []
    for batch in loader:
        loss = next_token_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    test = WindowByWindow(corpus.test.ids.numpy(), config.block_size)
    order = torch.randperm(len(test))[: config.test_windows].tolist()
    right = 0
    with torch.no_grad():
        for x, y in DataLoader(test, batch_size=config.batch_size, sampler=order):
            logits = model(x)
            F.cross_entropy(logits.flatten(0, 1), y.flatten()).item()
            right += (logits[:, -1].argmax(dim=1) == y[:, -1]).sum().item()
        for _ in range(6):
            idx = torch.tensor([corpus.vocabulary.encode(config.prompt)])
            for _ in range(config.sample_length):
                logits = model(idx[:, -config.block_size :])[:, -1]
                token = torch.multinomial(torch.softmax(logits, dim=-1), 1)
                idx = torch.cat([idx, token], dim=1)
    return statistics.mean(losses)


def our_epoch(run: Run) -> float:
    """Train and test as train_gpt.py does; return the mean training loss."""
    config = run.config
    windows = run.corpus.train.windows(draw_starts(run))

    def batches(_: torch.Generator):
        for batch in windows.split(config.batch_size):
            yield batch[:, :-1], batch[:, 1:]

    ((_, losses),) = fit(
        run.model, next_token_loss, batches, run.optimizer, [1], config.seed
    )
    evaluate(run.model, run.corpus.fixed["test"])
    sample(run)
    return losses.mean().item()


def draw_starts(run: Run) -> torch.Tensor:
    generator = seed_epoch(run.config.seed, 1)
    shape = (run.config.epoch_windows,)
    return torch.randint(len(run.corpus.train), shape, generator=generator)


def sample(run: Run) -> None:
    config = run.config
    for top_k in (None, config.top_k):
        sentences(run.model, run.prompt, 3, config.sample_length, top_k, [config.seed])


def timed(epoch, corpus: Corpus, config: Config) -> tuple[float, float]:
    run = runs.start(config, corpus, torch.device("cpu"))
    began = time.perf_counter()
    loss = epoch(run)
    return time.perf_counter() - began, loss


def products(model: GPT, config: Config) -> tuple[float, float]:
    """Return (seconds of an epoch's matrix products, their GFLOP/s), measured.

    Forward and backward take each product three times.
    """
    rows = config.batch_size * config.block_size
    seconds = flops = 0.0
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and name not in ("wte.weight", "wpe.weight"):
            a, b = torch.randn(rows, weight.shape[1]), torch.randn(weight.shape[::-1])
            seconds += 3 * statistics.median(seconds_of(lambda a=a, b=b: a @ b))
            flops += 3 * 2 * rows * weight.numel()
    return steps(config) * seconds, flops / seconds / 1e9


def seconds_of(act, repeats: int = 200) -> list[float]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return times[10:]


def steps(config: Config) -> int:
    return steps_per_epoch(config.epoch_windows, config.batch_size)


def training_step(run: Run, batch_size: int):
    """Return a function that trains on one batch, always the same."""
    windows = run.corpus.train.windows(torch.arange(batch_size) * 7)

    def act() -> None:
        loss = next_token_loss(run.model, (windows[:, :-1], windows[:, 1:]))
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()

    return act


KINDS = {
    "matrix products": ("mm", "addmm"),
    "attention": ("scaled_dot_product",),
    "GELU": ("gelu",),
    "layer norm": ("layer_norm",),
    "loss": ("log_softmax", "nll_loss"),
    "Adam": ("adam",),
    "copies and sums": ("copy_", "cat", "add", "sum", "zero", "fill", "embedding"),
}  # of operators, by parts of their names


def profile(run: Run) -> str:
    """Return what the time of 100 steps is spent on."""
    act = training_step(run, run.config.batch_size)
    for _ in range(2):  # the first profile grows the heap, which shows as slow writes
        with torch.profiler.profile() as profiler:
            for _ in range(100):
                act()
    spent = Counter()
    for event in profiler.key_averages():
        kind = next(
            (
                k
                for k, parts in KINDS.items()
                if any(p in event.key.lower() for p in parts)
            ),
            "bookkeeping of operators and gradients",
        )
        spent[kind] += event.self_cpu_time_total
    total = spent.total()
    return "\n".join(f"  {t / total:6.1%}  {kind}" for kind, t in spent.most_common())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--windows", type=int, default=100_000, help="of an epoch")
    arguments = parser.parse_args()
    config = Config(epoch_windows=arguments.windows)
    corpus = load_corpus(config)
    ours, plains = [], []
    fast = transformer.F.gelu, CausalSelfAttention.forward
    for _ in range(arguments.repeats):
        ours.append(timed(our_epoch, corpus, config))
        transformer.F.gelu, CausalSelfAttention.forward = plain_gelu, plain_attention
        try:
            plains.append(timed(plain_epoch, corpus, config))
        finally:
            transformer.F.gelu, CausalSelfAttention.forward = fast
    ratios = [p[0] / o[0] for p, o in zip(plains, ours, strict=True)]
    print(
        f"an epoch: ours {statistics.median(o[0] for o in ours):.1f} s, course's loop "
        f"{statistics.median(p[0] for p in plains):.1f} s, "
        f"{statistics.median(ratios):.2f} times faster "
        f"({min(ratios):.2f} to {max(ratios):.2f}); "
        f"mean training loss {ours[0][1]:.4f} and {plains[0][1]:.4f}"
    )
    run = runs.start(config, corpus, torch.device("cpu"))
    seconds, rate = products(run.model, config)
    print(f"floor, the matrix products alone: {seconds:.1f} s, at {rate:.0f} GFLOP/s")
    for size in (config.batch_size, 1):
        step = statistics.median(seconds_of(training_step(run, size)))
        print(
            f"{steps(config)} steps of {size:2} windows: {steps(config) * step:.1f} s"
        )
    print("where a step's time goes:\n" + profile(run))


if __name__ == "__main__":
    main()
