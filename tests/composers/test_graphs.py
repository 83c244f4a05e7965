"""Relations against a double loop; transposition and permutation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from composers import graphs
from composers.graphs import N_NUMBERS, N_RELATIONS, RELATIONS, batch, make_graphs
from composers.model import ComposerNetwork
from composers.notes import DURATION, ONSET, PART, PITCH, TICKS, as_array
from composers.scraps import SIZE


@st.composite
def scraps(draw, n=12):
    """One scrap (1, n, 6) with many coincidences."""
    rows = [
        (
            draw(st.integers(0, 8)) * TICKS, draw(st.integers(1, 3)) * TICKS,
            draw(st.integers(50, 70)), draw(st.integers(0, 2)), 0, 4 * TICKS,
        )
        for _ in range(n)
    ]  # fmt: skip
    return as_array(rows)[None]


def by_loop(notes: np.ndarray) -> set[tuple[int, int, str]]:
    found = set()
    rows = range(len(notes))
    begin, end = notes[:, ONSET], notes[:, ONSET] + notes[:, DURATION]
    part = notes[:, PART]
    for i in rows:
        found.add((i, i, "self"))
        after = [k for k in rows if begin[k] > end[i]]
        same_part = [k for k in rows if part[k] == part[i] and begin[k] > begin[i]]
        silence = all(begin[k] != end[i] for k in rows)
        for j in rows:
            if i != j and begin[i] == begin[j]:
                found.add((i, j, "onset"))
            directed = {
                "consecutive": end[i] == begin[j],
                "during": begin[i] < begin[j] < end[i],
                "rest": silence and j in after and begin[j] == min(begin[after]),
                "next in part": j in same_part and begin[j] == min(begin[same_part]),
            }
            for name, holds in directed.items():
                if holds:
                    found |= {(i, j, name), (j, i, f"{name}, back")}
    return found


@given(scraps())
def test_relations_equal_a_double_loop(notes):
    _, relation, source, target = graphs.relate(notes).nonzero()
    found = set(zip(source.tolist(), target.tolist(), relation.tolist(), strict=True))
    named = {(i, j, RELATIONS[r]) for i, j, r in found}
    assert named == by_loop(notes[0])


def some_scraps(n: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        rows = np.stack([
            generator.integers(0, 40, SIZE) * TICKS // 2,
            generator.integers(1, 5, SIZE) * TICKS // 2,
            generator.integers(45, 80, SIZE), generator.integers(0, 4, SIZE),
            generator.integers(0, 8, SIZE) * TICKS // 2, np.full(SIZE, 4 * TICKS),
        ], 1)  # fmt: skip
        found.append(as_array(map(tuple, rows.tolist())))
    return np.stack(found)


def parts_of(graph):
    return graph.pitch, graph.numbers, graph.source, graph.target, graph.relation


def network(relational=True, seed=0):
    torch.manual_seed(seed)
    return ComposerNetwork(
        3, N_NUMBERS, N_RELATIONS, SIZE, relational=relational, width=16, n_layers=2,
        channels=4,
    ).double().eval()  # fmt: skip


def logits(model, graph):
    graph = graph.__class__(graph.pitch, graph.numbers.double(), *parts_of(graph)[2:])
    return model(*parts_of(graph))


def test_a_batch_is_its_scraps_side_by_side():
    built, model = make_graphs(some_scraps(4)), network()
    together = logits(model, batch(built, torch.tensor([2, 0, 3])))
    for row, i in enumerate((2, 0, 3)):
        alone = logits(model, batch(built, torch.tensor([i])))
        torch.testing.assert_close(together[row : row + 1], alone)


def test_a_batch_holds_each_scrap_s_notes_and_edges():
    notes = some_scraps(4)
    built = make_graphs(notes)
    graph = batch(built, torch.tensor([2, 0, 3]))
    of_source, of_target = graph.source // SIZE, graph.target // SIZE
    assert torch.equal(of_source, of_target)
    for place, row in enumerate((2, 0, 3)):
        here = of_source == place
        ends = [e[here] - place * SIZE for e in (graph.source, graph.target)]
        edges = torch.stack([*ends, graph.relation[here]], 1).tolist()
        wanted = by_loop(notes[row])
        assert len(edges) == len(wanted)
        assert {(i, j, RELATIONS[r]) for i, j, r in edges} == wanted
        rows = slice(place * SIZE, (place + 1) * SIZE)
        assert graph.pitch[rows].tolist() == notes[row, :, PITCH].tolist()
        # a note knows by how many edges of each relation it is reached
        degree = torch.zeros(SIZE, N_RELATIONS)
        for _, target, name in wanted:
            degree[target, RELATIONS.index(name)] += 1
        torch.testing.assert_close(graph.numbers[rows, 5:], degree.log1p())
        assert torch.equal(graph.numbers[rows], built.numbers[row])


def test_scraps_in_chunks_are_the_same(monkeypatch):
    whole = make_graphs(some_scraps(5))
    monkeypatch.setattr(graphs, "CHUNK", 2)
    for name, value in vars(make_graphs(some_scraps(5))).items():
        assert torch.equal(value, getattr(whole, name)), name


def numbers_of(duration: float, place: float = 0, bar: int = 4 * TICKS) -> list[float]:
    """What a note knows of its time, from quarters."""
    row = (0, int(duration * TICKS), 60, 0, int(place * TICKS), bar)
    found = make_graphs(np.array([[row]])).numbers
    assert found.dtype == torch.float32
    return found[0, 0, :5].tolist()


def test_a_note_knows_its_length_within_bounds():
    """Its logarithm from a 256th note on, itself up to a whole note."""
    for duration, log, length in (
        (1, 0, 1), (1 / 4, -2, 1 / 4), (1 / 63, -np.log2(63), 1 / 63),
        (1 / 96, -6, 1 / 96), (3 / 4, np.log2(3 / 4), 3 / 4), (4, 2, 4),
        (4.5, np.log2(4.5), 4), (16, 4, 4),
    ):  # fmt: skip
        assert numbers_of(duration)[:2] == pytest.approx([log, length], rel=1e-6)


def test_a_note_knows_its_place_in_the_bar_as_on_a_clock():
    """From noon, by sine and cosine; and whether a beat begins."""
    for place, clock in (
        (0, (0, 1, 1)), (1, (1, 0, 1)), (2, (0, -1, 1)), (3, (-1, 0, 1)),
        (0.5, (0.5**0.5, 0.5**0.5, 0)), (3.5, (-(0.5**0.5), 0.5**0.5, 0)),
    ):  # fmt: skip
        assert numbers_of(1, place)[2:] == pytest.approx(clock, abs=1e-6)
    assert numbers_of(1, 1, 3 * TICKS)[2:4] == pytest.approx([0.75**0.5, -0.5])
    tick = 1 / TICKS
    assert numbers_of(1, tick)[4] == 0
    for bar in (0, 1):  # no bar is shorter than a tick
        assert numbers_of(1, tick, bar)[2:4] == pytest.approx([0, 1], abs=1e-6)


def test_the_order_of_notes_does_not_matter():
    notes = some_scraps(1)
    shuffled = notes[:, np.random.default_rng(1).permutation(SIZE)]
    for relational in (True, False):
        model = network(relational)
        torch.testing.assert_close(
            logits(model, batch(make_graphs(notes), torch.tensor([0]))),
            logits(model, batch(make_graphs(shuffled), torch.tensor([0]))),
        )


def test_an_octave_changes_octaves_alone():
    built, model = make_graphs(some_scraps(2)), network()
    rows = torch.tensor([0, 1])
    plain, up = batch(built, rows), batch(built, rows, torch.tensor([12, 12]))
    a, b = (model.features(g.pitch, g.numbers) for g in (plain, up))
    assert torch.equal(a[:, :12], b[:, :12])
    assert torch.equal(a[:, 23:], b[:, 23:])
    assert not torch.equal(a[:, 12:23], b[:, 12:23])
    third = batch(built, rows, torch.tensor([4, 0]))
    assert torch.equal(third.pitch[:SIZE], plain.pitch[:SIZE] + 4)
    assert torch.equal(third.pitch[SIZE:], plain.pitch[SIZE:])


def test_transposed_notes_give_the_same_graph():
    notes = some_scraps(2)
    up = notes.copy()
    up[:, :, PITCH] += 5
    a, b = make_graphs(notes), make_graphs(up)
    assert torch.equal(a.edges, b.edges)
    assert torch.equal(a.numbers, b.numbers)
    assert torch.equal(a.pitch + 5, b.pitch)


def test_relations_can_be_left_out():
    graph = batch(make_graphs(some_scraps(2)), torch.tensor([0, 1]))
    less = graphs.without(graph, graphs.KINDS["during"])
    assert {3, 4} <= set(graph.relation.tolist())
    edges, fewer = (
        list(zip(*(part.tolist() for part in parts_of(g)[2:]), strict=True))
        for g in (graph, less)
    )
    assert fewer == [edge for edge in edges if edge[2] not in (3, 4)]
    assert less.pitch is graph.pitch
    assert less.numbers is graph.numbers
