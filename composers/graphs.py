"""Scraps as graphs: notes are nodes, and ten relations join them.

S scraps of 50 notes; an edge goes from a source to the node that it informs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from composers.notes import BAR, DURATION, ONSET, PART, PITCH, PLACE, TICKS
from composers.scraps import SIZE

RELATIONS = (
    "onset", "consecutive", "consecutive, back", "during", "during, back", "rest",
    "rest, back", "next in part", "next in part, back", "self",
)  # fmt: skip
N_RELATIONS = len(RELATIONS)
# what is left out together when a relation is: both its directions
KINDS = {"onset": (0,), "consecutive": (1, 2), "during": (3, 4), "rest": (5, 6),
         "next in part": (7, 8)}  # fmt: skip
N_NUMBERS = 5 + N_RELATIONS  # of a node, besides its pitch
CHUNK = 256  # scraps whose pairs are compared at a time


def relate(notes: np.ndarray) -> np.ndarray:
    """Return which pairs of notes (S, N, 6) each relation joins: (S, R, N, N) bool.

    [s, r, i, j] is true for an edge from i to j. Onset: both begin together.
    Consecutive: j begins when i ends. During: j begins while i sounds. Rest: i ends
    when nothing begins, and j is among the first to begin afterwards. Next in part: j
    is among the first of i's part to begin after i does. All but onset and self have
    their reverse.
    """
    begin = notes[:, :, ONSET]
    end = begin + notes[:, :, DURATION]
    b_i, b_j, e_i = begin[:, :, None], begin[:, None, :], end[:, :, None]
    same = np.eye(notes.shape[1], dtype=bool)[None]
    onset = (b_i == b_j) & ~same
    consecutive = e_i == b_j
    during = (b_i < b_j) & (b_j < e_i)
    ends_at_none = ~consecutive.any(2, keepdims=True)
    rest = ends_at_none & first_after(b_j, e_i)
    part = notes[:, :, PART]
    following = first_after(b_j, b_i, part[:, :, None] == part[:, None, :])
    pairs = [onset]
    for forward in (consecutive, during, rest, following):
        pairs += [forward, forward.swapaxes(1, 2)]
    pairs.append(np.broadcast_to(same, onset.shape))
    return np.stack(pairs, 1)


def first_after(
    begin: np.ndarray, moment: np.ndarray, allowed: np.ndarray | bool = True
) -> np.ndarray:
    """Say which notes are the first allowed ones to begin after a moment."""
    later = (begin > moment) & allowed
    never = np.iinfo(np.int64).max
    first = np.where(later, begin, never).min(2, keepdims=True)
    return later & (begin == first)


@dataclass(frozen=True)
class Graphs:
    """All scraps in a few tensors; edges are in the order of their scraps."""

    pitch: Tensor  # (S, 50) int64
    numbers: Tensor  # (S, 50, N_NUMBERS) float32: time, bar, degree by relation
    edges: Tensor  # (E, 3): source and target within the scrap, relation
    begins: Tensor  # (S + 1,) the first edge of each scrap


@dataclass(frozen=True)
class Batch:
    """Some scraps as one graph of B x 50 nodes."""

    pitch: Tensor  # (B * 50,)
    numbers: Tensor  # (B * 50, N_NUMBERS)
    source: Tensor  # (E,)
    target: Tensor  # (E,)
    relation: Tensor  # (E,)


def make_graphs(notes: np.ndarray) -> Graphs:
    """Build the graphs of scraps (S, 50, 6)."""
    n, r = notes.shape[1], N_RELATIONS
    found, degrees, counts = [], [], []
    for first in range(0, len(notes), CHUNK):
        some = notes[first : first + CHUNK]
        flat = np.flatnonzero(relate(some))  # several times faster than nonzero
        pair = flat % (n * n)
        relation, source, target = flat // (n * n) % r, pair // n, pair % n
        found.append(np.stack([source, target, relation], 1))
        scrap = flat // (n * n * r)
        counts.append(np.bincount(scrap, minlength=len(some)))
        reached = (scrap * n + target) * r + relation
        degree = np.bincount(reached, minlength=len(some) * n * r)
        degrees.append(degree.reshape(-1, n, r))
    edges = torch.from_numpy(np.concatenate(found))
    begins = np.concatenate([[0], np.concatenate(counts).cumsum()])
    degree = np.concatenate(degrees)  # (S, N, R)
    return Graphs(
        torch.from_numpy(notes[:, :, PITCH].copy()),
        torch.from_numpy(node_numbers(notes, degree)),
        edges,
        torch.from_numpy(begins),
    )


def node_numbers(notes: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """Return what a node knows besides its pitch: (S, N, N_NUMBERS) float32."""
    quarters = notes[:, :, DURATION] / TICKS
    place, bar = notes[:, :, PLACE], np.maximum(notes[:, :, BAR], 1)
    turn = 2 * np.pi * place / bar
    on_beat = place % TICKS == 0
    numbers = [np.log2(quarters.clip(1 / 64)), np.minimum(quarters, 4),
               np.sin(turn), np.cos(turn), on_beat]  # fmt: skip
    return np.concatenate(
        [np.stack(numbers, 2), np.log1p(degree)], axis=2, dtype=np.float32
    )


def batch(graphs: Graphs, rows: Tensor, shift: Tensor | int = 0) -> Batch:
    """Return the graph of some scraps, each transposed by shift semitones (B,)."""
    begins, ends = graphs.begins[rows], graphs.begins[rows + 1]
    sizes = ends - begins
    scrap = torch.repeat_interleave(sizes)
    starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
    within = torch.arange(len(scrap)) - starts[scrap]
    edges = graphs.edges[begins[scrap] + within]
    offset = scrap * SIZE
    pitch = graphs.pitch[rows]
    if isinstance(shift, Tensor):
        shift = shift[:, None]
    return Batch(
        (pitch + shift).flatten(),
        graphs.numbers[rows].flatten(0, 1),
        edges[:, 0] + offset,
        edges[:, 1] + offset,
        edges[:, 2],
    )


def without(graph: Batch, relations: tuple[int, ...]) -> Batch:
    """Return a graph without the edges of some relations."""
    kept = ~torch.isin(graph.relation, torch.tensor(relations))
    return Batch(
        graph.pitch, graph.numbers, graph.source[kept], graph.target[kept],
        graph.relation[kept],
    )  # fmt: skip
