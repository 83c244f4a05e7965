"""Small data files, and functions that a solution may offer to standardise."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from grading.loader import Blame, NotOffered, Solution, tensor

TEXT = "to be, or not to be: that is the question\nwhether 'tis nobler\n" * 3


def europe_file(path: Path) -> str:
    """Write four places in the course's format."""
    path.write_text(
        ",long,lat,country\n0,-8.5,41.25,2\n1,24.0,60.5,7\n2,10.125,45.0,1\n"
        "3,11.0,46.0,1\n"
    )
    return str(path)


def handler(solution: Solution, folder: Path) -> tuple[Any, str]:
    """A DataHandler of a short text with windows of 8, and the text."""
    for name, text in (("train.txt", TEXT), ("test.txt", TEXT[:90])):
        (folder / name).write_text(text)
    cls = solution.get("dataset.py", "DataHandler")
    return cls(str(folder / "train.txt"), str(folder / "test.txt"), 8), TEXT


def check_windows(dataset: Any, ids: Tensor, block_size: int) -> None:
    """Blame windows that are not followed by themselves, one character later."""
    if not 0 < len(dataset) <= len(ids) - block_size:
        raise Blame(
            f"the training set has {len(dataset)} windows, {len(ids)} characters and "
            f"block_size {block_size} give {len(ids) - block_size}"
        )
    for i in (0, 1, len(dataset) - 1):
        x, y = (tensor(part, "the data set").long() for part in dataset[i])
        if x.shape != (block_size,) or y.shape != (block_size,):
            raise Blame(
                f"a window has the shapes {tuple(x.shape)} and {tuple(y.shape)}, with "
                f"block_size {block_size} both should be ({block_size},)"
            )
        if torch.equal(x, y):
            raise Blame("the targets are the inputs, they must be one character later")
        if not torch.equal(x[1:], y[:-1]):
            raise Blame("the targets are not the inputs one character later")


def split() -> tuple[Tensor, Tensor]:
    """Two sets of places whose means and standard deviations differ."""
    generator = torch.Generator().manual_seed(1)
    train = torch.randn(400, 2, generator=generator) * 8 + torch.tensor([15.0, 50.0])
    test = torch.randn(90, 2, generator=generator) * 4 + torch.tensor([25.0, 44.0])
    return train, test


def standardised_test_set(offer: Callable) -> Tensor | None:
    """What an offered function or class makes of the test set, or None."""
    train, test = split()
    if inspect.isclass(offer):
        fit = getattr(offer, "of", None) or getattr(offer, "fit", None)
        apply = getattr(offer, "apply", None) or getattr(offer, "transform", None)
        if fit is None or apply is None:
            return None
        if fit.__name__ == "of":
            return offer.of(train).apply(test)
        scaler = offer()
        scaler.fit(train)
        return scaler.transform(test)
    names = list(inspect.signature(offer).parameters)
    if len(names) < 2 or "train" not in names[0] or "test" not in names[1]:
        return None
    try:
        result = offer(train, test)
    except Exception:  # made for data sets, not for tensors
        sets = [SimpleNamespace(features=x.clone()) for x in (train, test)]
        result = offer(*sets)
        result = result if result is not None else sets
    parts = [getattr(part, "features", part) for part in result]
    return next((p for p in parts if getattr(p, "shape", None) == test.shape), None)


def check_standardization(solution: Solution, remark: Callable, files: tuple) -> None:
    """Blame a test set that is standardised by its own mean."""
    judged = False
    for offer in solution.functions(r"standardi[sz]|normali[sz]|scale", files):
        found = standardised_test_set(offer)
        if found is None:
            continue
        judged = True
        found = torch.as_tensor(found).detach().float()
        train, test = split()
        wanted = (test - train.mean(0)) / train.std(0)
        if (found - wanted).abs().max() < 0.02:
            continue
        if found.mean(0).abs().max() < 0.02:
            raise Blame(
                f"{offer.__name__} standardises the test set by itself: its mean "
                f"becomes {found[:, 0].mean().abs():.2f}, with the training set's mean "
                f"and standard deviation it is {wanted[:, 0].mean():.2f}"
            )
        raise Blame(
            f"{offer.__name__} gives the test set a mean of {found[:, 0].mean():.2f}, "
            "with the training set's mean and standard deviation it is "
            f"{wanted[:, 0].mean():.2f}"
        )
    remark_on_calls(solution, remark)
    if not judged:
        raise NotOffered("no function that takes the training and the test set")


def remark_on_calls(solution: Solution, remark: Callable) -> None:
    """Note where a file hands nothing but a test set to such a function."""
    if not solution.has("mixture_models.py"):
        return
    for line, names in solution.calls(
        "mixture_models.py", r"normali[sz]|standardi[sz]"
    ):
        text = " ".join(sorted(names))
        if "test" in text and "train" not in text:
            remark(
                f"mixture_models.py line {line} standardises the test set by itself: "
                "take the training set's mean and standard deviation"
            )
