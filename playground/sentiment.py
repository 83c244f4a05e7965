"""The assignment's classifier of reviews for the page: words in int8, and logits."""

from pathlib import Path

import torch
from torch import Tensor

from machinery import checkpoint
from machinery.errors import BadInput
from playground.pack import Pack, quantize, rounded
from sentiment import inside, runs
from sentiment.model import PAD, UNKNOWN, MyTransformer
from sentiment.tokens import Vocabulary, number

N_WORDS = 20_000  # numbered as the reviews use them, so that common ones come first
TABLE = "embedding.weight"
REVIEWS = (
    "A wonderful, moving film: the acting is superb and I loved every minute.",
    "What a boring mess. The plot makes no sense, and the actors don't even try!",
    "It's not bad, but I would not watch it again...",
)  # of the check, and to begin with


def collect(path: Path) -> Pack:
    """Return what the page needs of a model of train_sentiment.py.

    Raise CheckpointError for a file that is damaged, OSError where there is none,
    BadInput for a model that is not the assignment's.
    """
    content = checkpoint.read(path)
    checkpoint.check_kind(content, "model of train_sentiment.py", [runs.KIND], path)
    model = checkpoint.restore(content, runs.rebuild, path)
    if not isinstance(model, MyTransformer) or model.blocks[0].attention is None:
        raise BadInput(f"{path} is not the assignment's model with attention")
    words = content["preprocessing"]["words"].split("\n")[:N_WORDS]
    state = dict(content["state_dict"])
    whole, scale = quantize(state.pop(TABLE)[: len(words) + UNKNOWN + 1])

    about = {"words": words, "reviews": REVIEWS, "max_len": model.max_len}
    tokens = [encode(review, words, model.max_len) for review in REVIEWS]
    pack = Pack(about | {"check": tokens})
    pack.add("embedding.int8", "i1", whole)
    pack.add("embedding.scale", "f2", scale)
    pack.add_state("", state)
    table = whole.double() * scale.double()[:, None]
    model = rounded_model(model, table, state)
    with torch.no_grad():
        rows = [padded(ids, model.max_len) for ids in tokens]
        pack.add("check.logits", "f8", model(torch.stack(rows)))  # (R,)
        n = len(tokens[0])
        seen = inside.block_attention(model, rows[0])[:n, :n]
    pack.add("check.attention", "f8", seen)  # of the first review
    return pack


def rounded_model(
    model: MyTransformer, table: Tensor, state: dict[str, Tensor]
) -> MyTransformer:
    """Return the model in double precision as the page has it, with its words only."""
    model = model.double().eval()
    model.embedding = torch.nn.Embedding.from_pretrained(table, padding_idx=PAD)
    model.load_state_dict(rounded(state) | {TABLE: table})
    return model


def encode(review: str, words: list[str], max_len: int) -> list[int]:
    """Return the numbers of a review's first words."""
    return Vocabulary(words).encode(number([review])).tolist()[:max_len]


def padded(ids: list[int], max_len: int) -> Tensor:
    return torch.tensor(ids + [PAD] * (max_len - len(ids)))
