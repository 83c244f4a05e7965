"""Time sampling with the key/value cache against recomputing the context each step.

python bench/bench_generate.py        # about a minute
"""

import argparse
import statistics
import time

import torch

from transformer import GPT, generate


@torch.no_grad()
def recompute(model: GPT, idx: torch.Tensor, n_tokens: int, generator) -> torch.Tensor:
    """The usual loop: the whole context through the model for every token."""
    model.eval()
    for _ in range(n_tokens):
        logits = model(idx[:, -model.block_size :])[:, -1]
        token = torch.multinomial(logits.softmax(1), 1, generator=generator)
        idx = torch.cat([idx, token], dim=1)
    return idx[0, 1:]


def cached(model: GPT, idx: torch.Tensor, n_tokens: int, generator) -> torch.Tensor:
    return torch.cat(list(generate(model, idx, n_tokens, generator=generator)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.manual_seed(0)
    block_size = 256
    model = GPT(n_layer=6, n_head=6, n_embd=384, vocab_size=65, block_size=block_size)
    idx = torch.zeros(1, 1, dtype=torch.int64)
    rates: dict = {cached: [], recompute: []}
    for _ in range(repeats):
        for sample, rate in rates.items():
            generator = torch.Generator().manual_seed(0)
            began = time.perf_counter()
            sample(model, idx, block_size - 1, generator)
            rate.append((block_size - 1) / (time.perf_counter() - began))
    ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
    fast, slow = (statistics.median(rates[sample]) for sample in (cached, recompute))
    print(
        f"{block_size - 1} tokens: cache {fast:.0f} tokens/s, "
        f"recomputing {slow:.0f} tokens/s, {ratio:.1f} times faster"
    )


if __name__ == "__main__":
    main()
