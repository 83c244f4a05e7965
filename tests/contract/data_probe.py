"""Small data files, and functions that a solution may offer to standardise."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, NotOffered, tensor
from grading.loader import Solution

TEXT = "to be, or not to be: that is the question\nwhether 'tis nobler\n" * 3
PLACES = torch.tensor([[-8.5, 41.25], [24.0, 60.5], [10.125, 45.0], [11.0, 46.0]])
COUNTRIES = torch.tensor([2, 7, 1, 1])


def europe_dataset(
    solution: Solution, path: Path, features: Tensor, labels: Tensor
) -> Any:
    """An EuropeDataset of a file in the course's format with these places."""
    rows = zip(features.tolist(), labels.tolist(), strict=True)
    lines = [f"{i},{x},{y},{label}\n" for i, ((x, y), label) in enumerate(rows)]
    path.write_text(",long,lat,country\n" + "".join(lines))
    cls = solution.get("dataset.py", "EuropeDataset")
    if extra := further_parameters(cls, required=True):
        raise NotOffered(f"EuropeDataset needs {', '.join(extra)} beside the file")
    return cls(str(path))


def further_parameters(cls: type, required: bool = False) -> list[str]:
    """The constructor's parameters after the file."""
    return [
        p.name
        for p in list(inspect.signature(cls).parameters.values())[1:]
        if not required or (p.default is p.empty and p.kind not in (2, 4))
    ]


def places_of(dataset: Any) -> tuple[Tensor, Tensor]:
    """The features (N, 2) and labels (N,) of a dataset's items."""
    items = [dataset[i] for i in range(len(dataset))]
    pairs = [list(x.values()) if isinstance(x, dict) else list(x) for x in items]
    features = torch.stack([tensor(pair[0], "EuropeDataset[i]") for pair in pairs])
    labels = torch.stack([tensor(pair[1], "EuropeDataset[i]") for pair in pairs])
    return features, labels.reshape(-1)


def scaling(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
    """a (2,) and b (2,) with y = a x + b and a > 0, for (N, 2); None without any."""
    if x.shape != y.shape:
        return None
    x, y = x.double(), y.double()
    spread = x - x.mean(0)
    a = (spread * y).sum(0) / spread.square().sum(0)
    b = y.mean(0) - a * x.mean(0)
    close = (a * x + b - y).abs().amax(0) < 1e-4 * y.std(0)
    return (a, b) if (close & (a > 0)).all() else None


def shown(numbers: Tensor) -> str:
    return f"[{', '.join(f'{x:g}' for x in numbers.reshape(-1).tolist())}]"


def check_places(solution: Solution, path: Path, remark: Callable) -> None:
    """Blame places that are read wrongly; to standardise them is no mistake."""
    dataset = europe_dataset(solution, path, PLACES, COUNTRIES)
    if len(dataset) != len(PLACES):
        raise Blame(f"len(EuropeDataset) is {len(dataset)} for a file with 4 places")
    features, labels = places_of(dataset)
    if scaling(PLACES.flip(1), features):
        raise Blame("the features are (lat, long), they should be (long, lat)")
    standardised = scaling(PLACES, features)
    for i, (place, country) in enumerate(zip(PLACES, COUNTRIES, strict=True)):
        right = standardised or features[i].tolist() == place.tolist()
        if not right or labels[i] != country:
            raise Blame(
                f"place {i} is read as {shown(features[i])} of country {labels[i]:g}, "
                f"the file has {shown(place)} of country {country}"
            )
    if not torch.equal(features, PLACES):
        remark("the places are standardised inside the dataset")


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
        if inspect.ismethod(fit):  # of the class: it makes the scaler
            return apply(fit(train), test)
        scaler = offer()
        fit(scaler, train)
        return apply(scaler, test)
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


def check_split(name: str, found: Tensor, wanted: Tensor) -> None:
    """Blame a test set (N, 2) that is not standardised as the training set is."""
    if (found - wanted).abs().max() < 0.02:
        return
    right = f"{wanted[:, 0].mean():.2f}"
    if found.mean(0).abs().max() < 0.02:
        raise Blame(
            f"{name} standardises the test set by itself: its mean becomes "
            f"{found[:, 0].mean().abs():.2f}, with the training set's mean and "
            f"standard deviation it is {right}"
        )
    raise Blame(
        f"{name} gives the test set a mean of {found[:, 0].mean():.2f}, treated as "
        f"the training set it has {right}"
    )


STATISTICS = r"mean|std|mu$|sigma|stat"


def may_be_told(cls: type) -> bool:
    """Whether a data set could take the statistics from outside."""
    return bool(further_parameters(cls)) or any(
        re.search(STATISTICS, name, re.I)
        for name, value in vars(cls).items()
        if not name.startswith("__") and not callable(value)
    )


def files_as_read(solution: Solution, folder: Path) -> list[Tensor]:
    """What EuropeDataset makes of a training and of a test file, (N, 2) each."""
    found = []
    for name, places in zip(("train", "test"), split(), strict=True):
        countries = torch.arange(len(places)) % 3
        file = folder / f"{name}.csv"
        found.append(places_of(europe_dataset(solution, file, places, countries))[0])
    return found


def check_inside_dataset(solution: Solution, folder: Path, remark: Callable) -> bool:
    """Blame EuropeDataset where it standardises a test file by itself.

    Return whether it standardises at all. Where the statistics may come from outside,
    nothing is certain, and there is a remark instead.
    """
    train, test = split()
    try:
        found_train, found_test = files_as_read(solution, folder)
    except Exception:  # other questions are about that
        return False
    line = scaling(train, found_train)
    if line is None or found_test.shape != test.shape:
        return False
    if torch.allclose(train, found_train, atol=1e-3):
        return False
    try:
        check_split("EuropeDataset", found_test, line[0] * test + line[1])
    except Blame as blame:
        if not may_be_told(solution.get("dataset.py", "EuropeDataset")):
            raise
        remark(f"{blame}; see that it is given those")
    return True


def check_standardization(
    solution: Solution, folder: Path, remark: Callable, files: tuple
) -> None:
    """Blame a test set that is standardised by its own mean."""
    judged = check_inside_dataset(solution, folder, remark)
    for offer in solution.functions(r"standardi[sz]|normali[sz]|scale", files):
        found = standardised_test_set(offer)
        if found is None:
            continue
        judged = True
        found = torch.as_tensor(found).detach().float()
        train, test = split()
        check_split(offer.__name__, found, (test - train.mean(0)) / train.std(0))
    remark_on_calls(solution, remark)
    if not judged:
        raise NotOffered("no function that takes the training and the test set")


def remark_on_calls(solution: Solution, remark: Callable) -> None:
    """Note where a file hands nothing but a test set to such a function."""
    if not solution.has("mixture_models.py"):
        return
    for where, names in solution.calls(
        "mixture_models.py", r"normali[sz]|standardi[sz]"
    ):
        text = " ".join(sorted(names))
        if "test" in text and "train" not in text:
            remark(
                f"{where} standardises the test set by itself: "
                "take the training set's mean and standard deviation"
            )
