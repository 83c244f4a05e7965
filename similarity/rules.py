"""The four rules of a similarity, each searched for a counterexample.

A function maps vectors z (N, d) to the values of all pairs (N, N), as attention does.
Rule 3 is asked as s(x, y) < s(x, x): where rule 2 holds it says the same, and it has an
answer where there is no largest value b.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from similarity import functions
from similarity.functions import unit

Function = Callable[[Tensor], Tensor]
RULES = {
    "bounded": "s(x, y) ≤ b",
    "itself": "s(x, x) = b",
    "no other": "s(x, y) < b for x ≠ y",
    "symmetric": "s(x, y) = s(y, x)",
}
SCALES = (1.0, 10.0, 100.0, 1000.0)
TOLERANCE = 1e-9  # of double precision's values
N_VECTORS = 16  # of a random set


@dataclass(frozen=True)
class Domain:
    """A function with the vectors it is asked about."""

    name: str
    function: Function
    on_sphere: bool = False  # only vectors of length one
    proofs: dict[str, str] | None = None  # of the rules that no search can break


@dataclass(frozen=True)
class Verdict:
    """What a search has found: a counterexample, or none."""

    rule: str
    holds: bool
    evidence: str
    where: str  # pixels or random vectors
    vectors: list[list[float]]  # x and y of the counterexample, or of the largest value


DOMAINS = (
    Domain(
        "dot product",
        functions.dot,
        proofs={"symmetric": "x·y = y·x"},
    ),
    Domain(
        "cosine",
        functions.cosine,
        proofs={
            "bounded": "Cauchy and Schwarz: |x·y| ≤ ‖x‖ ‖y‖",
            "itself": "x·x / ‖x‖² = 1",
            "symmetric": "x·y = y·x",
        },
    ),
    Domain(
        "cosine on the sphere",
        functions.cosine,
        on_sphere=True,
        proofs={
            "bounded": "Cauchy and Schwarz: |x·y| ≤ 1",
            "itself": "x·x = 1",
            "no other": "‖x − y‖² = 2 − 2 x·y > 0 for x ≠ y",
            "symmetric": "x·y = y·x",
        },
    ),
    Domain(
        "softmax of rows",
        functions.row_softmax,
        proofs={"bounded": "a row's values are positive and sum to one"},
    ),
    Domain(
        "softmax of all cosines",
        functions.whole_softmax,
        proofs={
            "bounded": "all values are positive and sum to one",
            "itself": "the softmax keeps the order, and cos(x, x) = 1 is the most",
            "symmetric": "the cosine is, and all are divided by one sum",
        },
    ),
    Domain(
        "scaled cosine",
        functions.scaled_cosine,
        proofs={
            "bounded": "Cauchy and Schwarz: |x·y| / (‖x‖ ‖y‖ √d) ≤ 1 / √d",
            "itself": "x·x / (‖x‖² √d) = 1 / √d",
            "symmetric": "x·y = y·x",
        },
    ),
)


def random_sets(n_sets: int, d: int, generator: torch.Generator) -> list[Tensor]:
    """Return sets of vectors (16, d) of lengths over four decades, in double precision.

    Half of a set are multiples of the other half: equal directions are where functions
    of the angle differ from functions of the length.
    """
    half = N_VECTORS // 2
    drawn = torch.randn(n_sets, half, d, generator=generator, dtype=torch.float64)
    shape = 2, n_sets, half, 1
    length, ratio = torch.rand(shape, generator=generator, dtype=torch.float64)
    first = unit(drawn, 2) * 10 ** (2 * length - 1)
    return list(torch.cat([first, first * 10 ** (2 * ratio - 1)], 1))


def judge(domain: Domain, image: Tensor, sets: Sequence[Tensor]) -> dict[str, Verdict]:
    """Judge a function rule by rule on the image's pixels (N, d), then on the sets."""
    named = [("pixels", image), *(("random vectors", z) for z in sets)]
    if domain.on_sphere:
        named = [(where, apart(unit(z, 1))) for where, z in named]
    searches = {
        "bounded": growing if not domain.on_sphere else nothing,
        "itself": below_the_most,
        "no other": as_similar,
        "symmetric": one_way,
    }
    return {rule: find(domain, rule, searches[rule], named) for rule in RULES}


def apart(z: Tensor) -> Tensor:
    """Return the vectors (N, d) without those that equal an earlier one."""
    near = (torch.cdist(z, z) < 1e-6).tril(-1).any(1)
    return z[~near]


def find(domain: Domain, rule: str, search, named) -> Verdict:
    """Return the first counterexample to a rule, or the largest value of all."""
    for where, z in named:
        found = search(domain.function, z)
        if found:
            evidence, i, j = found
            return Verdict(rule, False, evidence, where, z[[i, j]].tolist())
    most, where, vectors = max(map(largest, [domain.function] * len(named), named))
    proof = (domain.proofs or {}).get(rule, "no proof is known here")
    evidence = f"{proof}; the most found is {most:.6g}"
    if rule == "symmetric":
        evidence = proof
    return Verdict(rule, True, evidence, where, vectors)


def largest(function: Function, named: tuple[str, Tensor]) -> tuple:
    """Return the largest value on a set, where, and its pair."""
    where, z = named
    values = function(z)
    i, j = divmod(int(values.argmax()), len(z))
    return values[i, j].item(), where, z[[i, j]].tolist()


def nothing(function: Function, z: Tensor) -> None:
    """Vectors of length one cannot grow."""


def growing(function: Function, z: Tensor) -> tuple[str, int, int] | None:
    """Find a pair whose value grows with its vectors' length and passes any bound."""
    most = torch.stack([function(scale * z).max() for scale in SCALES])
    if not (most[1:] > 2 * most[:-1]).all():
        return None
    i, j = divmod(int(function(z).argmax()), len(z))
    values = ", ".join(f"{value:.4g}" for value in most.tolist())
    return f"with x and y 1, 10, 100, 1000 times as long: {values}", i, j


def below_the_most(function: Function, z: Tensor) -> tuple[str, int, int] | None:
    """Find a vector that is less similar to itself than some pair is."""
    values = function(z)
    i, most = int(values.diag().argmin()), values.max()
    if values[i, i] >= most - TOLERANCE * most.abs():
        return None
    return f"s(x, x) = {values[i, i]:.4g}, and another pair has {most:.4g}", i, i


def as_similar(function: Function, z: Tensor) -> tuple[str, int, int] | None:
    """Find two different vectors at least as similar as the first is to itself."""
    values = function(z)
    lead = values - values.diag()[:, None]
    lead.fill_diagonal_(-torch.inf)
    i, j = divmod(int(lead.argmax()), len(z))
    if lead[i, j] < -TOLERANCE * values[i, i].abs():
        return None
    return f"s(x, y) = {values[i, j]:.4g} and s(x, x) = {values[i, i]:.4g}", i, j


def one_way(function: Function, z: Tensor) -> tuple[str, int, int] | None:
    """Find two vectors whose order matters."""
    values = function(z)
    gap = (values - values.T).abs()
    i, j = divmod(int(gap.argmax()), len(z))
    if gap[i, j] <= TOLERANCE * values.abs().max():
        return None
    return f"s(x, y) = {values[i, j]:.4g} and s(y, x) = {values[j, i]:.4g}", i, j
