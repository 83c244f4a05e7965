"""Tiny Shakespeare as the exercise's two files.

python -m gpt.data        # writes the two files into data/
"""

from pathlib import Path

from dataset import DATA_DIR
from gpt import tiny_shakespeare
from machinery.files import write_atomic

SHAKESPEARE = ("train_shakespeare.txt", "test_shakespeare.txt")


def shakespeare_files(data_dir: str | Path | None = None) -> tuple[Path, Path]:
    """Return the paths of the training and the test text.

    The built-in folder is filled at first use, and again when its files have changed; a
    folder of one's own is used as it is.
    """
    if data_dir is not None:
        train, test = (Path(data_dir) / name for name in SHAKESPEARE)
        return train, test
    paths = train, test = tuple(DATA_DIR / name for name in SHAKESPEARE)
    if not all(path.exists() for path in paths) or not tiny_shakespeare.is_split(
        train.read_bytes(), test.read_bytes()
    ):
        texts = tiny_shakespeare.split(tiny_shakespeare.tiny_shakespeare())
        for path, text in zip(paths, texts, strict=True):
            write_atomic(path, text.encode())
    return train, test


if __name__ == "__main__":
    print("wrote", *shakespeare_files(), sep="\n  ")
