"""Tensors to text that a page can hold: rounded, packed, with a checksum.

{meta, tensors: {name: [kind, shape, offset]}, crc32, data}: kind is a byte order free
letter and a size (f2 is float16), the offset is into the bytes of data, in base64.
What a page computes is compared with what the models give with the same rounded
weights: so those are what pack.rounded returns.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from machinery.errors import BadInput

KINDS = {"f2": np.float16, "f8": np.float64, "i1": np.int8, "i2": np.int16}
ALIGNED = 8  # bytes: a browser reads no number across such a border
NAMED = 64  # characters at most that name an array and say where it is
LEAST_SCALE = 2.0**-24  # the smallest float16 above zero


@dataclass
class Pack:
    """What a page needs of one model: plain values, and arrays by their names."""

    meta: dict[str, Any]
    arrays: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)

    def add(self, name: str, kind: str, values: Tensor | np.ndarray) -> None:
        """Keep an array as a kind of KINDS; BadInput where it is too large for it."""
        array = np.asarray(values.detach() if torch.is_tensor(values) else values)
        with np.errstate(over="ignore"):
            kept = np.ascontiguousarray(array, dtype=KINDS[kind])
        if not np.isfinite(kept).all():
            largest = np.abs(array).max()
            raise BadInput(f"{name} has values up to {largest:g}, too large for {kind}")
        self.arrays[name] = kind, kept

    def add_state(self, prefix: str, state: dict[str, Tensor]) -> None:
        """Keep a model's weights in float16."""
        for name, weights in state.items():
            self.add(prefix + name, "f2", weights)

    def as_json(self) -> str:
        """Return the text, without a sign that could end a script element."""
        data, tensors = bytearray(), {}
        for name, (kind, array) in self.arrays.items():
            data += bytes(-len(data) % ALIGNED)
            tensors[name] = [kind, list(array.shape), len(data)]
            data += array.astype(array.dtype.newbyteorder("<")).tobytes()
        content = {
            "meta": self.meta,
            "tensors": tensors,
            "crc32": zlib.crc32(data),
            "data": base64.b64encode(data).decode("ascii"),
        }
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c")


def packed_size(lengths: Sequence[int]) -> int:
    """Return how many characters arrays of such lengths take in float16, about."""
    return sum(-(-2 * n // ALIGNED) * ALIGNED * 4 // 3 + NAMED for n in lengths)


def rounded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as a page has them: rounded to float16, in double precision."""
    return {name: weights.half().double() for name, weights in state.items()}


def rounded_model(model: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """Return the model in double precision, ready to run, with rounded weights."""
    model.double().load_state_dict(rounded(state))
    return model.eval()


def quantize(table: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows (N, D) as int8, and the float16 scale (N,) to multiply each by."""
    scale = (table.abs().amax(1) / 127).clamp(min=LEAST_SCALE).half()
    # a scale that was rounded down leaves the largest value above 127
    whole = (table / scale[:, None].float()).round().clamp(-127, 127)
    return whole.to(torch.int8), scale
