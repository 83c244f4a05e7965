"""Continuations of a prompt, and sentences out of them."""

import codecs
import re
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gpt2.config import Config
from gpt2.horizon import generate_ahead
from gpt2.tokens import BytePairs
from transformer import GPT, generate

MOST_TOKENS = 60  # of a sentence
# a full stop, question or exclamation mark, what closes a quotation, then a space
SENTENCE_END = re.compile(r"""[.?!]+["'”’)\]]*(?=\s|$)""")
ABBREVIATIONS = {
    "mr", "mrs", "ms", "dr", "st", "vs", "etc", "jr", "sr", "prof", "rev", "gen", "col",
    "capt", "lt", "sgt", "no", "vol", "ed", "u.s", "u.k", "e.g", "i.e", "a.m", "p.m",
}  # fmt: skip


def first_sentence(text: str) -> str | None:
    """Return a text up to the end of its first sentence; None where it has no end.

    A full stop after an abbreviation, an initial or within a number ends none.
    """
    for found in SENTENCE_END.finditer(text):
        words = text[: found.start()].split()
        word = words[-1].strip("\"'“‘([").lower() if words else ""
        initial = len(word) == 1 and word.isalpha() and word != "i"
        if found.group().startswith(".") and (word in ABBREVIATIONS or initial):
            continue
        return text[: found.end()].strip()
    return None


@torch.no_grad()
def sentences(
    model: GPT, pairs: BytePairs, prefix: str, n: int, top_k: int | None, seed: int
) -> list[str]:
    """Return n sentences that begin with prefix; one without an end ends in …."""
    ids = pairs.encode_prompt(prefix)
    idx = torch.tensor([ids], device=model.wte.weight.device).repeat(n, 1)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack(
        list(generate(model, idx, MOST_TOKENS, 1.0, top_k, None, generator)), dim=1
    )
    found = []
    for row in drawn.tolist():
        if pairs.end in row:
            row = row[: row.index(pairs.end)]
        text = prefix + pairs.decode(row)
        found.append(first_sentence(text) or " ".join(text.split()) + " …")
    return found


def continuation(model: GPT, idx: Tensor, config: Config, seed: int) -> Iterator[int]:
    """Continue idx (T,) as the options say; yield each token."""
    generator = torch.Generator().manual_seed(seed)
    if config.horizon > 1:
        yield from generate_ahead(
            model, idx, config.length, config.temperature, config.horizon,
            config.top_k, config.blocks, generator,
        )  # fmt: skip
        return
    for token in generate(
        model, idx[None], config.length, config.temperature, config.top_k,
        config.top_p, generator,
    ):  # fmt: skip
        yield int(token)


def stream(tokens: Iterator[int], pairs: BytePairs, show: Callable[[str], None]) -> str:
    """Show the text of tokens as they come, up to an end of text; return it.

    A letter may have several tokens: it is shown when it is whole.
    """
    decoder, text = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for token in tokens:
        if token == pairs.end:
            break
        piece = decoder.decode(pairs.bytes_of([token]))
        show(piece)
        text += piece
    rest = decoder.decode(b"", final=True)
    show(rest)
    return text + rest
