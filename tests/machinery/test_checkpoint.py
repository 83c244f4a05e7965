"""Models to bytes and back: only what was saved, and whole."""

import io
import os
import pickle
import zipfile

import pytest
import torch
from torch import nn

from machinery import checkpoint
from machinery.checkpoint import CheckpointError

CONFIG = {"n_in": 3, "n_out": 5, "rate": 0.5, "folder": None}
SCALE = {"mean": torch.tensor([1.0, 2.0]), "vocabulary": "abc"}


def build(config, preprocessing) -> nn.Linear:
    return nn.Linear(config["n_in"], config["n_out"])


@pytest.fixture
def model() -> nn.Linear:
    torch.manual_seed(0)
    return build(CONFIG, SCALE)


@pytest.fixture
def data(model) -> bytes:
    return checkpoint.dump("linear", model.state_dict(), CONFIG, SCALE)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


def saved(**changes) -> bytes:
    """Return what torch.save makes of a checkpoint's content, changed."""
    state = build(CONFIG, SCALE).state_dict()
    content = {"format": 2, "kind": "linear", "config": CONFIG, "preprocessing": SCALE}
    buffer = io.BytesIO()
    torch.save(content | {"state_dict": state} | changes, buffer)
    return buffer.getvalue()


def assert_refused(path, data: bytes, match: str = r"model\.pt") -> None:
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=match) as error:
        checkpoint.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not str(error.value).endswith("None")  # a reason


def test_fault_5_a_checkpoint_loads_with_weights_only(path, data, model):
    path.write_bytes(data)
    content = torch.load(path, weights_only=True)
    assert content["config"] == CONFIG
    content = checkpoint.read(path)
    assert content["config"] == CONFIG
    assert content["preprocessing"]["vocabulary"] == "abc"
    assert torch.equal(content["preprocessing"]["mean"], SCALE["mean"])
    restored = checkpoint.restore(content, build, path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(restored.state_dict()[name], tensor)


def test_a_restored_model_computes_and_learns(path, data, model):
    path.write_bytes(data)
    restored = checkpoint.restore(checkpoint.read(path), build, path)
    x = torch.randn(4, 3)
    assert torch.equal(restored(x), model(x))
    restored(x).sum().backward()
    assert restored.weight.grad.abs().sum() > 0


def test_a_file_is_read_to_the_processor_wherever_it_was_made(path, data, monkeypatch):
    load, asked = torch.load, []
    monkeypatch.setattr(torch, "load", lambda *a, **k: asked.append(k) or load(*a, **k))
    path.write_bytes(data)
    checkpoint.read(path)
    assert [k["map_location"] for k in asked] == ["cpu"]


def test_more_than_a_model_can_be_kept(path, model):
    path.write_bytes(
        checkpoint.dump("linear", model.state_dict(), CONFIG, SCALE, epoch=7)
    )
    assert checkpoint.read(path)["epoch"] == 7


def test_a_saved_model_no_longer_changes_and_is_as_small_as_its_view():
    whole = torch.zeros(100_000)
    data = checkpoint.dump("linear", {"weight": whole[:3]}, CONFIG, SCALE)
    assert len(data) < 10_000


def test_the_same_model_gives_the_same_bytes(data, model):
    assert checkpoint.dump("linear", model.state_dict(), CONFIG, SCALE) == data


def test_fault_2_a_file_cut_at_any_length_is_refused(path, data):
    for length in (*range(0, len(data), 512), len(data) - 1):
        assert_refused(path, data[:length])


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x80\x02", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)]
)
def test_fault_2_what_is_no_checkpoint_is_refused(path, data):
    assert_refused(path, data)


def test_a_missing_checkpoint_is_an_os_error(path):
    with pytest.raises(FileNotFoundError):
        checkpoint.read(path)


def test_fault_3_a_flipped_byte_in_any_record_is_named_a_checksum_mismatch(path, data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = archive.infolist()
    for record in records:
        # a local header is 30 bytes, the name and the extra field, whose length it has
        at = record.header_offset
        extra = int.from_bytes(data[at + 28 : at + 30], "little")
        start = at + 30 + len(record.filename) + extra
        for i in {start, start + record.file_size // 2, start + record.file_size - 1}:
            damaged = bytearray(data)
            damaged[i] ^= 0x10
            assert_refused(path, damaged, "checksum mismatch in archive/")


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace) -> None:
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_fault_4_a_bomb_does_not_go_off(path, tmp_path):
    trace = tmp_path / "trace"
    bomb = Bomb(trace)
    for data in (saved(config=bomb), saved(extra=bomb), pickle.dumps(bomb)):
        assert_refused(path, data)
        assert not trace.exists()
    pickle.loads(pickle.dumps(bomb))  # it was live
    assert trace.exists()


def test_compressed_records_are_refused(path, data):
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as archive,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other,
    ):
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    assert_refused(path, packed.getvalue(), "compressed")


@pytest.mark.parametrize(
    "key", ["format", "kind", "config", "state_dict", "preprocessing"]
)
def test_a_checkpoint_without_one_of_its_parts_is_refused(path, key):
    buffer = io.BytesIO()
    content = torch.load(io.BytesIO(saved()), weights_only=True)
    del content[key]
    torch.save(content, buffer)
    assert_refused(path, buffer.getvalue(), key)


def test_plain_tensors_are_no_checkpoint(path):
    buffer = io.BytesIO()
    torch.save([torch.zeros(2)], buffer)
    assert_refused(path, buffer.getvalue(), "no checkpoint")


def test_another_format_is_refused_with_both_numbers(path):
    assert_refused(path, saved(format=9), "format 9; this program reads 2")


def test_a_file_of_the_first_format_is_named_as_such(path):
    buffer = io.BytesIO()
    content = torch.load(io.BytesIO(saved(format=1)), weights_only=True)
    del content["kind"]
    torch.save(content, buffer)
    message = "format 1; this program reads 2: train it again"
    assert_refused(path, buffer.getvalue(), message)


@pytest.mark.parametrize("kind", ["", "two words", "two\nlines", 7, None, ["gpt"]])
def test_a_kind_is_a_word(path, kind):
    assert_refused(path, saved(kind=kind), "wrong types")


@pytest.mark.parametrize("number", ["2", None, torch.ones(2), 2.0])
def test_a_format_is_an_integer(path, number):
    assert_refused(path, saved(format=number), "wrong types")


def test_another_kind_is_named_beside_those_that_would_do(path):
    content = {"kind": "linear"}
    checkpoint.check_kind(content, "map", ["linear", "affine"], path)
    message = r"model\.pt holds a linear, not a text model \(gpt or fast_gpt\)$"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.check_kind(content, "text model", {"gpt": 1, "fast_gpt": 2}, path)


def restore(state_dict, config=CONFIG):
    content = {"config": config, "preprocessing": SCALE, "state_dict": state_dict}
    return checkpoint.restore(content, build, "model.pt")


def test_wrong_shapes_are_named():
    state = {"weight": torch.zeros(5, 4), "bias": torch.zeros(5)}
    message = r"model.pt: weight should have shape \(5, 3\), found \(5, 4\)"
    with pytest.raises(CheckpointError, match=message):
        restore(state)


def test_a_missing_and_a_surplus_tensor_are_named():
    with pytest.raises(CheckpointError, match=r"bias .* \(5,\), found nothing"):
        restore({"weight": torch.zeros(5, 3)})
    state = dict(build(CONFIG, SCALE).state_dict(), third=torch.zeros(2))
    with pytest.raises(CheckpointError, match=r"third .* no place, found \(2,\)"):
        restore(state)


def test_what_a_model_keeps_beside_its_tensors_has_no_shape_and_is_named():
    class Counting(nn.Linear):
        def get_extra_state(self):
            return 7

    state = build(CONFIG, SCALE).state_dict()
    content = {"config": CONFIG, "preprocessing": SCALE, "state_dict": state}
    message = r"model\.pt: _extra_state should have shape \(\), found nothing"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.restore(content, lambda *_: Counting(3, 5), "model.pt")


def test_a_false_size_in_the_config_allocates_nothing():
    # 4 TB of weights, if they were
    config = CONFIG | {"n_in": 10**6, "n_out": 10**6}
    with pytest.raises(CheckpointError, match=r"\(1000000, 1000000\)"):
        restore({"weight": torch.zeros(5, 3), "bias": torch.zeros(10**6)}, config)


def test_fault_3_a_flipped_byte_anywhere_is_refused_or_harmless(path, data):
    whole = torch.load(io.BytesIO(data), weights_only=True)
    for i in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[i] ^= 0x10
        path.write_bytes(damaged)
        try:
            content = checkpoint.read(path)
        except CheckpointError:
            continue
        for name, tensor in whole["state_dict"].items():
            assert torch.equal(content["state_dict"][name], tensor), i


def test_fault_3_a_record_turned_into_a_folder_is_refused(path, data):
    # the folder bit of a record's attributes makes PyTorch leave a tensor unread
    at = data.index(b"PK\x01\x02")
    while at >= 0:
        damaged = bytearray(data)
        damaged[at + 38] ^= 0x10
        assert_refused(path, damaged)
        at = data.find(b"PK\x01\x02", at + 1)


def test_the_parts_of_a_run_to_resume_are_asked_for_by_name_and_type(path, model):
    more = {"epoch": 7, "optimizer": {"step": 1}}
    path.write_bytes(
        checkpoint.dump("linear", model.state_dict(), CONFIG, SCALE, **more)
    )
    found = checkpoint.read(path, {"epoch": int, "optimizer": dict})
    assert found["epoch"] == 7
    message = "is no checkpoint to resume: it lacks clock, history$"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.read(path, {"epoch": int, "history": list, "clock": int})
    with pytest.raises(CheckpointError, match="wrong types"):
        checkpoint.read(path, {"epoch": str})


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": {3: 1}},
        {"preprocessing": {None: 1}},
        {"state_dict": {"weight": [1.0]}},
        {"state_dict": {7: torch.zeros(1)}},
    ],
    ids=str,
)
def test_names_are_words_and_weights_are_tensors(path, wrong):
    assert_refused(path, saved(**wrong), "wrong types")


def test_a_file_larger_than_the_memory_is_refused_with_both_sizes(
    path, data, monkeypatch
):
    with open(path, "wb") as file:  # an archive may have anything before it
        file.seek(3 * 10**9)  # a hole, which takes no room on the disk
        file.write(data)
    size = 3 * 10**9 + len(data)
    monkeypatch.setattr(checkpoint, "memory_size", lambda: 2e9)
    message = "has 3 GB; this machine has 2 GB of memory"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.check_archive(path)
    monkeypatch.setattr(checkpoint, "memory_size", lambda: size)
    checkpoint.check_archive(path)


def test_the_memory_is_its_pages_and_without_end_where_nothing_tells(monkeypatch):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    assert checkpoint.memory_size() == 4_096_000

    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    assert checkpoint.memory_size() == float("inf")


def test_an_error_is_told_by_its_first_line_or_by_its_name():
    assert checkpoint.first_line(RuntimeError("one\ntwo\nthree")) == "one"
    assert checkpoint.first_line(RuntimeError()) == "RuntimeError"


def test_layers_are_counted_before_any_is_built(path):
    weights = ["h.0.a.b", "h.0.b", "h.1.a.b", "h.2", "wte.weight", "h", "hh.7.a"]
    state = dict.fromkeys(weights, torch.zeros(1))
    content = {"kind": "gpt", "state_dict": state, "config": {"n_layer": 3}}
    checkpoint.check_layers(content, "h", path)
    for config, asked in (({"n_layer": 10**9}, "1000000000"), ({}, "None")):
        message = rf"model\.pt has 3 layers of a gpt; its config asks for {asked}$"
        with pytest.raises(CheckpointError, match=message):
            checkpoint.check_layers(content | {"config": config}, "h", path)


@pytest.mark.parametrize(
    "error", [KeyError, TypeError, ValueError, AttributeError, RuntimeError]
)
def test_a_config_that_builds_nothing_is_told_with_the_reason(error):
    def fail(config, preprocessing):
        raise error("so\nand so")

    content = {"config": CONFIG, "preprocessing": SCALE, "state_dict": {}}
    message = rf"m\.pt holds no such model: {error.__name__}: '?so"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.restore(content, fail, "m.pt")


def test_weights_that_are_not_finite_or_not_all_there_are_refused():
    state = build(CONFIG, SCALE).state_dict()
    state["bias"] = torch.full((5,), float("nan"))
    with pytest.raises(CheckpointError, match="model.pt holds weights that are not"):
        restore(state)
    state["bias"] = torch.zeros(1).expand(5)
    with pytest.raises(CheckpointError, match="smaller than its shape"):
        restore(state)


def test_a_build_is_given_config_and_preprocessing_and_first_without_memory():
    seen = []

    def build_and_tell(config, preprocessing):
        seen.append((config, preprocessing, torch.zeros(1).device.type))
        return build(config, preprocessing)

    state = build(CONFIG, SCALE).state_dict()
    content = {"config": CONFIG, "preprocessing": SCALE, "state_dict": state}
    checkpoint.restore(content, build_and_tell, "model.pt")
    assert [device for *_, device in seen] == ["meta", "cpu"]
    assert all(config is CONFIG and scale is SCALE for config, scale, _ in seen)


def test_options_that_differ_are_listed_unless_they_may():
    found, wanted = {"a": 1, "b": "x", "c": 3}, {"a": 2, "b": "x", "d": 4}
    message = "run was made with other options: a 1, now 2; c 3, now None; d None, "
    with pytest.raises(CheckpointError, match=message):
        checkpoint.compare(found, wanted, set(), "run")
    with pytest.raises(CheckpointError, match="run was made with other options: d"):
        checkpoint.compare(found, wanted, {"a", "c"}, "run")
    checkpoint.compare(found, wanted, {"a", "c", "d"}, "run")
