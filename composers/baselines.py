"""What counting says: histograms of a scrap, and scikit-learn's classifiers on them."""

import numpy as np
import torch

from composers.graphs import N_RELATIONS, relate
from composers.notes import BAR, DURATION, ONSET, PART, PITCH, PLACE, TICKS
from machinery.packages import module

OCTAVE = 12
DURATIONS = (1 / 8, 1 / 4, 1 / 3, 1 / 2, 3 / 4, 1, 1.5, 2, 3, 4, 6, 8)  # quarters
N_TREES = 300
CHUNK = 256  # scraps whose pairs are counted at a time
BASELINES = {  # name: (features, classifier)
    "pitch classes, logistic regression": ("pitch", "logistic"),
    "and intervals, durations, logistic regression": ("melody", "logistic"),
    "all features, logistic regression": ("all", "logistic"),
    "all features, random forest": ("all", "forest"),
}


def features(notes: np.ndarray) -> dict[str, np.ndarray]:
    """Return three growing sets of features of scraps (S, 50, 6), (S, n) each."""
    pitch = histogram(notes[:, :, PITCH] % OCTAVE, OCTAVE)
    melody = np.concatenate([pitch, melodic(notes), durations(notes)], 1)
    harmony, edges = harmonic(notes)
    rest = [harmony, metre(notes), register(notes), edges]
    return {
        "pitch": pitch, "melody": melody, "all": np.concatenate([melody, *rest], 1)
    }  # fmt: skip


def histogram(values: np.ndarray, n: int, there: np.ndarray | None = None):
    """Return the shares of 0 to n - 1 among the values of each row: (S, n)."""
    there = np.ones(values.shape, bool) if there is None else there
    rows = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    flat = (rows * n + values)[there]
    counts = np.bincount(flat, minlength=len(values) * n).reshape(-1, n)
    return counts / counts.sum(1, keepdims=True).clip(1)


def melodic(notes: np.ndarray) -> np.ndarray:
    """Return shares of the intervals from a note to the next of its part: (S, 25)."""
    order = np.lexsort((notes[:, :, ONSET], notes[:, :, PART]))
    sorted_notes = np.take_along_axis(notes, order[:, :, None], 1)
    pitch, part = sorted_notes[:, :, PITCH], sorted_notes[:, :, PART]
    leap = np.diff(pitch, axis=1).clip(-OCTAVE, OCTAVE) + OCTAVE
    return histogram(leap, 2 * OCTAVE + 1, part[:, 1:] == part[:, :-1])


def durations(notes: np.ndarray) -> np.ndarray:
    quarters = notes[:, :, DURATION] / TICKS
    near = np.abs(np.log2(quarters[:, :, None] / np.array(DURATIONS))).argmin(2)
    return histogram(near, len(DURATIONS))


def harmonic(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shares of the intervals between notes that sound together, and the edges
    of each relation."""
    shares, edges = [], []
    for first in range(0, len(notes), CHUNK):
        some = notes[first : first + CHUNK]
        related = relate(some)
        together = related[:, 0] | related[:, 3]  # onset, during
        leap = some[:, None, :, PITCH] - some[:, :, None, PITCH]
        shares.append(histogram(np.abs(leap) % OCTAVE, OCTAVE, together))
        edges.append(np.log1p(related.sum((2, 3))))
    return np.concatenate(shares), np.concatenate(edges)[:, : N_RELATIONS - 1]


def metre(notes: np.ndarray) -> np.ndarray:
    """Return shares of the places in the bar, in eighths of it."""
    place = notes[:, :, PLACE] / np.maximum(notes[:, :, BAR], 1)
    return histogram((8 * place).astype(int).clip(0, 7), 8)


def register(notes: np.ndarray) -> np.ndarray:
    pitch = notes[:, :, PITCH]
    parts = np.sort(notes[:, :, PART], 1)
    n_parts = 1 + (np.diff(parts, axis=1) > 0).sum(1)
    length = (notes[:, :, ONSET] + notes[:, :, DURATION]).max(1) / TICKS
    numbers = [pitch.mean(1), pitch.std(1), pitch.min(1), pitch.max(1), n_parts,
               np.log(length)]  # fmt: skip
    return np.stack(numbers, 1)


def require() -> None:
    """Raise BadInput where scikit-learn is missing."""
    module("sklearn", "composers", "scikit-learn")


def classify(
    kind: str, x: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray,
    seed: int,
) -> np.ndarray:  # fmt: skip
    """Return p(composer | scrap) of the test rows: (n, classes)."""
    if kind == "forest":
        ensemble = module("sklearn.ensemble", "composers", "scikit-learn")
        model = ensemble.RandomForestClassifier(
            N_TREES, random_state=seed, n_jobs=torch.get_num_threads()
        )
    else:
        linear = module("sklearn.linear_model", "composers", "scikit-learn")
        pipeline = module("sklearn.pipeline", "composers", "scikit-learn")
        scaling = module("sklearn.preprocessing", "composers", "scikit-learn")
        model = pipeline.make_pipeline(
            scaling.StandardScaler(), linear.LogisticRegression(C=0.1, max_iter=1000)
        )
    model.fit(x[train], labels[train])
    found = np.zeros((len(test), labels.max() + 1))
    found[:, model.classes_] = model.predict_proba(x[test])
    return found
