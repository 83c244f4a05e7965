"""What the assignment asks of the four models, in numbers and sentences."""

from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor

from headlines import parts, sampling, slicing, temperature, texts
from headlines.data import Corpus, Tokenizer
from headlines.experiment import best_nll, best_run
from headlines.likelihood import evaluate_padded, lengths, per_target
from headlines.model import DecoderTransformer
from headlines.recipes import SIZES, build_model
from headlines.runs import Run, best_model
from headlines.yardstick import Counted, measure_lines, mixture
from machinery import workers
from machinery.tables import align
from machinery.training import derive_seed

SHORT = 30  # characters of what is looked at closely
SHOWN = 64  # sampled texts, as many as the notebook shows
AT_THE_END, AT_TEMPERATURES = 1, 3  # streams of random numbers


def assess(runs: list[Run], counted: Counted) -> list[dict[str, Any]]:
    """Return what trained runs' best weights achieve on the held-out splits.

    The test set is read here for the first time.
    """
    models = [best_model(run) for run in reversed(runs)]  # the longest first
    n = workers.how_many(len(models), models[0].device)
    shared = runs[0].corpus.tokens, counted
    with workers.each(measure, shared, models, n) as found:
        measured = list(found)[::-1]
    return [
        {
            "size": run.size,
            "n_train": len(run.train_tokens),
            "n_parameters": sum(p.numel() for p in run.model.parameters()),
            "epochs": run.epoch,
            "best_epoch": run.best_epoch,
        }
        | numbers
        for run, numbers in zip(runs, measured, strict=True)
    ]


def measure(
    tokens: dict[str, Tensor], counted: Counted, model: DecoderTransformer
) -> dict[str, Any]:
    """Return a model's numbers on the validation and the test lines."""
    found: dict[str, Any] = {}
    log_probs = {}
    for split in ("validation", "test"):
        log_p, hits = per_target(model, tokens[split])
        log_probs[split] = log_p.numpy()
        characters = tokens[split][:, 1:] != 0
        top1 = (hits & characters).sum().item() / int(characters.sum())
        found[split] = measure_lines(log_probs[split], tokens[split]) | {"top1": top1}
    found["test"] |= evaluate_padded(model, tokens["test"])
    found["mixture"] = mixture(log_probs, counted, tokens["test"])
    return found


def standing(results: list[dict[str, Any]], counted: Counted, corpus: Corpus) -> dict:
    """Return the table of all models on the test set, the best by validation named."""
    test = corpus.tokens["test"]
    ngram = measure_lines(counted.log_probs["test"], test)
    ngram["validation_nll"] = measure_lines(
        counted.log_probs["validation"], corpus.tokens["validation"]
    )["nll"]
    best = min(results, key=lambda found: found["validation"]["nll"])
    return {
        "models": results,
        "ngram": ngram | {"order": counted.order, "scale": counted.scale},
        "best_size": best["size"],
        "best_beats_ngram": best["test"]["nll"] < ngram["nll"],
        "mixture_beats_both": best["mixture"]["nll"]
        < min(ngram["nll"], best["test"]["nll"]),
        "larger_is_better": is_falling([found["test"]["nll"] for found in results]),
    }


def is_falling(values: list[float]) -> bool:
    return len(values) > 1 and all(b < a for a, b in pairwise(values))


def describe_standing(found: dict) -> str:
    """Return the table, nats a text and bits a character on the test set."""
    rows = [["", "weights", "epoch", "nats a text", "bits", "top-1", "with n-gram"]]
    for m in found["models"]:
        rows.append(
            [
                f"size {m['size']}",
                f"{m['n_parameters']:,}",
                str(m["best_epoch"]),
                f"{m['test']['nll']:.2f}",
                f"{m['test']['bits']:.3f}",
                f"{m['test']['top1']:.1%}",
                f"{m['mixture']['nll']:.2f}",
            ]
        )
    ngram = found["ngram"]
    rows.append(
        [
            f"n-gram of {ngram['order'] + 1}",
            "",
            "",
            f"{ngram['nll']:.2f}",
            f"{ngram['bits']:.3f}",
            "",
            "",
        ]
    )
    return align(rows)


def correlation(run: Run) -> dict[str, float]:
    """Return Pearson's r of NLL and top-1 along a training, and of their steps.

    Both move with the epoch, so along one training they can hardly fail to agree; the
    changes from epoch to epoch say whether they move together for another reason.
    """
    nll = [row["validation_nll"] for row in run.rows]
    top1 = [row["validation_top1"] for row in run.rows]
    return {
        "r": pearson(nll, top1),
        "r_of_changes": pearson(np.diff(nll), np.diff(top1)),
        "n": len(nll),
    }


def pearson(x, y) -> float:
    """Return Pearson's r; nan where there are fewer than three pairs, or no spread."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def correlations(trained: dict[int, Run], results: list[dict]) -> dict:
    """Return r along each training, and across the models at their best epochs."""
    across = [(m["test"]["nll"], m["test"]["top1"]) for m in results]
    return {
        "along": {str(size): correlation(run) for size, run in trained.items()},
        "across": pearson(*zip(*across, strict=True)),
    }


def write_texts(run: Run) -> list[str]:
    """Return 64 texts of a run's best weights."""
    seed = derive_seed([run.config.seed, run.size, AT_THE_END])
    return texts.draw(best_model(run), SHOWN, 1.0, seed)


def look_inside(run: Run, drawn: list[str]) -> dict[str, Any]:
    """Answer question 1 on a run's best weights, and texts drawn at temperature 1.

    Arrays are for the figures.
    """
    model, corpus, seed = best_model(run), run.corpus, run.config.seed
    first = sampling.first_characters(model, drawn, corpus.texts["train"])
    similarity = parts.letter_similarity(model)
    tokens = corpus.tokens["validation"]
    line = tokens[(lengths(tokens) - SHORT).abs().argmin()]
    n_shuffled = min(20, int(lengths(tokens).max()))
    shown = line[: int((line > 0).sum()) + 1].to(model.device)
    return {
        "neighbours": parts.neighbours(similarity),
        "vowels": parts.vowels_apart(similarity),
        "map": parts.letter_map(model),
        "order": parts.effect_of_order(model, tokens, n_shuffled, seed),
        "first": first,
        "first_compared": sampling.compare(first, len(drawn)),
        "reach": slicing.gradient_reach(model, shown),
        "line": Tokenizer().decode(shown[None].cpu())[0],
    }


def leak(run: Run, epochs: int = 2) -> slicing.Leak:
    """Train the smallest size with and without the shift, on the lines' beginnings."""
    tokens = run.corpus.tokens
    train, validation = (tokens[s][:, : SHORT + 1] for s in ("train", "validation"))
    return slicing.compare_slices(
        lambda: build_model(SIZES[1], run.recipe), train, validation, epochs,
        run.config.seed,
    )  # fmt: skip


def heat(run: Run) -> dict[str, Any]:
    """Answer question 4 on a run's best weights."""
    model, corpus = best_model(run), run.corpus
    known = texts.vocabulary(corpus.texts["train"])
    seed = derive_seed([run.config.seed, AT_TEMPERATURES])
    rows, drawn = temperature.drawn_at(model, run.config.n_evaluated, known, seed)
    steps = sorted({*temperature.GRID, *temperature.TEMPERATURES})
    curve = temperature.distributions(model, corpus.tokens["validation"], steps)
    return {"curve": curve, "drawn": rows, "texts": drawn}


def compare_few(trained: dict[int, Run], few: Run, drawn: list[str]) -> dict[str, Any]:
    """Compare the best run, and texts that it has drawn, with that on fewer texts."""
    best = best_run(trained)
    known = texts.vocabulary(best.corpus.texts["train"])
    on_few = texts.draw(best_model(few), len(drawn), 1.0, best.config.seed)
    measured = {
        "all": texts.measure(drawn, known),
        "few": texts.measure(on_few, known),
    }
    train_loss = {"all": best.rows[-1], "few": few.rows[-1]}
    return {
        "n_few": len(few.train_tokens),
        "validation_nll": {"all": best_nll(best), "few": best_nll(few)},
        "train_loss": {name: row["train_loss"] for name, row in train_loss.items()},
        "texts": measured,
    }
