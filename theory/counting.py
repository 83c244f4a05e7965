"""003, 3: the free parameters of a joint distribution of discrete variables."""

from itertools import product
from math import prod

import torch
from torch import Tensor

from theory.checks import Check, doubles

SIZES = ((2, 3, 2), (3, 2, 2, 2), (2, 2, 3, 2), (4, 3, 3))


def n_full(sizes: tuple[int, ...]) -> int:
    return prod(sizes) - 1


def n_independent(sizes: tuple[int, ...]) -> int:
    return sum(k - 1 for k in sizes)


def n_chain(sizes: tuple[int, ...], order: int) -> int:
    """Return the count where each depends on the `order` variables before it."""
    early = sum((sizes[i] - 1) * prod(sizes[:i]) for i in range(min(order, len(sizes))))
    late = sum(
        (sizes[i] - 1) * prod(sizes[i - order : i]) for i in range(order, len(sizes))
    )
    return early + late


def shapes(sizes: tuple[int, ...], order: int) -> list[tuple[int, ...]]:
    """Return the shape of each conditional table: its parents' sizes, and its own."""
    return [sizes[max(0, i - order) : i + 1] for i in range(len(sizes))]


def by_enumeration(sizes: tuple[int, ...], order: int) -> int:
    """Count contexts one by one, and all values but one of each."""
    return sum(
        1
        for *parents, own in shapes(sizes, order)
        for _ in product(*map(range, parents))
        for _ in range(own - 1)
    )


def joint(logits: Tensor, sizes: tuple[int, ...], order: int) -> Tensor:
    """Map the logits of all conditionals to the table p(x_1, ..., x_n), flat."""
    table = logits.new_zeros(())
    parts = logits.split([prod(shape) for shape in shapes(sizes, order)])
    for part, shape in zip(parts, shapes(sizes, order), strict=True):
        conditional = part.view(shape).log_softmax(-1)
        table = table[..., None] + conditional  # the last axes are the parents
    return table.exp().flatten()


def by_rank(sizes: tuple[int, ...], order: int, generator: torch.Generator) -> int:
    """Return the dimension of all such distributions, at a random one of them: the rank
    of the map's Jacobian."""
    n = sum(prod(shape) for shape in shapes(sizes, order))
    at = doubles(n, generator=generator)
    jacobian = torch.autograd.functional.jacobian(lambda t: joint(t, sizes, order), at)
    return int(torch.linalg.matrix_rank(jacobian))


def xor() -> tuple[float, float]:
    """Return how far x, y and x xor y are from independence: in pairs, and all."""
    table = torch.zeros(2, 2, 2)
    for x, y in product(range(2), repeat=2):
        table[x, y, x ^ y] = 0.25
    singles = [table.sum(tuple({0, 1, 2} - {i})) for i in range(3)]
    pairs = max(
        (table.sum(i) - torch.outer(*(singles[j] for j in range(3) if j != i)))
        .abs()
        .max()
        .item()
        for i in range(3)
    )
    all_three = torch.einsum("i,j,k->ijk", *singles)
    return pairs, (table - all_three).abs().max().item()


def experiment(generator: torch.Generator) -> list[Check]:
    orders = [(sizes, m) for sizes in SIZES for m in range(len(sizes))]
    derived = [n_chain(*case) for case in orders]
    ranks = [by_rank(*case, generator) for case in orders]
    counted = [by_enumeration(*case) for case in orders]
    wrong = sum(
        d != r or d != c for d, r, c in zip(derived, ranks, counted, strict=True)
    )
    example, n = SIZES[1], len(SIZES[1])
    shown = [ranks[orders.index((example, m))] for m in range(n)]
    full = [n_full(sizes) for sizes in SIZES]
    free = [n_independent(sizes) for sizes in SIZES]
    ends = sum(
        (full[i], free[i]) != (ranks[orders.index((s, len(s) - 1))],
                               ranks[orders.index((s, 0))])
        for i, s in enumerate(SIZES)
    )  # fmt: skip
    pairs, all_three = xor()
    return [
        Check(
            "003-3", f"all and none dependent, {len(SIZES)} joints",
            "∏k − 1, Σ(k − 1)", f"{ends} ranks differ", ends, 0,
        ),
        Check(
            "003-3", f"chains of order 0 to {n - 1} of k = {example}",
            ", ".join(str(n_chain(example, m)) for m in range(n)),
            ", ".join(map(str, shown)), wrong, 0,
        ),
        Check(
            "003-3", "x, y, x xor y: independent in pairs, not all three", "0, 1/8",
            f"{pairs:.3g}, {all_three:.3g}", abs(pairs) + abs(all_three - 1 / 8), 1e-12,
        ),
    ]  # fmt: skip
