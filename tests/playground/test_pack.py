"""What Python packs is what the page reads; what is damaged is refused."""

import json

import numpy as np
import pytest
import torch

from machinery.errors import BadInput
from playground.pack import Pack, quantize


def packed(kind: str, values) -> Pack:
    pack = Pack({"of": "</script>"})
    pack.add("odd", "i1", torch.tensor([1, -2, 3]))  # what follows is aligned anew
    pack.add("it", kind, np.array(values))
    return pack


HALVES = [0.0, 1.0, -2.5, 65504.0, 2.0**-24, -(2.0**-15), 1 / 3, 0.1]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("f2", HALVES),
        ("f8", [0.1, -1e300, 5e-324]),
        ("i1", [[-128, 127], [0, 1]]),
        ("i2", [[-32768, 32767]]),
    ],
)
def test_the_page_reads_what_was_packed(js, kind, values):
    pack = packed(kind, values)
    found = js(f"tensor({js.load(pack)}, 'it')")
    expected = pack.arrays["it"][1]
    assert found["shape"] == list(expected.shape)
    assert found["values"] == expected.ravel().tolist()


def test_every_half_is_read_as_numpy_reads_it(js):
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = np.isfinite(numbers)
    found = np.array([np.nan if v is None else v for v in js("Array.from(HALVES)")])
    assert (found[finite] == numbers[finite]).all()


def test_what_is_too_large_for_half_precision_is_refused():
    with pytest.raises(BadInput, match=r"it has values up to 70000, too large for f2"):
        packed("f2", [1.0, -7e4])


def test_a_pack_cannot_end_the_element_that_holds_it():
    assert "<" not in packed("f2", [1.0]).as_json()


@pytest.mark.parametrize("seed", range(5))
def test_one_byte_changed_is_noticed(js, seed):
    text = packed("f2", HALVES).as_json()
    content = json.loads(text)
    at = int(np.random.default_rng(seed).integers(len(content["data"]) - 2))
    other = "A" if content["data"][at] != "A" else "B"
    content["data"] = content["data"][:at] + other + content["data"][at + 1 :]
    assert refused(js, json.dumps(content)) == "the checksum is wrong"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[: len(text) // 2], "it is not whole"),
        (lambda text: "", "it is not whole"),
        (lambda text: "null", "a part is missing"),
        (
            lambda text: text.replace('"data":"', '"data":"!'),
            "a sign that is no base64",
        ),
        (lambda text: text.replace('"tensors"', '"sensors"'), "a part is missing"),
    ],
)
def test_what_is_no_pack_is_refused(js, change, why):
    assert refused(js, change(packed("f2", HALVES).as_json())) == why


def refused(js, text: str) -> str:
    """Return why the page takes a text for damaged; any other error gets through."""
    return js(
        "(() => { try { unpackText(text); return ''; } catch (error) {"
        " if (!(error instanceof DamagedWeights)) throw error;"
        " return error.message; } })()",
        text=text,
    )


def test_quantized_rows_are_within_half_a_step():
    table = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    table[3] = 0
    whole, scale = quantize(table)
    assert whole.dtype == torch.int8
    back = whole.double() * scale.double()[:, None]
    # half a step, and what a scale that was rounded down cuts off the largest
    allowed = scale.double()[:, None] * 0.5 + 127 * scale.double()[:, None] * 2**-11
    assert ((back - table).abs() <= allowed).all()
    assert (back[3] == 0).all()
