"""The roll against the scrap it shows; a score's composer by the votes of scraps."""

import re

import numpy as np
import pytest
import torch

from composers import inside, runs
from composers.graphs import N_NUMBERS, N_RELATIONS, RELATIONS, batch, make_graphs
from composers.model import Committee, ComposerNetwork
from composers.notes import DURATION, ONSET, PART, PITCH, TICKS
from composers.scores import read_score
from composers.scraps import SIZE, cut
from machinery.errors import BadInput
from tests.composers.conftest import melody
from tests.composers.test_graphs import by_loop, some_scraps

NAMES = ["Ada", "Bo", "Cy"]


def network(seed: int) -> ComposerNetwork:
    torch.manual_seed(seed)
    model = ComposerNetwork(3, N_NUMBERS, N_RELATIONS, SIZE, width=8, n_layers=1)
    return model.train()  # as it comes from a training


def test_a_roll_is_one_scrap_with_its_edges_and_what_two_heads_attend_to():
    notes, model = some_scraps(3), network(0)
    built = make_graphs(notes)
    found = inside.roll(model, notes, built, 1)
    assert not model.training
    scrap = notes[1]
    assert np.array_equal(found["begin"], scrap[:, ONSET] / TICKS)
    assert np.array_equal(found["length"], scrap[:, DURATION] / TICKS)
    assert np.array_equal(found["pitch"], scrap[:, PITCH])
    assert np.array_equal(found["part"], scrap[:, PART])
    related = by_loop(scrap)

    def pairs_of(name: str) -> set[tuple[int, int]]:
        return {(i, j) for i, j, other in related if other == name}

    assert list(found["edges"]) == [
        "onset", "consecutive", "during", "rest", "next in part",
    ]  # fmt: skip
    for kind, pairs in found["edges"].items():
        assert pairs.shape == (len(pairs_of(kind)), 2)
        assert set(map(tuple, pairs.tolist())) == pairs_of(kind)
    graph = batch(built, torch.tensor([1]))
    with torch.no_grad():
        weight = model.attention(
            graph.pitch, graph.numbers, graph.source, graph.target, graph.relation
        )
    ends = (graph.relation, graph.source, graph.target)
    by_edge = zip(*(part.tolist() for part in ends), weight.tolist(), strict=True)
    shares = {(RELATIONS[r], i, j): share for r, i, j, share in by_edge}
    assert list(found["attention"]) == ["consecutive", "during"]
    for head, rows in found["attention"].items():
        assert {(int(i), int(j)) for i, j, _ in rows} == pairs_of(head)
        for i, j, share in rows.tolist():
            assert share == shares[head, i, j]
        reached = np.unique(rows[:, 1])
        sums = [rows[rows[:, 1] == j, 2].sum() for j in reached]
        np.testing.assert_allclose(sums, 1, rtol=1e-6)  # of what is attended to


def test_a_roll_is_drawn_where_the_model_lies_and_handed_back_as_arrays(monkeypatch):
    """A device that does not compute says where its inputs lie."""
    notes, model = some_scraps(1), network(0).to("meta")
    asked = []

    def attention(self, *parts):
        asked.extend(part.device.type for part in parts)
        return torch.zeros(parts[2].shape)

    monkeypatch.setattr(ComposerNetwork, "attention", attention)
    inside.roll(model, notes, make_graphs(notes), 0)
    assert asked == ["meta"] * 5


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A committee as a file that is there, and the score of six scraps."""
    members = [network(seed) for seed in (1, 2)]
    committee = Committee(members).eval()
    model, path = tmp_path / "model.pt", tmp_path / "new.musicxml"
    model.write_bytes(b"")
    path.write_bytes(melody(0, 0, 260))

    def load(given: str):
        assert given == str(model)
        return committee, NAMES

    monkeypatch.setattr(runs, "load", load)
    return committee, path, model


def planted(monkeypatch, said: list[list[float]]) -> None:
    """Have the scraps say so."""

    def probabilities(model, built, rows):
        assert rows.tolist() == list(range(len(said)))
        return np.array(said)

    monkeypatch.setattr(runs, "probabilities", probabilities)


def test_scraps_vote_by_their_log_probabilities_and_each_names_one(saved, monkeypatch):
    _, path, model = saved
    said = [[0.05, 0.5, 0.45]] * 2 + [[0.05, 0.04, 0.91], [0.6, 0.1, 0.3]]
    said += [[0.1, 0.5, 0.4], [0.2, 0.2, 0.6]]
    planted(monkeypatch, said)
    named, roll, n = inside.predict(path, model)
    # most name Bo, and the one that is sure of Cy outweighs them
    assert named == [("Cy", 2), ("Bo", 3), ("Ada", 1)]
    assert n == 6
    surest = cut(read_score(path)[0])[2]
    assert np.array_equal(roll["pitch"], surest[:, PITCH])
    assert np.array_equal(roll["begin"], surest[:, ONSET] / TICKS)


def test_a_certain_scrap_is_outvoted_by_many(saved, monkeypatch):
    """No probability counts as less than one in a thousand million."""
    _, path, model = saved
    planted(monkeypatch, [[1, 0, 0], [1e-12, 1, 0], *[[1e-3, 0.998, 1e-3]] * 4])
    named, *_ = inside.predict(path, model)
    assert named == [("Bo", 5), ("Ada", 1), ("Cy", 0)]
    planted(monkeypatch, [[0, 1, 0], *[[0.9, 0.0144, 0.0856]] * 5])
    assert inside.predict(path, model)[0][0] == ("Bo", 1)
    planted(monkeypatch, [[0, 1, 0], *[[0.9, 0.0141, 0.0859]] * 5])
    assert inside.predict(path, model)[0][0] == ("Ada", 5)


def test_a_score_is_judged_by_all_networks_and_drawn_by_the_first(saved):
    committee, path, model = saved
    scraps = cut(read_score(path)[0])
    built = make_graphs(scraps)
    named, roll, n = inside.predict(path, model)
    said = runs.probabilities(committee, built, np.arange(len(scraps)))
    assert n == len(scraps) == 6
    order = np.log(said).sum(0).argsort()[::-1]
    votes = np.bincount(said.argmax(1), minlength=3)
    assert named == [(NAMES[i], votes[i]) for i in order]
    assert all(type(n_votes) is int for _, n_votes in named)
    row = int(said[:, order[0]].argmax())
    wanted = inside.roll(committee.members[0], scraps, built, row)
    for head, rows in roll["attention"].items():
        assert np.array_equal(rows, wanted["attention"][head])


def test_what_cannot_be_judged_is_named(saved, tmp_path):
    _, path, model = saved
    with pytest.raises(BadInput, match=r"none.pt is missing: train one with python "):
        inside.predict(path, tmp_path / "none.pt")
    song = tmp_path / "song.mid"
    song.write_bytes(b"MThd")
    ending = re.escape(f"--predict {song} must end in one of .krn, .mxl, .xml, .music")
    with pytest.raises(BadInput, match=ending):
        inside.predict(song, model)
    for name in ("LOUD.MUSICXML", "short.xml"):
        few = tmp_path / name
        few.write_bytes(melody(0, 0, 36))  # 45 notes of two parts
        words = re.escape(f"--predict {few} has 45 notes; a scrap needs 50")
        with pytest.raises(BadInput, match=words):
            inside.predict(few, model)
