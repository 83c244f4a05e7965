"""What the trainings have shown: the table, who is better, and how sure that is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from machinery.packages import module
from machinery.tables import align
from sentiment.data import Dataset
from sentiment.nb_svm import NbSvm
from sentiment.runs import Run

RESAMPLED = 10_000
NAMES = {
    ("assignment", True): "the assignment",
    ("assignment", False): "the assignment without attention",
    ("best", True): "n-gram network",
    ("best", False): "n-gram network without attention",
}


def correct(logits: np.ndarray, dataset: Dataset, split: str = "test") -> np.ndarray:
    """Say of each review of a split whether its logit has the right sign: (n,)."""
    rows = dataset.rows[split]
    return (logits[rows] > 0) == (dataset.labels.numpy()[rows] > 0.5)


def table_row(name: str, hits: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return a line of the table from the hits (n,) of each seed."""
    accuracies = [float(hit.mean()) for hit in hits]
    mean = float(np.mean(accuracies))
    return {
        "name": name,
        "accuracies": accuracies,
        "mean": mean,
        "median": float(np.median(accuracies)),
        "spread": float(np.std(accuracies, ddof=1)) if len(hits) > 1 else 0.0,
        "error": float(np.sqrt(mean * (1 - mean) / len(hits[0]))),
    }


def stack(logits: np.ndarray, scores: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Return the network's logits (N,) with the NB-SVM's score as one more feature.

    The two weights are a logistic regression's, on the validation reviews. Where a
    review has no logit (nan) it has none here either.
    """
    from sklearn.linear_model import LogisticRegression

    features = np.stack([logits, scores], 1)
    rows = dataset.rows["validation"]
    fitted = LogisticRegression(C=100.0).fit(
        features[rows], dataset.labels.numpy()[rows]
    )
    return features @ fitted.coef_[0] + fitted.intercept_[0]


def table(
    runs: dict[str, Run], dataset: Dataset, svm: NbSvm, scores: np.ndarray
) -> dict[str, Any]:
    """Return every line of one split's table, and what attention is worth."""
    groups = hits_of(runs, dataset, scores)
    rows = [table_row(name, hits) for name, hits in groups.items()]
    return {
        "rows": rows,
        "n_test": len(dataset.rows["test"]),
        "strength": svm.strength,
        "attention": {
            recipe: bootstrap(groups[with_], groups[without])
            for recipe in ("assignment", "best")
            if (with_ := NAMES[recipe, True]) in groups
            and (without := NAMES[recipe, False]) in groups
        },
    }


def hits_of(
    runs: dict[str, Run], dataset: Dataset, scores: np.ndarray
) -> dict[str, list[np.ndarray]]:
    """Return, for every line of a split's table, each seed's hits (n_test,)."""
    groups: dict[str, list[np.ndarray]] = {}
    for run in runs.values():
        if run.job.split != dataset.name:
            continue
        name = NAMES[run.job.recipe, run.job.attention]
        logits = run.logits.numpy()
        groups.setdefault(name, []).append(correct(logits, dataset))
        if run.job.recipe == "best":
            both = stack(logits, scores, dataset)
            groups.setdefault(f"{name} + NB-SVM", []).append(correct(both, dataset))
    groups["NB-SVM"] = [correct(scores, dataset)]
    return groups


def pool(blocks: Sequence[dict[str, list[np.ndarray]]]) -> dict[str, Any]:
    """Return the table of blocks whose tests are other reviews, one seed of each.

    Accuracies are those of the blocks; attention is judged on all reviews at once.
    """
    rows = [table_row(name, [block[name][0] for block in blocks]) for name in blocks[0]]
    with_, without = (
        [np.concatenate([block[NAMES["best", attention]][0] for block in blocks])]
        for attention in (True, False)
    )
    gain = bootstrap(with_, without)
    said = (
        f"{len(blocks)} blocks of films, {NAMES['best', True]}: attention is worth "
        f"{100 * gain['difference']:+.2f} points (95 % interval "
        f"{100 * gain['low']:+.2f} to {100 * gain['high']:+.2f}, over "
        f"{len(with_[0]):,} reviews, one training a block)"
    )
    return {"rows": rows, "attention": {"best": gain}, "sentences": [said]}


def bootstrap(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], seed: int = 0
) -> dict[str, float]:
    """Return the mean difference of two models' accuracies and its 95 % interval.

    A paired bootstrap: reviews, and the seeds of each model, are drawn anew.
    """
    draw = np.random.default_rng(seed)
    a, b = np.stack(first).astype(float), np.stack(second).astype(float)
    n = a.shape[1]
    differences = np.empty(RESAMPLED)
    for i in range(RESAMPLED):
        counts = np.bincount(draw.integers(0, n, n), minlength=n) / n
        difference = a[draw.integers(0, len(a), len(a))].mean(0)
        difference = difference - b[draw.integers(0, len(b), len(b))].mean(0)
        differences[i] = difference @ counts
    low, high = np.quantile(differences, [0.025, 0.975])
    return {
        "difference": float(a.mean() - b.mean()),
        "error": float(differences.std()),
        "low": float(low),
        "high": float(high),
    }


def describe(found: dict[str, dict[str, Any]]) -> str:
    """Return the table of all splits as text, accuracies in percent."""
    names = list(
        dict.fromkeys(row["name"] for part in found.values() for row in part["rows"])
    )
    rows = [["", *(f"{split} split" for split in found)]]
    for name in names:
        cells = [name]
        for part in found.values():
            row = next((r for r in part["rows"] if r["name"] == name), None)
            spread = (
                f" ± {row['spread']:.2%}" if row and len(row["accuracies"]) > 1 else ""
            )
            cells.append(f"{row['mean']:.2%}{spread}" if row else "")
        rows.append(cells)
    return align(rows)


def verdicts(found: dict[str, dict[str, Any]], leaks: dict[str, dict]) -> list[str]:
    """Return what the numbers say, in sentences."""
    said = []
    for split, part in found.items():
        for recipe, gain in part["attention"].items():
            sure = "more" if abs(gain["difference"]) > gain["error"] else "less"
            one = max(len(row["accuracies"]) for row in part["rows"]) == 1
            over = "over reviews alone, one seed each" * one or "over reviews and seeds"
            said.append(
                f"{split} split, {NAMES[recipe, True]}: attention is worth "
                f"{100 * gain['difference']:+.2f} points (95 % interval "
                f"{100 * gain['low']:+.2f} to {100 * gain['high']:+.2f}, {over}), "
                f"{sure} than its standard error of {100 * gain['error']:.2f}"
            )
        last = part["rows"][-1]
        said.append(
            f"{split} split: a line's standard error over {part['n_test']:,} reviews "
            f"is about {100 * last['error']:.2f} points"
        )
    for split, leak in leaks.items():
        said.append(
            f"{split} split: {leak['same']:.1%} of the test reviews share three rare "
            f"bigrams with a training review of their label, {leak['other']:.1%} with "
            "one of the other label"
        )
    return said + met_films(found)


def met_films(found: dict[str, dict[str, Any]]) -> list[str]:
    """Say how much better each model is where training has met the test's films."""
    if not {"random", "films"} <= found.keys():
        return []
    random, films = (
        {row["name"]: row["mean"] for row in found[split]["rows"]}
        for split in ("random", "films")
    )
    gains = ", ".join(
        f"{name} {100 * (mean - films[name]):+.2f}"
        for name, mean in random.items()
        if name in films
    )
    error = np.hypot(*(found[s]["rows"][-1]["error"] for s in ("random", "films")))
    return [
        f"accuracy on the random split less that with films kept apart, in points: "
        f"{gains}: what meeting its film is worth, give or take the standard error of "
        f"two test sets, {100 * error:.2f}"
    ]


def leak(
    packed: np.ndarray, review: np.ndarray, labels: np.ndarray, dataset: Dataset,
    rare: tuple[int, int] = (2, 5), shared: int = 3,
) -> dict[str, float]:  # fmt: skip
    """Return the share of test reviews that seem to meet their film in training.

    They share rare bigrams, in rare[0] to rare[1] reviews of all, with one training
    review of the same label, or of the other. packed: each token's bigram, or 0.
    """
    from scipy.sparse import csr_matrix

    keys, number = np.unique(packed, return_inverse=True)
    ones = np.ones(len(review), np.float32)
    found = csr_matrix((ones, (review, number)), shape=(len(labels), len(keys)))
    found.data[:] = 1.0
    in_reviews = np.asarray(found.sum(0)).ravel()
    kept = (in_reviews >= rare[0]) & (in_reviews <= rare[1]) & (keys > 0)
    found = found[:, kept].tocsr()
    train, test = dataset.rows["train"], dataset.rows["test"]
    shares = {}
    for name, same in (("same", True), ("other", False)):
        hits = 0
        for label in (0, 1):
            mine = test[labels[test] == label]
            theirs = train[(labels[train] == label) == same]
            most = (found[mine] @ found[theirs].T).max(1).toarray()
            hits += int((most >= shared).sum())
        shares[name] = hits / len(test)
    return shares


def calibration(logits: np.ndarray, labels: np.ndarray, n_bins: int = 10) -> dict:
    """Return the reliability curve of logits (n,), and its expected error.

    Bins of equal width in the probability of praise (Guo et al. 2017).
    """
    p = 1 / (1 + np.exp(-np.clip(logits.astype(float), -60, 60)))
    bins = np.minimum((p * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    stated = np.bincount(bins, p, n_bins) / np.maximum(counts, 1)
    true = np.bincount(bins, labels, n_bins) / np.maximum(counts, 1)
    return {
        "stated": stated.tolist(),
        "true": true.tolist(),
        "counts": counts.tolist(),
        "error": float((np.abs(stated - true) * counts).sum() / max(len(p), 1)),
    }


def by_length(hits: np.ndarray, lengths: np.ndarray, n_bins: int = 5) -> list[dict]:
    """Return the accuracy of reviews in bins of length with as many reviews each."""
    parts = np.array_split(np.argsort(lengths, kind="stable"), n_bins)
    return [
        {
            "from": int(lengths[part].min()),
            "to": int(lengths[part].max()),
            "accuracy": float(hits[part].mean()),
            "error": float(hits[part].std() / len(part) ** 0.5),
        }
        for part in parts
        if len(part)
    ]


def mistakes(
    logits: np.ndarray, labels: np.ndarray, rows: np.ndarray, n: int = 10
) -> list[int]:
    """Return the rows of the n most confident mistakes, the worst first."""
    wrong = rows[(logits[rows] > 0) != (labels[rows] > 0.5)]
    return wrong[np.argsort(-np.abs(logits[wrong]), kind="stable")][:n].tolist()


def require_scikit_learn() -> None:
    """Raise BadInput where scikit-learn is missing: before hours of training."""
    module("sklearn", extra="sentiment", package="scikit-learn")
