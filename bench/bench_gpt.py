"""Time an epoch of the character GPT against the loop that courses hand out.

python bench/bench_gpt.py        # about 3 minutes

The course's loop: a DataLoader over numpy windows cut one by one, GELU and attention
step by step, plain Adam, .item() every step, over the same model and the same windows.
An epoch is the exercise's: 100,000 training windows, 10,000 test windows, six
sentences. Also printed: the time that the matrix products alone need here, and where
the rest of a step goes.
"""

import argparse
import math
import statistics
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import gpt_runs
import transformer
from gpt_runs import Config, Text, evaluate
from gpt_samples import sentences
from training import fit, seed_epoch
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


def plain_epoch(model: GPT, text: Text, config: Config) -> float:
    """Train and test as courses do; return the mean training loss."""
    starts = draw_starts(text, config).tolist()
    data = WindowByWindow(text.train.ids.numpy(), config.block_size)
    loader = DataLoader(data, batch_size=config.batch_size, sampler=starts)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    losses = []
    for batch in loader:
        loss = next_token_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    test = WindowByWindow(text.test.ids.numpy(), config.block_size)
    order = torch.randperm(len(test))[: config.test_windows].tolist()
    with torch.no_grad():
        for batch in DataLoader(test, batch_size=config.batch_size, sampler=order):
            next_token_loss(model, batch).item()
        for _ in range(6):
            idx = torch.tensor([text.vocabulary.encode(config.prompt)])
            for _ in range(config.sample_length):
                logits = model(idx[:, -config.block_size :])[:, -1]
                token = torch.multinomial(torch.softmax(logits, dim=-1), 1)
                idx = torch.cat([idx, token], dim=1)
    return statistics.mean(losses)


def our_epoch(model: GPT, text: Text, config: Config) -> float:
    """Train and test as train_gpt.py does; return the mean training loss."""
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, fused=True)
    windows = text.train.windows(draw_starts(text, config))

    def batches(_: torch.Generator):
        for batch in windows.split(config.batch_size):
            yield batch[:, :-1], batch[:, 1:]

    ((_, losses),) = fit(model, next_token_loss, batches, optimizer, [1], config.seed)
    evaluate(model, text.fixed["test"])
    sample(model, text, config)
    return losses.mean().item()


def draw_starts(text: Text, config: Config) -> torch.Tensor:
    generator = seed_epoch(config.seed, 1)
    shape = (config.epoch_windows,)
    return torch.randint(len(text.train), shape, generator=generator)


def sample(model: GPT, text: Text, config: Config) -> None:
    prompt = torch.tensor(text.vocabulary.encode(config.prompt))
    for top_k in (None, config.top_k):
        sentences(model, prompt, 3, config.sample_length, top_k, [config.seed])


def timed(epoch, text: Text, config: Config) -> tuple[float, float]:
    model = gpt_runs.start(config, text).model
    began = time.perf_counter()
    loss = epoch(model, text, config)
    return time.perf_counter() - began, loss


def floor(model: GPT, config: Config) -> tuple[float, float]:
    """Return (seconds of an epoch's matrix products, their GFLOP/s), measured.

    Forward and backward take each product three times.
    """
    rows = config.batch_size * config.block_size
    seconds = flops = 0.0
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and name not in ("wte.weight", "wpe.weight"):
            a, b = torch.randn(rows, weight.shape[1]), torch.randn(weight.shape[::-1])
            for _ in range(10):
                a @ b
            began = time.perf_counter()
            for _ in range(100):
                a @ b
            seconds += 3 * (time.perf_counter() - began) / 100
            flops += 3 * 2 * rows * weight.numel()
    steps = math.ceil(config.epoch_windows / config.batch_size)
    return steps * seconds, flops / seconds / 1e9


def profile(text: Text, config: Config) -> str:
    """Return what the time of 100 steps is spent on."""
    short = 100 * config.batch_size
    run = gpt_runs.start(config, text)
    windows = text.train.windows(torch.arange(short) * 7)
    with torch.profiler.profile() as profiler:
        for batch in windows.split(config.batch_size):
            loss = next_token_loss(run.model, (batch[:, :-1], batch[:, 1:]))
            run.optimizer.zero_grad()
            loss.backward()
            run.optimizer.step()
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    top = sorted(events, key=lambda event: -event.self_cpu_time_total)[:12]
    return "\n".join(f"  {e.self_cpu_time_total / total:6.1%}  {e.key}" for e in top)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--windows", type=int, default=100_000, help="of an epoch")
    arguments = parser.parse_args()
    config = Config(epoch_windows=arguments.windows)
    text = gpt_runs.load_text(config)
    ours, plains = [], []
    fast = transformer.F.gelu, CausalSelfAttention.forward
    for _ in range(arguments.repeats):
        ours.append(timed(our_epoch, text, config))
        transformer.F.gelu, CausalSelfAttention.forward = plain_gelu, plain_attention
        try:
            plains.append(timed(plain_epoch, text, config))
        finally:
            transformer.F.gelu, CausalSelfAttention.forward = fast
    ratio = statistics.median(p[0] / o[0] for p, o in zip(plains, ours, strict=True))
    print(
        f"an epoch: ours {statistics.median(o[0] for o in ours):.1f} s, course's loop "
        f"{statistics.median(p[0] for p in plains):.1f} s, {ratio:.2f} times faster; "
        f"mean training loss {ours[0][1]:.4f} and {plains[0][1]:.4f}"
    )
    seconds, rate = floor(gpt_runs.start(config, text).model, config)
    print(f"matrix products alone: {seconds:.1f} s an epoch, at {rate:.0f} GFLOP/s")
    print("where a step's time goes:\n" + profile(text, config))


if __name__ == "__main__":
    main()
