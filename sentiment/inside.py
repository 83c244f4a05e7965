"""What the models look at: attention, words alone, and words that move a logit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sentiment.data import Lexicon
from sentiment.model import PAD, UNKNOWN, MyTransformer
from sentiment.nb_svm import NbSvm
from sentiment.network import NgramNetwork
from sentiment.tokens import BITS, LARGEST, Tokens, number, tokenize

SHOWN = 24  # tokens of a picture


@torch.no_grad()
def block_attention(model: MyTransformer, words: Tensor) -> np.ndarray:
    """Return what each word (T,) of a review looks at in the first block: (T, T)."""
    attention = model.blocks[0].attention
    x = model.embedding(words[None].long())
    scores = attention.w_q(x) @ attention.w_k(x).transpose(1, 2)
    return (scores / attention.input_dim**0.5).softmax(2)[0].numpy()


@torch.no_grad()
def pooling_weights(model: NgramNetwork, ids: Tensor) -> np.ndarray:
    """Return how much the pooling looks at each token of ids (3, T): (T,)."""
    model.eval()
    there = ids[:1] != PAD
    x = model.embed(ids[:, None].long())
    for block in model.blocks:
        x = block(x, there)
    return model.weights(x, there).mean(1)[0].numpy()


@torch.no_grad()
def judge(model: NgramNetwork, lexicon: Lexicon, tokens: Tokens) -> np.ndarray:
    """Return the logits (n,) of new reviews; one without a word is undecided."""
    ids = lexicon.ids(tokens).long()
    there = ids[0] != PAD
    found = model.eval()(ids, there)
    return found.where(there.any(1), 0.0).numpy()


@torch.no_grad()
def moved(
    model: NgramNetwork, lexicon: Lexicon, text: str, n: int = 5
) -> list[tuple[str, float]]:
    """Return the words of a review that move its logit most, and by how much.

    That is how much the logit falls when the word is no longer looked at.
    """
    tokens = number([text])
    ids = lexicon.ids(tokens).long()
    there = ids[0] != PAD
    length = int(there.sum())
    if length < 2:
        return []
    ids, there = ids[:, :, :length], there[:, :length]
    whole = model.eval()(ids, there)
    without = ~torch.eye(length, dtype=torch.bool)
    others = model(ids.expand(-1, length, -1), without)
    effect = (whole - others).numpy()
    names = [*lexicon.vocabulary.words]
    summed: dict[str, float] = {}
    for word, change in zip(ids[0, 0].tolist(), effect.tolist(), strict=True):
        if word > UNKNOWN:
            name = names[word - UNKNOWN - 1]
            summed[name] = summed.get(name, 0.0) + change
    return sorted(summed.items(), key=lambda pair: -abs(pair[1]))[:n]


@torch.no_grad()
def words_alone(
    model: NgramNetwork, lexicon: Lexicon, counts: np.ndarray, n: int = 12
) -> dict[str, list[tuple[str, float]]]:
    """Return the words that the network finds most for and against, each alone.

    counts: how often each word of the vocabulary is met; rare ones are left out.
    """
    words = np.flatnonzero(counts >= 50) + UNKNOWN + 1
    ids = torch.zeros(3, len(words), 1, dtype=torch.long)
    ids[0, :, 0] = torch.from_numpy(words)
    logits = model.eval()(ids, torch.ones(len(words), 1, dtype=torch.bool)).numpy()
    order = np.argsort(logits)
    names = lexicon.vocabulary.words

    def named(places: Sequence[int]) -> list[tuple[str, float]]:
        return [(names[words[i] - UNKNOWN - 1], float(logits[i])) for i in places]

    return {"praise": named(order[::-1][:n]), "blame": named(order[:n])}


def telling_ngrams(
    svm: NbSvm, lexicon: Lexicon, n: int = 12
) -> dict[str, list[tuple[str, float]]]:
    """Return the n-grams that the NB-SVM weighs most for and against."""
    effect = svm.ratios * svm.weights
    keys = np.concatenate([known.keys for known in svm.ngrams])
    order = np.argsort(effect)

    def named(places: Sequence[int]) -> list[tuple[str, float]]:
        return [(spell(int(keys[i]), lexicon), float(effect[i])) for i in places]

    return {"praise": named(order[::-1][:n]), "blame": named(order[:n])}


def spell(key: int, lexicon: Lexicon) -> str:
    """Return the words of a packed n-gram."""
    names = []
    while key:
        names.append(lexicon.vocabulary.words[key % LARGEST - UNKNOWN - 1])
        key >>= BITS
    return " ".join(reversed(names))


def short_review(texts: Sequence[str], rows: Sequence[int]) -> int:
    """Return the first of rows whose review fills a picture, and no more."""
    lengths = [len(tokenize(texts[row])) for row in rows]
    fitting = [abs(length - SHOWN) for length in lengths]
    return int(rows[int(np.argmin(fitting))])


def picture(
    assignment: MyTransformer | None, best: NgramNetwork | None, words: Tensor,
    ids: Tensor, names: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return what is looked at in one review: its first tokens, maps and weights."""
    names = list(names[:SHOWN])
    found: dict[str, Any] = {"tokens": names}
    if assignment is not None:
        seen = block_attention(assignment, words)
        n = int((words != PAD).sum())
        found["block"] = seen[: len(names), : len(names)]
        found["on_pads"] = float(seen[:n, n:].sum(1).mean())
    if best is not None:
        found["pooling"] = pooling_weights(best, ids)[: len(names)]
    return found
