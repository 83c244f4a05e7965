"""Models to bytes and back: weights-only files that are checked before they are used.

model.pt holds {format, kind, config, state_dict, preprocessing}: plain builtins and
tensors, so that loading one never runs code from the file. kind names the model (gmm,
umm, gpt, fast_gpt): whose weights they are is asked before they are loaded.
"""

import io
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from machinery.errors import BadInput

FORMAT = 2  # 1 had no kind
# what a file that is no checkpoint has been seen to raise on its way through torch.load
UNREADABLE = (
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    RuntimeError,  # and NotImplementedError
    LookupError,
    ValueError,  # and UnicodeDecodeError
    OverflowError,
    TypeError,
    AttributeError,
    struct.error,
)
PARTS = {
    "format": int,
    "kind": str,
    "config": dict,
    "state_dict": dict,
    "preprocessing": dict,
}


class CheckpointError(BadInput):
    """A file is not a whole, unchanged checkpoint, or not one of the model wanted."""


def dump(
    kind: str,
    state_dict: dict[str, Any],
    config: dict[str, Any],
    preprocessing: dict[str, Any],
    **more: Any,
) -> bytes:
    """Return the bytes of a checkpoint: write them with files.write_atomic."""
    buffer = io.BytesIO()
    content = {
        "format": FORMAT,
        "kind": kind,
        "config": config,
        "state_dict": {k: v.detach().cpu().clone() for k, v in state_dict.items()},
        "preprocessing": preprocessing,
    }
    torch.save(content | more, buffer)
    return buffer.getvalue()


def read(path: str | Path, also: dict[str, type] | None = None) -> dict[str, Any]:
    """Return the content of a checkpoint; raise CheckpointError for anything else.

    also names further parts that it must have, with their types.
    """
    path = Path(path)
    try:
        check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except CheckpointError:
        raise
    except UNREADABLE as error:
        raise CheckpointError(
            f"{path} is not a whole, safe checkpoint: {first_line(error)}"
        ) from error
    check_parts(content, also or {}, path)
    return content


def first_line(error: Exception) -> str:
    """Return an error's message without the stack that PyTorch may add to it."""
    return str(error).partition("\n")[0] or type(error).__name__


def check_parts(content: Any, also: dict[str, type], path: Path) -> None:
    """Raise CheckpointError unless content has this format and parts of such types."""
    found = content if isinstance(content, dict) else {}
    number = found.get("format")
    if isinstance(number, int) and number != FORMAT:
        raise CheckpointError(
            f"{path} has format {number}; this program reads {FORMAT}: train it again"
        )
    parts = PARTS | also
    missing = parts.keys() - found.keys()
    if missing:
        raise CheckpointError(
            f"{path} is no checkpoint{' to resume' * bool(also)}: "
            f"it lacks {', '.join(sorted(missing))}"
        )
    right = all(isinstance(found[name], part) for name, part in parts.items())
    if not right or not is_plain(found):
        raise CheckpointError(f"{path} is no checkpoint: its parts have wrong types")


def is_plain(content: dict[str, Any]) -> bool:
    """Whether dicts have names as keys, the weights are tensors, the kind a word."""
    dicts = [content[key] for key in ("config", "state_dict", "preprocessing")]
    return (
        content["kind"].isidentifier()
        and all(isinstance(name, str) for part in dicts for name in part)
        and all(isinstance(p, torch.Tensor) for p in content["state_dict"].values())
    )


def check_kind(
    content: dict[str, Any], wanted: str, kinds: Iterable[str], path: str | Path
) -> None:
    """Raise CheckpointError unless a checkpoint is of one of these kinds of wanted."""
    if content["kind"] not in kinds:
        raise CheckpointError(
            f"{path} holds a {content['kind']}, not a {wanted} ({' or '.join(kinds)})"
        )


def check_layers(content: dict[str, Any], name: str, path: str | Path) -> None:
    """Raise CheckpointError unless a checkpoint has config's n_layer layers name.0, ...

    To be asked before restore: each layer takes time to build, even without memory.
    """
    parts = [key.split(".") for key in content["state_dict"]]
    layers = {part[1] for part in parts if part[0] == name and len(part) > 1}
    if content["config"].get("n_layer") != len(layers):
        raise CheckpointError(
            f"{path} has {len(layers)} layers of a {content['kind']}; "
            f"its config asks for {content['config'].get('n_layer')}"
        )


def check_archive(path: Path) -> None:
    """Raise CheckpointError where a zip archive is not as torch.save writes it.

    PyTorch verifies none of this: not the size, not the checksums, not that a record is
    a file (of a folder it would read uninitialised memory), not that it is not packed.
    """
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if record.compress_type or record.external_attr or record.is_dir():
                raise CheckpointError(
                    f"{path} is damaged: {record.filename} is no file"
                )
        size, memory = path.stat().st_size, memory_size()
        if size > memory:
            raise CheckpointError(
                f"{path} has {size / 1e9:.0f} GB; "
                f"this machine has {memory / 1e9:.0f} GB of memory"
            )
        damaged = archive.testzip()
        if damaged:
            raise CheckpointError(f"{path} is damaged: checksum mismatch in {damaged}")


def memory_size() -> float:
    """Return this machine's memory in bytes; infinity where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def restore(
    content: dict[str, Any], build: Callable[[dict, dict], nn.Module], path: str | Path
) -> nn.Module:
    """Return build(config, preprocessing) with the checkpoint's weights.

    The model is built without memory and its names and shapes compared first, so that a
    false config cannot make this process allocate anything.
    """
    try:
        with torch.device("meta"):
            model = build(content["config"], content["preprocessing"])
        found = shapes(content["state_dict"])
        whole = all(p.is_contiguous() for p in content["state_dict"].values())
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} holds no such model: {type(error).__name__}: {first_line(error)}"
        ) from error
    compare_shapes(shapes(model.state_dict()), found, path)
    if not all(p.isfinite().all() for p in content["state_dict"].values()):
        raise CheckpointError(f"{path} holds weights that are not finite")
    # a tensor may claim a shape that its few bytes do not fill
    if not whole:
        raise CheckpointError(f"{path} is damaged: a tensor is smaller than its shape")
    # built once more, now that its size is known to be that of what was read: weights
    # that are tied stay tied
    model = build(content["config"], content["preprocessing"])
    model.load_state_dict(content["state_dict"])
    return model


def shapes(weights: dict[str, Any]) -> dict[str, tuple]:
    """Return the shape of each weight; () for what is no tensor."""
    return {name: tuple(getattr(p, "shape", ())) for name, p in weights.items()}


def compare_shapes(
    expected: dict[str, tuple], found: dict[str, tuple], path: str | Path
) -> None:
    """Raise CheckpointError that names the first weight missing, added or misshapen."""
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"{path}: {name} should have shape {expected.get(name, 'no place')}, "
                f"found {found.get(name, 'nothing')}"
            )


def compare(
    found: dict[str, Any], wanted: dict[str, Any], free: set[str], path: str | Path
) -> None:
    """Raise CheckpointError listing the options that differ and are not free to."""
    names = sorted((found.keys() | wanted.keys()) - free)
    different = [
        f"{name} {found.get(name)!r}, now {wanted.get(name)!r}"
        for name in names
        if found.get(name) != wanted.get(name)
    ]
    if different:
        raise CheckpointError(
            f"{path} was made with other options: {'; '.join(different)}"
        )
