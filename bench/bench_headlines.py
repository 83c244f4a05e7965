"""Time an epoch of the third size on headlines against the notebook's loop.

python bench/bench_headlines.py        # about 6 minutes; needs the extra headlines

The notebook's loop: a DataLoader that indexes one text at a time, every text padded to
150 tokens, float32, attention with a mask written by index, AdamW. Ours sees the same
texts in batches of similar length, as far as the longest, with products in bfloat16
where the processor has them. Both are extrapolated from some batches, in turn.
"""

import statistics
import time
from dataclasses import replace
from itertools import islice

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from headlines import training
from headlines.config import Config
from headlines.data import load_corpus
from headlines.model import DecoderTransformer, MultiHeadSelfAttention
from headlines.recipes import RECIPES, SIZES, FastRecipe, build_model
from machinery.training import steps_per_epoch

SIZE, ROUNDS, SHARE = 3, 3, 20  # a twentieth of an epoch each round


class TextByText(Dataset):
    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.tokens[i]


def notebook_attention(self, x: torch.Tensor, causal: bool = True) -> torch.Tensor:
    B, T, D = x.shape
    k, q, v = (
        w(x).view(B, T, self.H, D).transpose(1, 2).contiguous().view(B * self.H, T, D)
        for w in (self.w_k, self.w_q, self.w_v)
    )
    kq = torch.bmm(q / D**0.25, (k / D**0.25).transpose(1, 2))
    mask = torch.triu_indices(T, T, offset=1)
    kq[..., mask[0], mask[1]] = float("-inf")
    sa = torch.bmm(F.softmax(kq, dim=2), v).view(B, self.H, T, D).transpose(1, 2)
    return self.w_c(sa.contiguous().view(B, T, D * self.H))


def notebook_epoch(model: DecoderTransformer, tokens: torch.Tensor, share: int):
    """Yield after each step of some share of the notebook's epoch."""
    loader = DataLoader(TextByText(tokens), batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for batch in islice(loader, len(loader) // share):
        loss = model.forward(batch)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        yield


def fast_epoch(
    model: DecoderTransformer,
    tokens: torch.Tensor,
    share: int,
    recipe: FastRecipe,
    seed: int,
):
    """Yield after each step of some share of ours, its batches in random order."""
    steps = steps_per_epoch(len(tokens), recipe.batch_size)
    optimizer, scheduler = training.make_optimizer(model, recipe, steps)
    loss_function = training.loss_function(recipe)
    generator = torch.Generator().manual_seed(seed)
    draw = training.make_batches(tokens, recipe, SIZE)
    for batch in islice(draw(generator), steps // share):
        loss = loss_function(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield


def seconds_of_an_epoch(steps) -> float:
    next(steps)  # the first one also fills caches
    began, n = time.perf_counter(), sum(1 for _ in steps)
    return (time.perf_counter() - began) / n


def main() -> None:
    tokens = load_corpus(Config()).tokens["train"]
    fast: FastRecipe = RECIPES["fast"]
    ways = {
        "notebook's loop": None,
        "batches of 32, float32": replace(fast, batch_size=32, bfloat16_above=10**9),
        "batches of 32": replace(fast, batch_size=32),
        "recipe fast": fast,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    ours = MultiHeadSelfAttention.forward
    for seed in range(ROUNDS):
        for name, recipe in ways.items():
            torch.manual_seed(seed)
            model = build_model(SIZES[SIZE], recipe or RECIPES["exercise"]).train()
            if recipe:
                steps = steps_per_epoch(len(tokens), recipe.batch_size)
                run = fast_epoch(model, tokens, SHARE, recipe, seed)
            else:
                steps = steps_per_epoch(len(tokens), 32)
                run = notebook_epoch(model, tokens, SHARE)
                MultiHeadSelfAttention.forward = notebook_attention
            seconds[name].append(steps * seconds_of_an_epoch(run))
            MultiHeadSelfAttention.forward = ours
    base = statistics.median(seconds["notebook's loop"])
    print(f"an epoch of size {SIZE}, {len(tokens):,} texts, training alone")
    print("way | seconds, median | all | times as fast")
    for name, found in seconds.items():
        middle = statistics.median(found)
        every = " ".join(f"{x:.0f}" for x in found)
        print(f"{name} | {middle:.0f} | {every} | {base / middle:.1f}")


if __name__ == "__main__":
    main()
