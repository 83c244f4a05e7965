"""What the assignment asks of the lines, in numbers and sentences."""

import numpy as np

from composers.baselines import OCTAVE, histogram
from composers.experiment import (
    BOTH,
    FOREST,
    LOGISTIC,
    PLAIN,
    RELATIONAL,
    Corpus,
    Judged,
    silence,
)
from composers.graphs import relate
from composers.notes import PITCH
from composers.scraps import Scraps
from machinery.packages import module

N_BOOTSTRAPS = 2000
VOTES = (1, 2, 3, 5, 8)  # scraps of a vote
FEWEST = 5  # works that a curve is drawn for
N_VOTES = 200  # of each work and number of scraps
INTERVALS = (
    "unison or octave", "minor second", "major second", "minor third", "major third",
    "fourth", "tritone", "fifth", "minor sixth", "major sixth", "minor seventh",
    "major seventh",
)  # fmt: skip
# neighbours in time and genre, where they are known; others follow by name
ORDER = ("Palestrina", "Monteverdi", "Bach", "Haydn", "Mozart", "Beethoven", "Schumann")


def base_labels(scraps: Scraps) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and works of the base scraps."""
    return scraps.labels[scraps.base], scraps.works[scraps.base]


def table(corpus: Corpus, judged: Judged) -> list[dict]:
    """Return each line's accuracy and macro-F1, per scrap, and its vote per work."""
    labels, works = base_labels(corpus.scraps)
    metrics = module("sklearn.metrics", "composers", "scikit-learn")
    rows = []
    for name, said in judged.said.items():
        found = said.argmax(1)
        by_fold = [(found[t] == labels[t]).mean() for _, t in judged.folds]
        rows.append(
            {
                "name": name,
                "accuracy": float((found == labels).mean()),
                "spread": float(np.std(by_fold, ddof=1)),
                "macro_f1": float(metrics.f1_score(labels, found, average="macro")),
                "vote": vote_of_works(said, labels, works) if judged.by_work else None,
            }
        )
    return rows


def vote_of_works(said: np.ndarray, labels: np.ndarray, works: np.ndarray) -> float:
    """Return the share of the works whose scraps name their composer together."""
    right = [
        np.log(said[works == work].clip(1e-9)).sum(0).argmax()
        == labels[works == work][0]
        for work in np.unique(works)
    ]
    return float(np.mean(right))


def vote_by_number(
    said: np.ndarray, labels: np.ndarray, works: np.ndarray, seed: int
) -> list[dict]:
    """Return the share of right votes of a few scraps of one work, mean over works.

    The works are those with as many scraps as the largest vote has, for every number:
    else the works would change along the curve. That vote is the largest for which
    there are at least FEWEST works.
    """
    generator = np.random.default_rng(seed)
    logs = np.log(said.clip(1e-9))
    names, counts = np.unique(works, return_counts=True)
    votes = [n for n in VOTES if (counts >= n).sum() >= FEWEST] or [1]
    large = names[counts >= votes[-1]]
    rows = []
    for n in votes:
        shares = []
        for work in large:
            members = np.flatnonzero(works == work)
            drawn = generator.random((N_VOTES, len(members))).argsort(1)[:, :n]
            voted = logs[members[drawn]].sum(1).argmax(1)
            shares.append((voted == labels[members[0]]).mean())
        rows.append({"n": n, "share": float(np.mean(shares)), "works": len(shares)})
    return rows


def lead(
    one: np.ndarray, two: np.ndarray, labels: np.ndarray, works: np.ndarray, seed: int
) -> dict[str, float]:
    """Return by how much one line's accuracy leads, with 95 % of a bootstrap of works.

    Scraps of a work stand or fall together, so works are drawn.
    """
    gain = (one.argmax(1) == labels).astype(float) - (two.argmax(1) == labels)
    names, index = np.unique(works, return_inverse=True)
    sums = np.bincount(index, gain, len(names))
    counts = np.bincount(index, minlength=len(names))
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(names), size=(N_BOOTSTRAPS, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(gain.mean()), "low": float(low), "high": float(high)}


def order_of(composers: tuple[str, ...]) -> list[int]:
    """Return the labels in the order in which a figure shows them."""

    def place(label: int) -> tuple[int, str]:
        name = composers[label]
        known = [i for i, part in enumerate(ORDER) if part in name]
        return (known[0] if known else len(ORDER)), name

    return sorted(range(len(composers)), key=place)


def confusion(said: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of each composer's scraps that each is named for: (C, C)."""
    n = said.shape[1]
    counts = np.bincount(labels * n + said.argmax(1), minlength=n * n).reshape(n, n)
    return counts / counts.sum(1, keepdims=True)


def telling_intervals(scraps: Scraps) -> dict[str, list[dict]]:
    """Return each composer's intervals between notes that sound together, by how much
    commoner they are than with the others."""
    labels = scraps.labels[scraps.base]
    notes = scraps.notes[scraps.base]
    related = relate(notes)
    together = np.triu(related[:, 0]) | related[:, 3]  # each pair of notes once
    leap = np.abs(notes[:, None, :, PITCH] - notes[:, :, None, PITCH]) % OCTAVE
    shares = histogram(leap, OCTAVE, together)
    found = {}
    for label, name in enumerate(scraps.composers):
        own, other = shares[labels == label].mean(0), shares[labels != label].mean(0)
        ratio = own / other.clip(1e-4)
        best = ratio.argsort()[::-1][:2]
        found[name] = [
            {"interval": INTERVALS[i], "times": float(ratio[i]), "share": float(own[i])}
            for i in best
        ]
    return found


def silenced(corpus: Corpus, judged: Judged) -> list[dict]:
    """Return the accuracy that the trained networks lose without a kind of relation."""
    labels, _ = base_labels(corpus.scraps)
    whole = (judged.said[RELATIONAL].argmax(1) == labels).mean()
    return [
        {"kind": kind, "loss": float(whole - (said.argmax(1) == labels).mean())}
        for kind, said in silence(corpus, judged).items()
    ]


def describe(rows: list[dict], title: str) -> str:
    """Return a table of lines as text."""
    width = max(len(row["name"]) for row in rows)
    lines = [f"{title:{width}}  accuracy  over folds  macro-F1  vote of works"]
    for row in rows:
        vote = f"{row['vote']:13.1%}" if row["vote"] is not None else ""
        lines.append(
            f"{row['name']:{width}}  {row['accuracy']:8.1%}  ± {row['spread']:8.1%}  "
            f"{row['macro_f1']:8.3f}  {vote}".rstrip()
        )
    return "\n".join(lines)


def verdicts(
    corpus: Corpus, by_work: list[dict], at_random: list[dict], leads: dict[str, dict],
    lost: list[dict],
) -> list[str]:  # fmt: skip
    """Return the findings in words that follow the numbers."""
    work = {row["name"]: row for row in by_work}
    random = {row["name"]: row for row in at_random}
    chance = max(np.bincount(base_labels(corpus.scraps)[0])) / corpus.scraps.base.sum()
    lines = [
        f"chance, the commonest composer: {chance:.1%} of the scraps",
        "a random split flatters: where no work is on both sides the forest falls from "
        f"{random[FOREST]['accuracy']:.1%} to {work[FOREST]['accuracy']:.1%}, "
        f"the logistic regression from {random[LOGISTIC]['accuracy']:.1%} to "
        f"{work[LOGISTIC]['accuracy']:.1%}",
    ]
    for name, found in leads.items():
        clear = found["low"] > 0 or found["high"] < 0
        lines.append(
            f"relational attention against {name}: {100 * found['mean']:+.1f} points "
            f"({100 * found['low']:+.1f} to {100 * found['high']:+.1f} over works), "
            + ("beyond chance" if clear else "within chance")
        )
    best = max(by_work, key=lambda row: row["macro_f1"])
    lines.append(f"best by macro-F1: {best['name']}, {best['macro_f1']:.3f}")
    most = max(lost, key=lambda row: row["loss"])
    lines.append(
        f"the trained networks lose most without the edges “{most['kind']}”: "
        f"{100 * most['loss']:.1f} points"
    )
    lines.append(
        f"a vote of a work's scraps: {work[RELATIONAL]['vote']:.1%} of the works by "
        f"relational attention, {work[FOREST]['vote']:.1%} by the forest, "
        f"{work[BOTH]['vote']:.1%} by both"
    )
    return lines


def compare(corpus: Corpus, judged: Judged, seed: int) -> dict[str, dict]:
    """Return relational attention's lead over the plain one and over counting."""
    labels, works = base_labels(corpus.scraps)
    said = judged.said
    return {
        name: lead(said[RELATIONAL], said[name], labels, works, seed)
        for name in (PLAIN, FOREST, LOGISTIC)
    }
