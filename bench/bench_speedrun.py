"""Time speedrun.py against nanoGPT's recipe for a processor, on the same text.

python bench/bench_speedrun.py              # about 4 minutes on two idle cores
python bench/bench_speedrun.py --reference  # the reference alone, in this process

The reference is written anew from the recipe's description: 4 layers, 4 heads, width
128, windows of 64, batches of 12, 2,000 steps, learning rate 1e-3 falling to 1e-4 as a
cosine after 100 steps up, AdamW with betas 0.9 and 0.99, weight decay 0.1 for matrices,
gradients clipped at norm 1, no dropout, head and embedding tied. Every run is a fresh
process, and its seconds count from the start of that process. Losses are over the whole
validation text. Processor seconds, on a shared machine, say more than seconds.
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from gpt.fast_runs import mean_loss, window_loss
from machinery.process import seconds_since_start
from machinery.tiny_shakespeare import TEST_START, tiny_shakespeare

ROOT = Path(__file__).resolve().parents[1]
LAYERS, HEADS, WIDTH, BLOCK, BATCH, STEPS = 4, 4, 128, 64, 12, 2000
RATE, LOWEST_RATE, WARM_UP = 1e-3, 1e-4, 100


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(WIDTH, bias=False)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm_2 = nn.LayerNorm(WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        B, T, C = x.shape
        heads = (t.view(B, T, HEADS, -1).transpose(1, 2)
                 for t in self.qkv(self.norm_1(x)).split(C, dim=2))  # fmt: skip
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.out(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Reference(nn.Module):
    def __init__(self, n_vocab: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(n_vocab, WIDTH)
        self.positions = nn.Embedding(BLOCK, WIDTH)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                last = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, idx):
        x = self.characters(idx) + self.positions.weight[: idx.shape[1]]
        return F.linear(self.norm(self.layers(x)), self.characters.weight)


def rate(step: int) -> float:
    if step < WARM_UP:
        return RATE * (step + 1) / (WARM_UP + 1)
    done = (step - WARM_UP) / (STEPS - WARM_UP)
    return LOWEST_RATE + (RATE - LOWEST_RATE) * (1 + math.cos(math.pi * done)) / 2


def reference(steps: int, seed: int) -> dict[str, float]:
    """Train the reference in this process."""
    torch.manual_seed(seed)
    text = tiny_shakespeare()
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([index[c] for c in text])
    model = Reference(len(index))
    groups = [
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        starts = torch.randint(TEST_START - BLOCK, (BATCH,)).tolist()
        loss = window_loss(model, torch.stack([ids[i : i + BLOCK + 1] for i in starts]))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    val_loss = mean_loss(model, ids[TEST_START:], BLOCK)
    return {"val_loss": val_loss, "seconds": seconds_since_start()}


def run(command: list[str]) -> tuple[float, float, int]:
    """Run a program; return its wall-clock and processor seconds and page faults."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, after.ru_minflt - before.ru_minflt


def measure(name: str, seed: int) -> tuple[dict, str]:
    """Run one of the two programs afresh; return its summary and its table row."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "reference":
            out = Path(folder) / "summary.json"
            command = [__file__, "--reference", "--out", str(out)]
        else:
            out = Path(folder) / "run" / "summary.json"
            command = ["speedrun.py", "--output-dir", str(out.parent)]
        wall, processor, faults = run([*command, "--seed", str(seed)])
        summary = json.loads(out.read_text())
    loss = summary["val_loss"]
    return summary, f"{name} | {loss:.4f} | {wall:.1f} | {processor:.1f} | {faults:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", action="store_true", help="only that, here")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the reference")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", help="a JSON file for the reference's numbers")
    arguments = parser.parse_args()
    if arguments.reference:
        numbers = reference(arguments.steps, arguments.seed)
        print(json.dumps(numbers))
        if arguments.out:
            Path(arguments.out).write_text(json.dumps(numbers))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")  # fmt: skip
    print("recipe | validation loss | seconds | processor seconds | page faults")
    print("--- | --: | --: | --: | --:")
    for seed in range(arguments.seed, arguments.seed + arguments.repeats):
        theirs, row = measure("reference", seed)
        print(row, flush=True)
        ours, row = measure("speedrun.py", seed)
        print(row, flush=True)
        goal = theirs["val_loss"]
        there = [e for e in ours["evaluations"] if e["val_loss"] <= goal]
        if there:
            share = there[0]["seconds"] / theirs["seconds"]
            print(f"to the reference's {goal:.4f}: {there[0]['seconds']:.1f} s against "
                  f"{theirs['seconds']:.1f} s, {share:.3f} of it")  # fmt: skip


if __name__ == "__main__":
    main()
