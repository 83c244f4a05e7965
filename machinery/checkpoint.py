"""Models to bytes and back: weights-only files that are checked before they are used.

model.pt holds {format, config, state_dict, preprocessing}: plain builtins and tensors,
so that loading one never runs code from the file.
"""

import io
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from machinery.errors import BadInput

FORMAT = 1
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
KEYS = {"format", "config", "state_dict", "preprocessing"}


class CheckpointError(BadInput):
    """A file is not a whole, unchanged checkpoint, or not one of the model wanted."""


def dump(
    state_dict: dict[str, Any],
    config: dict[str, Any],
    preprocessing: dict[str, Any],
    **more: Any,
) -> bytes:
    """Return the bytes of a checkpoint: write them with run_folder.write_atomic."""
    buffer = io.BytesIO()
    content = {
        "format": FORMAT,
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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is not a whole, safe checkpoint: {reason}"
        ) from error
    also = also or {}
    keys = KEYS | also.keys()
    missing = keys - content.keys() if isinstance(content, dict) else keys
    if missing:
        raise CheckpointError(
            f"{path} is no checkpoint{' to resume' * bool(also)}: "
            f"it lacks {', '.join(sorted(missing))}"
        )
    if not is_plain(content) or not all(
        isinstance(content[name], kind) for name, kind in also.items()
    ):
        raise CheckpointError(f"{path} is no checkpoint: its parts have wrong types")
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {content['format']!r}; this program reads {FORMAT}"
        )
    return content


def is_plain(content: dict[str, Any]) -> bool:
    """Whether the parts are dicts with names as keys, and the weights tensors."""
    parts = [content[key] for key in ("config", "state_dict", "preprocessing")]
    return all(
        isinstance(part, dict) and all(isinstance(name, str) for name in part)
        for part in parts
    ) and all(isinstance(p, torch.Tensor) for p in content["state_dict"].values())


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
        found = {name: tuple(p.shape) for name, p in content["state_dict"].items()}
        whole = all(p.is_contiguous() for p in content["state_dict"].values())
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} holds no such model: {type(error).__name__}: {error}"
        ) from error
    expected = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"{path}: {name} should have shape {expected.get(name, 'no place')}, "
                f"found {found.get(name, 'nothing')}"
            )
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
