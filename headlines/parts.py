"""Questions 1.1 and 1.2: what the embeddings of tokens and positions are for."""

import numpy as np
import torch
from torch import Tensor

from headlines.model import DecoderTransformer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOWELS = frozenset("aeiou")


def letter_similarity(model: DecoderTransformer) -> np.ndarray:
    """Return the cosine of each two letters' embeddings: (26, 26)."""
    weights = model.embedding.weight.detach().cpu().double()[1:27]
    weights = weights - weights.mean(0)
    unit = weights / weights.norm(dim=1, keepdim=True)
    return (unit @ unit.T).numpy()


def neighbours(similarity: np.ndarray, n: int = 3) -> dict[str, str]:
    """Return the n letters that are most like each letter."""
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)  # no letter is its own neighbour
    order = np.argsort(-others)[:, :n]
    return {
        letter: "".join(LETTERS[i] for i in row)
        for letter, row in zip(LETTERS, order, strict=True)
    }


def vowels_apart(similarity: np.ndarray) -> dict[str, float]:
    """Return the mean cosine among vowels, and between vowels and consonants."""
    vowel = np.array([letter in VOWELS for letter in LETTERS])
    among = similarity[np.ix_(vowel, vowel)][~np.eye(vowel.sum(), dtype=bool)]
    return {
        "among_vowels": float(among.mean()),
        "vowels_to_consonants": float(similarity[np.ix_(vowel, ~vowel)].mean()),
    }


def letter_map(model: DecoderTransformer) -> np.ndarray:
    """Return the letters on the two main axes of their embeddings (PCA): (26, 2)."""
    weights = model.embedding.weight.detach().cpu().double()[1:27]
    centred = weights - weights.mean(0)
    axes = torch.linalg.svd(centred)[2][:2]
    return (centred @ axes.T).numpy()


@torch.no_grad()
def effect_of_order(
    model: DecoderTransformer, tokens: Tensor, length: int, seed: int
) -> dict[str, float]:
    """Shuffle the past of lines (N, T) and see what the next prediction makes of it.

    Of each line of at least length characters, the characters before the last of the
    first length ones change their order; the mean total variation between the two
    distributions of the next one is returned: of the whole model, of the model without
    its positional embedding, and of that one's first block alone. Where every position
    sees all the past equally, order cannot matter: that holds for one block. A second
    one reads positions that had different pasts, so the causal mask itself tells order.
    """
    model.eval()
    whole = tokens[(tokens[:, 1:] != 0).sum(1) >= length, : length + 1]
    whole = whole.to(model.device)
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(len(whole), length - 1, generator=generator).argsort(1)
    order = torch.cat([torch.zeros(len(whole), 1, dtype=torch.int64), order + 1], 1)
    order = torch.cat([order, torch.full((len(whole), 1), length)], 1)
    shuffled = whole.gather(1, order.to(whole.device))

    def change() -> float:
        one, two = (
            model.transformer_forward(x)[:, -1].exp() for x in (whole, shuffled)
        )
        return (one - two).abs().sum(1).mean().item() / 2

    found = {"whole_model": change()}
    with without_positions(model):
        found["without_positions"] = change()
        with first_block_only(model):
            found["one_block_without_positions"] = change()
    return found


class without_positions:
    """For a while, a model's positional embedding is zero."""

    def __init__(self, model: DecoderTransformer) -> None:
        self.weight = model.positional_embedding.weight

    def __enter__(self) -> None:
        self.kept = self.weight.detach().clone()
        self.weight.zero_()

    def __exit__(self, *_: object) -> None:
        self.weight.copy_(self.kept)


class first_block_only:
    """For a while, a model has one block."""

    def __init__(self, model: DecoderTransformer) -> None:
        self.model, self.blocks = model, model.transformer_blocks

    def __enter__(self) -> None:
        self.model.transformer_blocks = self.blocks[:1]

    def __exit__(self, *_: object) -> None:
        self.model.transformer_blocks = self.blocks
