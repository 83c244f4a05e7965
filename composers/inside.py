"""One scrap and its graph as arrays for the figure; who wrote a score."""

from pathlib import Path

import numpy as np
import torch

from composers import graphs, runs
from composers.graphs import KINDS, RELATIONS, Graphs, batch
from composers.model import ComposerNetwork
from composers.notes import DURATION, ONSET, PART, PITCH, TICKS
from composers.scores import READERS, read_score
from composers.scraps import SIZE, cut
from machinery.errors import BadInput

HEADS = ("consecutive", "during")  # whose attention is drawn


def roll(model: ComposerNetwork, notes: np.ndarray, built: Graphs, row: int) -> dict:
    """Return one scrap's notes, edges by relation, and attention of two heads."""
    graph = batch(built, torch.tensor([row]))
    parts = (graph.pitch, graph.numbers, graph.source, graph.target, graph.relation)
    device = next(model.parameters()).device
    with torch.no_grad():
        weight = model.eval().attention(*(part.to(device) for part in parts)).cpu()
    pairs = torch.stack([graph.source, graph.target], 1).numpy()
    relation, weight = graph.relation.numpy(), weight.numpy()
    scrap = notes[row]
    return {
        "begin": scrap[:, ONSET] / TICKS,
        "length": scrap[:, DURATION] / TICKS,
        "pitch": scrap[:, PITCH],
        "part": scrap[:, PART],
        "edges": {
            kind: pairs[relation == first] for kind, (first, *_) in KINDS.items()
        },
        "attention": {
            head: np.column_stack([pairs, weight])[relation == RELATIONS.index(head)]
            for head in HEADS
        },
    }


def predict(path: Path, model_path: Path) -> tuple[list[tuple[str, int]], dict, int]:
    """Return the composers, likeliest first, with the scraps that name each; the roll
    of the scrap that is surest of the first; the number of scraps.

    Scraps vote by adding the log-probabilities of all folds' networks together; the
    attention drawn is the first network's. Raise BadInput for no score or no model.
    """
    if not model_path.exists():
        raise BadInput(
            f"{model_path} is missing: train one with python train_composers.py"
        )
    model, composers = runs.load(str(model_path))
    if path.suffix.lower() not in READERS:
        raise BadInput(f"--predict {path} must end in one of {', '.join(READERS)}")
    notes, _ = read_score(path)
    scraps = cut(notes)
    if not len(scraps):
        raise BadInput(f"--predict {path} has {len(notes)} notes; a scrap needs {SIZE}")
    built = graphs.make_graphs(scraps)
    said = runs.probabilities(model, built, np.arange(len(scraps)))
    order = np.log(said.clip(1e-9)).sum(0).argsort()[::-1]
    surest = int(said[:, order[0]].argmax())
    votes = np.bincount(said.argmax(1), minlength=len(composers))
    named = [(composers[i], int(votes[i])) for i in order]
    return named, roll(model.members[0], scraps, built, surest), len(scraps)
