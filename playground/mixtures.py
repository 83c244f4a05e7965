"""The mixtures for the page: every epoch's components, places, coasts, densities.

E epochs, K components; a component is five numbers: logit, where (2), how large (2).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from machinery import checkpoint
from machinery.errors import BadInput
from mixture_models import GMM, OUTSIDE, UMM, MixtureModel
from mixtures import soft_umm
from mixtures.data import Places, load_outlines, load_places
from mixtures.maps import Region
from mixtures.runs import MODELS
from playground.pack import Pack, rounded_model

PARAMETERS = {
    "gmm": ("logits", "means", "log_variances"),
    "umm": ("logits", "centers", "log_sizes"),
}
MIXTURES = {"gmm": GMM, "umm": UMM}
N_PLACES = 2000  # of the test set, whose log-likelihood follows a dragged component
CHECKED = [[0.0, 0.0], [0.5, -1.0], [-1.2, 0.4], [1.5, 1.5], [-0.3, 0.9], [9.0, -9.0]]
BREAK = -(2**15)  # between two lines of the coasts
PER_DEGREE = 100


def collect(folders: list[Path]) -> Pack:
    """Return what the page needs of folders of train_gmm.py and train_umm.py.

    Raise CheckpointError for files that are damaged.
    """
    contents = [
        checkpoint.read(f / "snapshots.pt", also={"snapshots": list}) for f in folders
    ]
    pack = Pack({"runs": []})
    for folder, content in zip(folders, contents, strict=True):
        kind, path = content["kind"], folder / "snapshots.pt"
        checkpoint.check_kind(content, "mixture", MODELS, path)
        fields = {"n_components": int, "start": str}
        check_snapshots(content["snapshots"], kind, fields, path)
        for key, snapshots in by_training(content["snapshots"]).items():
            add_run(pack, kind, *key, snapshots)
        soft = folder / "annealed_model.pt"
        if kind == "umm" and soft.exists():
            add_soft(pack, soft)
    data_dirs = {content["config"]["data_dir"] for content in contents}
    if len(data_dirs) > 1:
        raise BadInput(f"the mixtures were trained on different places: {data_dirs}")
    add_geography(pack, load_places(data_dirs.pop(), torch.device("cpu")))
    return pack


def check_snapshots(
    snapshots: Any, kind: str, fields: dict[str, type], path: Path
) -> None:
    """Raise CheckpointError for what are no epochs of a mixture with these fields."""
    fields = {"epoch": int, "state_dict": dict} | fields
    for found in snapshots if isinstance(snapshots, list) and snapshots else [None]:
        if not isinstance(found, dict) or not all(
            isinstance(found.get(name), kept) for name, kept in fields.items()
        ):
            raise checkpoint.CheckpointError(f"{path} holds no epochs of a mixture")
        state = checkpoint.shapes(found["state_dict"])
        n = state.get("logits", ())[:1]  # what is there, not the number that it names
        if n in ((), (0,)) or found.get("n_components", *n) != n[0]:
            raise checkpoint.CheckpointError(f"{path}: K is not the length of logits")
        expected = checkpoint.shapes(MIXTURES[kind](*n).state_dict())
        checkpoint.compare_shapes(expected, state, path)


def by_training(snapshots: list[dict]) -> dict[tuple[int, str], list[dict]]:
    """Return the snapshots of each (K, start), in the order of their epochs."""
    found: dict[tuple[int, str], list[dict]] = {}
    for snapshot in snapshots:
        key = snapshot["n_components"], snapshot["start"]
        found.setdefault(key, []).append(snapshot)
    return found


def add_soft(pack: Pack, path: Path) -> None:
    """Add the boxes with soft edges, where their epochs were kept."""
    content = checkpoint.read(path)
    checkpoint.check_kind(content, "mixture with soft edges", ["umm"], path)
    if "snapshots" not in content:
        return
    snapshots = content["snapshots"]
    check_snapshots(snapshots, "umm", {"temperature": float}, path)
    n_components = len(snapshots[0]["state_dict"]["logits"])
    temperatures = [s["temperature"] for s in snapshots]
    add_run(pack, "soft", n_components, "clusters", snapshots, temperatures)


def add_run(
    pack: Pack, kind: str, n_components: int, start: str, snapshots: list[dict],
    temperatures: list[float] | None = None,
) -> None:  # fmt: skip
    """Add one training: its epochs' components, and log-densities to compare."""
    model = MIXTURES.get(kind, UMM)(n_components)
    states = [snapshot["state_dict"] for snapshot in snapshots]
    about: dict[str, Any] = {
        "kind": kind, "n_components": n_components, "start": start,
        "epochs": [snapshot["epoch"] for snapshot in snapshots],
    }  # fmt: skip
    if temperatures:
        about["temperatures"] = temperatures
    name = f"{kind}.{n_components}.{start}"
    pack.meta["runs"].append(about)
    pack.add(name, "f2", torch.stack([stack(state, kind) for state in states]))
    softness = temperatures or [None] * len(states)
    expected = [
        log_density(rounded_model(model, state), t)
        for state, t in zip(states, softness, strict=True)
    ]
    pack.add(f"{name}.check", "f8", torch.stack(expected))  # (E, points)


def stack(state: dict[str, Tensor], kind: str) -> Tensor:
    """Return a mixture's parameters side by side, (K, 5)."""
    names = PARAMETERS.get(kind, PARAMETERS["umm"])
    logits, where, size = (state[name] for name in names)
    return torch.cat([logits[:, None], where, size], dim=1)


@torch.no_grad()
def log_density(model: MixtureModel, temperature: float | None) -> Tensor:
    """Return log p (points,) of the points checked; soft boxes have a temperature."""
    x = torch.tensor(CHECKED, dtype=torch.float64)
    if temperature is None:
        return model(x)
    return soft_umm.soft_joint_log_prob(model, x, temperature).logsumexp(1)


def add_geography(pack: Pack, places: Places) -> None:
    """Add the part of the world that is shown, coasts, and some places of the test."""
    region = Region.around(places.in_degrees(places.train), load_outlines())
    box = [region.west, region.south, region.east, region.north]
    scale = places.standardization
    pack.meta |= {
        "region": box,
        "mean": scale.mean.tolist(),
        "std": scale.std.tolist(),
        "outside": OUTSIDE,
        "floor": soft_umm.FLOOR,
        "check": CHECKED,
    }
    order = torch.randperm(len(places.test), generator=torch.Generator().manual_seed(0))
    pack.add("places", "f2", places.test[order[:N_PLACES]])
    pack.add("outlines", "i2", shown_outlines(region))


def shown_outlines(region: Region) -> np.ndarray:
    """Return the coasts within reach of a region, (P, 2), in hundredths of a degree."""
    lines = region.outlines
    west, south, east, north = region.west, region.south, region.east, region.north
    margin = [20, 10]  # degrees: a line that leaves the region goes on to its edge
    low, high = np.array([west, south]) - margin, np.array([east, north]) + margin
    near = ((lines > low) & (lines < high)).all(1)
    whole = np.where(near[:, None], np.round(lines * PER_DEGREE), BREAK)
    repeated = np.r_[False, ~near[1:] & ~near[:-1]]
    return whole[~repeated]
