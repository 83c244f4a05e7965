"""How time and memory grow: the mixture with points, components and dimensions, the GPT
with block size, width and batch.

python bench/scaling.py        # about 4 minutes; writes bench/scaling.png

Every measurement runs in a process of its own, on one thread: the seconds of one pass
(mixture: an evaluation of all points and a training epoch of batches; GPT: a training
step), the best of three, and the growth of that process's peak memory during it. A
slope is the exponent of the power law between the two largest sizes.
"""

import argparse
import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure

from machinery.plotting import BLUE, ORANGE
from machinery.training import fit, in_chunks, shuffled
from mixture_models import GMM
from mixtures.runs import batch_loss
from transformer import GPT, next_token_loss

HERE = Path(__file__).parent
MIXTURE = {"points": 100_000, "components": 33, "dimensions": 2}
MODEL = {"block size": 64, "width": 96, "batch": 16}
SWEEPS = {
    ("mixture", "points"): (10**3, 10**4, 10**5, 10**6, 10**7),
    ("mixture", "components"): (4, 16, 64, 256),
    ("mixture", "dimensions"): (1, 2, 4, 8, 16, 32),
    ("GPT", "block size"): (16, 32, 64, 128, 256, 512),
    ("GPT", "width"): (24, 48, 96, 192, 384),
    ("GPT", "batch"): (1, 4, 16, 64, 256),
}


def mixture_pass(sizes: dict[str, int]) -> Callable[[], None]:
    torch.manual_seed(0)
    x = torch.randn(sizes["points"], sizes["dimensions"])
    gmm = GMM(sizes["components"], sizes["dimensions"])
    optimizer = torch.optim.Adam(gmm.parameters(), fused=True)

    def run() -> None:
        in_chunks(gmm, x)
        batches = shuffled(x, 4096)
        for _ in fit(gmm, batch_loss, batches, optimizer, [1], 0):
            pass

    return run


def gpt_pass(sizes: dict[str, int]) -> Callable[[], None]:
    torch.manual_seed(0)
    block_size, width = sizes["block size"], sizes["width"]
    model = GPT(3, 3, width, vocab_size=65, block_size=block_size)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    ids = torch.randint(65, (sizes["batch"], block_size + 1))

    def run() -> None:
        loss = next_token_loss(model, (ids[:, :-1], ids[:, 1:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def measure(subject: str, name: str, size: int, result) -> None:
    """Send (seconds, megabytes) of one pass; runs in a process of its own."""
    torch.set_num_threads(1)
    make, sizes = (mixture_pass, MIXTURE) if subject == "mixture" else (gpt_pass, MODEL)
    # what the first pass of a process imports and allocates is not of this size
    make({key: min(value, 96) for key, value in sizes.items()})()
    run = make(sizes | {name: size})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    result.send((min(times), grown / 1024))


def in_own_process(*arguments) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=measure, args=(*arguments, sender))
    child.start()
    result = receiver.recv()
    child.join()
    return result


def slope(sizes, values) -> float:
    """Return the exponent of the power law through the last two points."""
    if len(values) < 2 or min(values[-2:]) <= 0:
        return math.nan
    return math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])


def sweep(largest: int) -> dict:
    results = {}
    for (subject, name), sizes in SWEEPS.items():
        sizes = [size for size in sizes if size <= largest]
        measured = [in_own_process(subject, name, size) for size in sizes]
        seconds, megabytes = zip(*measured, strict=True)
        results[subject, name] = (sizes, seconds, megabytes)
        print(f"{subject}, {name} (slopes: time {slope(sizes, seconds):.2f}, "
              f"memory {slope(sizes, megabytes):.2f})")  # fmt: skip
        for row in zip(sizes, seconds, megabytes, strict=True):
            print("  {:>10,}  {:9.4f} s  {:8.1f} MB".format(*row), flush=True)
    return results


def draw(results: dict) -> Figure:
    figure = Figure(figsize=(12, 7), layout="constrained", dpi=120)
    for axes, ((subject, name), (sizes, seconds, megabytes)) in zip(
        figure.subplots(2, 3).flat, results.items(), strict=True
    ):
        memory = axes.twinx()
        for side, values, color, marker, label in (
            (axes, seconds, BLUE, "o", "seconds"),
            (memory, megabytes, ORANGE, "s", "megabytes"),
        ):
            side.plot(sizes, values, color=color, marker=marker)
            side.set_ylabel(f"{label} (slope {slope(sizes, values):.2f})", color=color)
            side.set_yscale("log")
            side.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], size=8)
        axes.minorticks_off()
        axes.set(title=subject, xlabel=name)
        axes.grid(alpha=0.3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=10**7, help="of any size")
    draw(sweep(parser.parse_args().largest)).savefig(HERE / "scaling.png")


if __name__ == "__main__":
    main()
