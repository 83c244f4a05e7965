"""Time the graph attention layer against torch_geometric's, both in turn.

python bench/bench_composers.py        # seconds; needs torch_geometric

Forward and backward on 64 graphs of 50 nodes with as many edges as scraps have, given
the same weights; and building the graphs of 1,000 scraps.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from composers.graphs import make_graphs
from composers.model import GATLayer
from composers.notes import TICKS
from composers.scraps import SIZE

N_GRAPHS, N_EDGES, WIDTH, HEADS = 64, 43_000, 64, 4
REPEATS = 21


def seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def main(threads: int) -> None:
    from torch_geometric.nn import GATConv

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    n = N_GRAPHS * SIZE
    theirs = GATConv(WIDTH, WIDTH // HEADS, HEADS)
    layers = {
        "torch_geometric": theirs,
        "ours, any graph": GATLayer(WIDTH, WIDTH // HEADS, HEADS),
        "ours, graphs of 50 nodes": GATLayer(WIDTH, WIDTH // HEADS, HEADS, block=SIZE),
    }
    x = torch.randn(n, WIDTH, requires_grad=True)
    graph = torch.randint(0, N_GRAPHS, (N_EDGES,)) * SIZE
    edges = graph + torch.randint(0, SIZE, (2, N_EDGES))
    found: dict[str, list[float]] = {name: [] for name in layers}
    for layer in layers.values():
        layer.load_state_dict(theirs.state_dict())
    for _ in range(REPEATS):
        for name, layer in layers.items():
            found[name].append(
                seconds(lambda layer=layer: layer(x, edges).sum().backward())
            )
    print(f"a layer, forward and backward, {n:,} nodes, {N_EDGES:,} edges:")
    for name, times in found.items():
        ratios = sorted(
            their / own
            for their, own in zip(found["torch_geometric"], times, strict=True)
        )
        apart = (layers[name](x, edges) - theirs(x, edges)).abs().max().item()
        print(
            f"  {name}: {1000 * statistics.median(times):.1f} ms, "
            f"{statistics.median(ratios):.2f} times as fast "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}), outputs within {apart:.0e}"
        )
    print(f"graphs of 1,000 scraps: {seconds(build_thousand):.2f} s")


def build_thousand() -> None:
    generator = np.random.default_rng(0)
    begin = np.sort(generator.integers(0, 60, (1000, SIZE)) * TICKS // 2, axis=1)
    length = generator.integers(1, 5, (1000, SIZE)) * TICKS // 2
    pitch, part = generator.integers(45, 80, begin.shape), begin % 4
    bar = np.full(begin.shape, 4 * TICKS)
    make_graphs(np.stack([begin, length, pitch, part, begin % bar, bar], axis=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    main(parser.parse_args().threads)
