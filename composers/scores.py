"""Scores: found, read, kept by the hash of their files, and each music once."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from composers import kern, musicxml
from composers.notes import COLUMNS, ONSET, PITCH, ScoreError
from machinery import arrays, packages, workers
from machinery.errors import BadInput

MUSIC21 = "10.5.1"
COMPOSERS = {  # folder in music21's corpus, and the name
    "bach": "Bach",
    "beethoven": "Beethoven",
    "haydn": "Haydn",
    "monteverdi": "Monteverdi",
    "mozart": "Mozart",
    "palestrina": "Palestrina",
    "schumann_robert": "R. Schumann",
}
READERS = (".krn", ".mxl", ".xml", ".musicxml")
LARGEST = 50 * 2**20  # bytes of a file
WORTH_A_PROCESS = 100  # files that take longer to read than a process to start
RULES = b"composers 2"  # changes whenever the same file would be read otherwise
SHINGLE = 12  # notes in a row that two scores share
SAME = 0.4  # share of the shorter one's rows of notes from which two are one music


@dataclass(frozen=True)
class Score:
    """One file: its notes (N, 6), and the work it is a movement of."""

    composer: str
    work: str
    name: str
    notes: np.ndarray


def read_score(path: Path) -> tuple[np.ndarray, str | None]:
    """Return a file's notes, and its work if it says so; BadInput for no score."""
    if not path.is_file():
        raise BadInput(f"{path} is no file")
    if path.stat().st_size > LARGEST:
        raise BadInput(f"{path} has more than {LARGEST:,} bytes")
    data, kind = path.read_bytes(), path.suffix.lower()
    try:
        if kind == ".krn":
            return kern.read_kern(data)
        if kind == ".mxl":
            return musicxml.read_mxl(data), None
        return musicxml.read_musicxml(data), None
    except ScoreError as error:
        raise BadInput(f"{path} is no score to read: {error}") from error


def from_music21() -> list[tuple[str, str, Path]]:
    """Return (composer, work, path) of the installed music21's scores.

    A work is what has an opus or catalogue number: the folder where there is one, else
    the name up to its first dot. Chorales of one cantata are one work.
    """
    here = packages.data_file("music21", MUSIC21, "configure.py", "composers")
    found = []
    for folder, composer in COMPOSERS.items():
        root = here.parent / "corpus" / folder
        for path in files_beneath(root):
            inside = path.relative_to(root).parts
            # madrigals of one book are works of their own
            stem = path.stem if folder == "monteverdi" else path.name.split(".")[0]
            found.append((composer, inside[0] if len(inside) > 1 else stem, path))
    return found


def from_folder(root: Path) -> list[tuple[str, str, Path]]:
    """Return (composer, work, path) of the scores in a folder for each composer.

    A folder in a composer's folder is a work, a file there is one, too.
    """
    if not root.is_dir():
        raise BadInput(f"--scores {root} is not a folder")
    found = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        for path in files_beneath(folder):
            found.append((folder.name, path.relative_to(folder).parts[0], path))
    composers = {composer for composer, _, _ in found}
    if len(composers) < 2:
        raise BadInput(
            f"--scores {root} needs a folder with scores ({', '.join(READERS)}) for "
            f"each of two composers or more, found {len(composers)}"
        )
    return found


def files_beneath(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in READERS)


def load(places: Iterable[tuple[str, str, Path]], cache: Path) -> list[Score]:
    """Read all scores, or take them from cache, named by the content of the files.

    A damaged cache is made anew. Raise BadInput for a file that is no score.
    """
    places = list(places)
    digest = hashlib.sha256(RULES)
    for composer, work, path in places:
        digest.update(f"{composer}/{work}/{path.name}".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    kept = cache / f"scores-{digest.hexdigest()[:24]}.npz"
    if (found := from_cache(kept, places)) is not None:
        return found
    n = min(torch.get_num_threads(), 1 + len(places) // WORTH_A_PROCESS)
    with workers.each(read_score, (), [path for *_, path in places], n) as read:
        scores = [
            Score(composer, says or work, path.stem, notes)
            for (composer, work, path), (notes, says) in zip(places, read, strict=True)
        ]
    arrays.keep(
        kept,
        notes=np.concatenate([score.notes for score in scores]),
        sizes=np.array([len(score.notes) for score in scores]),
        works=arrays.as_bytes([score.work for score in scores]),
    )
    return scores


def from_cache(path: Path, places: list[tuple[str, str, Path]]) -> list[Score] | None:
    """Return what a file holds, or None where it is not whole."""
    if (parts := arrays.kept(path, "notes", "sizes", "works")) is None:
        return None
    notes, sizes, works = parts
    try:
        names = arrays.lines_of(works)
    except ValueError:
        return None
    if notes.shape != (sizes.sum(), len(COLUMNS)):
        return None
    if not len(sizes) == len(names) == len(places):
        return None
    return [
        Score(composer, work, path.stem, part)
        for (composer, _, path), work, part in zip(
            places, names, np.split(notes, sizes.cumsum()[:-1]), strict=True
        )
    ]


def without_copies(
    scores: list[Score],
) -> tuple[list[Score], list[tuple[Score, Score]]]:
    """Return the scores of which none is another's copy, and (copy, original) pairs.

    Two scores are the same music if they share many rows of SHINGLE pitches in time
    order. An edition with another time signature, or of a movement alone, counts too.
    """
    seen: dict[bytes, list[int]] = {}
    kept: list[Score] = []
    copies: list[tuple[Score, Score]] = []
    for score in sorted(scores, key=lambda s: -len(s.notes)):
        rows = shingles(score.notes)
        shared = Counter(i for row in rows for i in seen.get(row, ()))
        twin, n_shared = shared.most_common(1)[0] if shared else (0, 0)
        if n_shared and n_shared >= SAME * len(rows):
            copies.append((score, kept[twin]))
            continue
        for row in rows:
            seen.setdefault(row, []).append(len(kept))
        kept.append(score)
    order = {id(score): i for i, score in enumerate(scores)}
    kept.sort(key=lambda score: order[id(score)])
    return kept, copies


def shingles(notes: np.ndarray) -> set[bytes]:
    """Return all rows of SHINGLE notes: pitches, and whether each begins a moment."""
    begins = np.diff(notes[:, ONSET], prepend=-1) > 0
    coded = (2 * notes[:, PITCH] + begins).astype(np.uint16).tobytes()
    width = 2 * SHINGLE
    return {coded[i : i + width] for i in range(0, len(coded) - width + 2, 2)}


def group_by_movement(
    scores: list[Score], at_least: int
) -> tuple[list[Score], list[str]]:
    """Make works of the movements of composers with few works; return those, too."""
    works: dict[str, set[str]] = {}
    for score in scores:
        works.setdefault(score.composer, set()).add(score.work)
    few = sorted(composer for composer, names in works.items() if len(names) < at_least)
    return [
        replace(s, work=f"{s.work}/{s.name}") if s.composer in few else s
        for s in scores
    ], few
