"""Scraps of fifty notes, whose they are, and which are kept apart."""

from dataclasses import dataclass

import numpy as np

from composers.notes import ONSET
from composers.scores import Score
from machinery.packages import module

SIZE = 50  # notes of a scrap
N_FOLDS = 5


@dataclass(frozen=True)
class Scraps:
    """S scraps: their notes, and where each comes from.

    Those that begin within another (base false) are for training alone.
    """

    notes: np.ndarray  # (S, 50, 6), onsets from 0
    composers: tuple[str, ...]  # names by label
    labels: np.ndarray  # (S,)
    works: np.ndarray  # (S,) numbers
    base: np.ndarray  # (S,) bool

    def __len__(self) -> int:
        return len(self.labels)


def cut(notes: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the whole scraps of a score's notes from the first on: (n, 50, 6)."""
    n = max((len(notes) - first) // SIZE, 0)
    scraps = notes[first : first + n * SIZE].reshape(n, SIZE, notes.shape[1]).copy()
    scraps[:, :, ONSET] -= scraps[:, :1, ONSET]
    return scraps


def make_scraps(scores: list[Score], most: int, seed: int) -> Scraps:
    """Shred the scores; keep at most so many scraps of each composer, drawn by seed,
    of all works alike.

    For each kept one there is, for training, the one that begins half a scrap later.
    """
    composers = tuple(sorted({score.composer for score in scores}))
    named = sorted({(score.composer, score.work) for score in scores})
    numbers = {key: i for i, key in enumerate(named)}
    labels, works, whole, later = [], [], [], []
    for score in scores:
        base, halves = cut(score.notes), cut(score.notes, SIZE // 2)
        label = composers.index(score.composer)
        labels += [label] * len(base)
        works += [numbers[score.composer, score.work]] * len(base)
        whole.append(base)
        missing = len(base) - len(halves)  # the last one's second half is missing
        pad = np.full((missing, *base.shape[1:]), -1)
        later.append(np.concatenate([halves, pad]))
    labels, works = np.array(labels), np.array(works)
    whole, later = np.concatenate(whole), np.concatenate(later)
    kept = np.concatenate(
        [
            np.sort(evenly(np.flatnonzero(labels == label), works, seed)[:most])
            for label in range(len(composers))
        ]
    )
    there = kept[later[kept, 0, ONSET] >= 0]
    rows = np.concatenate([kept, there])
    return Scraps(
        np.concatenate([whole[kept], later[there]]),
        composers,
        labels[rows],
        works[rows],
        np.arange(len(rows)) < len(kept),
    )


def evenly(rows: np.ndarray, works: np.ndarray, seed: int) -> np.ndarray:
    """Return rows in a random order; every work comes up before one does twice."""
    rows = np.random.default_rng(seed).permutation(rows)
    rank = np.zeros(len(rows), dtype=int)
    for work in np.unique(works[rows]):
        members = works[rows] == work
        rank[members] = np.arange(members.sum())
    return rows[rank.argsort(kind="stable")]


def folds(
    scraps: Scraps, by_work: bool, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return five pairs of rows (train, test); test rows are base scraps.

    By work no work is on both sides; each composer's scraps are spread over the folds.
    At random a work's scraps are on both sides, but no scrap that overlaps a test one
    is in training.
    """
    selection = module("sklearn.model_selection", "composers", "scikit-learn")
    base = np.flatnonzero(scraps.base)
    labels = scraps.labels[base]
    if by_work:
        splitter = selection.StratifiedGroupKFold(
            N_FOLDS, shuffle=True, random_state=seed
        )
        parts = splitter.split(base, labels, scraps.works[base])
    else:
        splitter = selection.StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
        parts = splitter.split(base, labels)
    extra = np.flatnonzero(~scraps.base)
    found = []
    for train, test in parts:
        if by_work:
            more = extra[np.isin(scraps.works[extra], scraps.works[base[train]])]
        else:
            more = np.array([], dtype=int)
        found.append((np.concatenate([base[train], more]), base[test]))
    return found
