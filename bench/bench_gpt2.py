"""Time sampling at GPT-2's size, random weights, against transformers' generate.

python bench/bench_gpt2.py        # about four minutes

Batch 1, a prompt of ten tokens, top-k 40, both in turn; the limit is how often this
machine can read the weights from memory. Then batches, and what weighing 40 candidates
for the next token costs (horizon 2), which share the cache of a context of 512.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch

from gpt2.horizon import Lookahead
from transformer import GPT, generate

SIZES = {"n_layer": 12, "n_head": 12, "n_embd": 768}
N_VOCAB, BLOCK, TOP_K, PROMPT = 50_257, 1024, 40, 10
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def passes_a_second(model: GPT) -> float:
    """How often all weights that a token needs can be read from memory."""
    # a sum reads each weight once and writes nothing
    parts = [
        p.view(-1).view(torch.float32)
        for name, p in model.named_parameters()
        if name != "wpe.weight"
    ]
    return 1 / min(seconds(lambda: [part.sum() for part in parts]) for _ in range(5))


@torch.no_grad()
def ours(model: GPT, idx: torch.Tensor, n: int) -> None:
    for _ in generate(model, idx, n, top_k=TOP_K):
        pass


@torch.no_grad()
def theirs(model, idx: torch.Tensor, n: int) -> None:
    model.generate(
        idx, attention_mask=torch.ones_like(idx), do_sample=True, top_k=TOP_K,
        max_new_tokens=n, min_new_tokens=n, pad_token_id=0,
    )  # fmt: skip


def make_both(dtype: torch.dtype):
    import transformers

    torch.manual_seed(0)
    model = GPT(**SIZES, vocab_size=N_VOCAB, block_size=BLOCK, tie_weights=True)
    config = transformers.GPT2Config()
    return model.to(dtype).eval(), transformers.GPT2LMHeadModel(config).to(dtype).eval()


def look_ahead(model: GPT, context: torch.Tensor, n: int) -> tuple[float, float]:
    """Return the median seconds of one token and of 40 candidates beside it."""
    ahead = Lookahead(model, context)
    start = ahead.length
    paths = torch.arange(TOP_K)[:, None]
    one, many = [], []
    for _ in range(n):
        one.append(seconds(lambda: ahead.read(context[:1])))
        many.append(seconds(lambda: ahead.follow(paths)))
        for part in ahead.past:  # the context stays as long
            part.length = start
    return statistics.median(one), statistics.median(many)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    idx = torch.arange(PROMPT)[None]
    n = options.tokens
    for name, dtype in DTYPES.items():
        model, reference = make_both(dtype)
        ours(model, idx, 4)
        theirs(reference, idx, 4)
        pairs = [
            (n / seconds(lambda m=model: ours(m, idx, n)),
             n / seconds(lambda m=reference: theirs(m, idx, n)))
            for _ in range(options.repeats)
        ]  # fmt: skip
        mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        limit = passes_a_second(model)
        print(
            f"{name}: {mine:.1f} tokens/s, transformers {other:.1f} "
            f"({ratio:.2f} times); reading the weights allows {limit:.0f}"
        )
        for size in (4, 16):
            batch = idx.repeat(size, 1)
            rate = 16 * size / seconds(lambda m=model, b=batch: ours(m, b, 16))
            print(f"  batch of {size}: {rate:.0f} tokens/s")
        del reference
        context = torch.arange(512)
        one, many = look_ahead(model, context, 2 * options.repeats)
        print(
            f"  after 512 tokens, {TOP_K} candidates that share the cache: "
            f"{many / one:.1f} tokens' time "
            f"({1000 * many:.0f} ms, one token {1000 * one:.0f})"
        )


if __name__ == "__main__":
    main()
