"""The answers as plain numbers, and the sentences that they decide."""

from dataclasses import asdict
from typing import Any

import numpy as np

from headlines.data import Corpus
from headlines.recipes import SIZES
from headlines.slicing import Leak


def summarize(
    corpus: Corpus, found: dict, r: dict, inside: dict, leak: Leak, heat: dict,
    few: dict, few_compared: dict, drawn: dict[str, list[str]],
) -> dict[str, Any]:  # fmt: skip
    """Return the numbers of summary.json; its arrays are in the figures alone."""
    numbers = ("neighbours", "vowels", "order", "first_compared")
    return {
        "units": "nll in nats a text, its end pad included; bits of it a character",
        "seeds": "one run of each size",
        "texts": list(corpus.notes),
        "sizes": {str(n): asdict(SIZES[n]) for n in SIZES},
        **found,
        "correlation": r,
        "question_1": {name: inside[name] for name in numbers} | {"leak": asdict(leak)},
        "few_texts": few | few_compared,
        "temperature": {name: heat[name] for name in ("curve", "drawn")},
        "verdicts": verdicts(found, few_compared, heat),
        "samples": {name: some[:8] for name, some in drawn.items()},
    }


def verdicts(found: dict, few: dict, heat: dict) -> list[str]:
    """Say what the numbers decide, whichever way they fall."""
    models, ngram = found["models"], found["ngram"]["nll"]
    best = next(m for m in models if m["size"] == found["best_size"])
    order = " < ".join(
        f"size {m['size']} ({m['test']['nll']:.1f})"
        for m in sorted(models, key=lambda m: m["test"]["nll"])
    )
    uniform_share = entropy_at_one(heat) / np.log2(29)
    nll = few["validation_nll"]
    lines = [
        f"Test NLL in nats a text: {order}; counting reaches {ngram:.1f}.",
        f"The best transformer, size {best['size']}, is "
        + ("below" if found["best_beats_ngram"] else "above")
        + f" the n-gram by {abs(best['test']['nll'] - ngram):.1f} nats a text; mixed "
        f"with it, {best['mixture']['nll']:.1f}.",
        f"On {few['n_few']:,} texts instead of "
        f"{best['n_train']:,} the same size ends at {nll['few']:.1f} instead of "
        f"{nll['all']:.1f} nats on validation.",
        f"At temperature 1 the next character has {entropy_at_one(heat):.2f} bits, "
        f"{uniform_share:.0%} of a uniform one's: "
        + ("far from" if uniform_share < 0.7 else "not far from")
        + " uniform.",
    ]
    return lines


def entropy_at_one(heat: dict) -> float:
    curve = heat["curve"]
    return curve["entropy"][curve["temperature"].index(1.0)]
