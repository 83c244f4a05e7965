"""What tests share: small data folders and texts, drivers in a process of their own,
and the comparison of two runs of the GPT.
"""

import codecs
import csv
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from gpt.config import MAY_CHANGE
from machinery import checkpoint
from mixture_models import UMM

ROOT = Path(__file__).resolve().parents[1]
CENTRES = np.array([[0.0, 45.0], [10.0, 50.0], [20.0, 55.0]])  # degrees, a country each


def watch_encodings(monkeypatch, module) -> list[str | None]:
    """Let a module's open note the encoding of each file, whatever it is called."""
    asked = []

    def watched(path, encoding=None, **more):
        asked.append(encoding and codecs.lookup(encoding).name)
        return open(path, encoding=encoding, **more)

    monkeypatch.setattr(module, "open", watched, raising=False)
    return asked


def course_csv(rows) -> str:
    """The course's format of (long, lat, country) rows, with its unnamed index."""
    lines = [f"{i},{x},{y},{c}\n" for i, (x, y, c) in enumerate(rows)]
    return ",long,lat,country\n" + "".join(lines)


def blob_rows(n: int, seed: int) -> list[tuple[str, str, int]]:
    """Return n places of three countries, one Gaussian blob each."""
    country = np.arange(n) % len(CENTRES)
    noise = np.random.default_rng(seed).normal(size=(n, 2))
    points = CENTRES[country] + noise
    return [
        (f"{x:.5f}", f"{y:.5f}", int(c))
        for (x, y), c in zip(points, country, strict=True)
    ]


def write_places(folder: Path, train=None, test=None) -> Path:
    """Write train.csv and test.csv; rows default to blobs of 300 and 60 places."""
    folder.mkdir(parents=True, exist_ok=True)
    train = blob_rows(300, seed=1) if train is None else train
    test = blob_rows(60, seed=2) if test is None else test
    for split, rows in (("train", train), ("test", test)):
        (folder / f"{split}.csv").write_text(course_csv(rows), newline="")
    return folder


def run_python(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Run a fresh interpreter on one thread, away from the repository's root."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def run_driver(name: str, *flags, cwd: Path) -> subprocess.CompletedProcess:
    return run_python(ROOT / name, *flags, cwd=cwd)


def start_two(*arguments, cwd: Path) -> list[subprocess.Popen]:
    """Start two interpreters that find each other as those of torchrun do."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=cwd, env=environment | {"RANK": rank, "LOCAL_RANK": rank}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for rank in ("0", "1")
    ]  # fmt: skip


def assert_one_line(stderr: str, *parts: str) -> None:
    """The whole of stderr is one line, no traceback, that contains all parts."""
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr
    for part in parts:
        assert part in stderr


def write_texts(folder: Path) -> tuple[Path, Path]:
    """Write a training text of 3,000 characters and a test text of 800."""
    draw = random.Random(0)
    words = ["the", "cat's", "mat and", "then", "a hen", "sat", "'tis", "on it"]
    text = "|`' the and\n"
    while len(text) < 3800:
        text += draw.choice(words)
        text += draw.choice([" ", " ", ", ", ".\n"])
    train, test = folder / "train.txt", folder / "test.txt"
    train.write_text(text[:3000], newline="")
    test.write_text(text[3000:3800], newline="")
    return train, test


def rows_of(folder) -> list[dict[str, str]]:
    """Return the rows of a run's metrics.csv."""
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def read(folder, name="checkpoint.pt") -> dict:
    """Return the content of a run's checkpoint."""
    return checkpoint.read(folder / name)


def assert_equal(one, two) -> None:
    """Both are the same: containers, tensors to the last bit, values."""
    assert type(one) is type(two)
    if isinstance(one, torch.Tensor):
        assert one.dtype == two.dtype
        assert torch.equal(one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_equal(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert_equal(a, b)
    else:
        assert one == two


def assert_same_run(one: Path, two: Path) -> None:
    """Two folders hold the same training: tensors, metadata, metrics and samples."""
    for name in ("model.pt", "checkpoint.pt", "snapshots.pt"):
        contents = [read(folder, name) for folder in (one, two)]
        for content in contents:
            # where it was written and read, and how many epochs were asked for
            content["config"] = {
                k: v for k, v in content["config"].items() if k not in MAY_CHANGE
            }
        assert_equal(*contents)
    for name in ("metrics.csv", "samples.md"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def window_slices(text: str, size: int) -> set[str]:
    """Return every string of size characters that text contains."""
    return {text[i : i + size] for i in range(len(text) - size + 1)}


def umm(n_components: int, n_dims: int = 2, seed: int = 0) -> UMM:
    """Return a float64 mixture of boxes as a seed starts it."""
    torch.manual_seed(seed)
    return UMM(n_components, n_dims).double()


def boxes(centers, sides, logits=None) -> UMM:
    """Return a float64 mixture of boxes at centers (K, D) with sides (K, D)."""
    model = umm(len(centers), len(centers[0]))
    with torch.no_grad():
        model.centers.copy_(torch.tensor(centers, dtype=torch.float64))
        model.log_sizes.copy_(torch.tensor(sides, dtype=torch.float64).log())
        model.logits.copy_(torch.tensor(logits or [0.0] * len(centers)))
    return model


def square_grid(half: float, n: int) -> tuple[torch.Tensor, float]:
    """Return the centres (n * n, 2) of a square's cells, and the area of a cell."""
    line = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * half - half
    return torch.cartesian_prod(line, line), (2 * half / n) ** 2


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Make a folder of these texts, without the indentation of their first line."""
    folder.mkdir()
    for name, text in files.items():
        indent = re.match(r"\n( *)", text)
        lines = text.replace(f"\n{indent[1]}", "\n") if indent else text
        (folder / name).write_text(lines)
    return folder
