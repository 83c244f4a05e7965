"""Two texts as windows of characters; Tiny Shakespeare as the exercise's two files.

python -m gpt.data        # writes the two files into data/
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dataset import DATA_DIR, DataHandler, ShakespeareDataset, Vocabulary
from gpt.config import Config
from machinery import tiny_shakespeare
from machinery.files import write_atomic

SHAKESPEARE = ("train_shakespeare.txt", "test_shakespeare.txt")


@dataclass(frozen=True)
class Corpus:
    """Both splits as windows, and the fixed windows (M, block_size + 1) of each."""

    handler: DataHandler
    train: ShakespeareDataset
    test: ShakespeareDataset
    fixed: dict[str, Tensor]

    @property
    def vocabulary(self) -> Vocabulary:
        return self.handler.vocabulary

    @property
    def preprocessing(self) -> dict[str, str]:
        """What a saved model needs to read text as this corpus does."""
        return {"vocabulary": self.vocabulary.characters}

    @property
    def digest(self) -> str:
        """SHA-256 of the two texts, which a checkpoint remembers."""
        both = "\0".join(self.handler.text.values())
        return hashlib.sha256(both.encode()).hexdigest()


def load_corpus(config: Config) -> Corpus:
    """Read and check both splits; BadInput for a text that cannot be used."""
    if config.train_text:
        files = config.train_text, config.test_text
    else:
        files = shakespeare_files(config.data_dir)
    handler = DataHandler(*files, config.block_size)
    train, test = handler.get_dataset("train"), handler.get_dataset("test")
    handler.encoder(config.prompt)  # refuse an unknown character before any training
    generator = torch.Generator().manual_seed(config.seed)
    fixed = {}
    for split, data in (("train", train), ("test", test)):
        order = torch.randperm(len(data), generator=generator)
        fixed[split] = data.windows(order[: config.test_windows])
    return Corpus(handler, train, test, fixed)


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
