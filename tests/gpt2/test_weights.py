"""Weights in Hugging Face's layout: equal logits, and every way a folder is wrong."""

import json
import struct
import sys

import pytest
import torch

from gpt2 import weights
from machinery.checkpoint import CheckpointError
from machinery.errors import BadInput
from tests.gpt2.conftest import hugging_face

transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")


@pytest.mark.parametrize("n_head", [1, 2, 4])
def test_logits_equal_those_of_transformers(weights_folder, n_head):
    config = transformers.GPT2Config(
        n_layer=3, n_head=n_head, n_embd=8, vocab_size=267, n_positions=12,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    torch.manual_seed(n_head)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.2)
    theirs.save_pretrained(weights_folder)
    ours, _ = weights.load(weights_folder)
    idx = torch.randint(267, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(idx), theirs(idx).logits, atol=1e-4, rtol=1e-4)
    assert ours.lm_head.weight is ours.wte.weight


@pytest.mark.slow
def test_logits_equal_those_of_transformers_at_the_size_of_gpt2(tmp_path):
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    theirs.save_pretrained(tmp_path)
    config = weights.read_config(tmp_path / "config.json")
    ours = weights.read_model(tmp_path / "model.safetensors", config)
    idx = torch.randint(50257, (1, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(idx), theirs(idx).logits, atol=1e-4, rtol=1e-4)
    assert sum(p.numel() for p in ours.parameters()) == 124_439_808


def as_pickle(folder, state) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_a_pickle_of_weights_is_read_with_or_without_the_prefix(
    weights_folder, tiny, prefix
):
    as_pickle(weights_folder, hugging_face(tiny, prefix))
    ours, pairs = weights.load(weights_folder)
    idx = torch.tensor([pairs.encode("the film")])
    with torch.no_grad():
        torch.testing.assert_close(ours(idx), tiny(idx))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_read_as_float32(weights_folder, tiny, dtype):
    state = {name: p.to(dtype) for name, p in hugging_face(tiny).items()}
    as_pickle(weights_folder, state)
    ours, _ = weights.load(weights_folder)
    for name, p in ours.state_dict().items():
        assert p.dtype == torch.float32
        assert p.is_contiguous()
        assert torch.equal(p, tiny.state_dict()[name].to(dtype).float())
    assert not ours.training


def test_weights_that_were_saved_on_a_gpu_are_read_without_one(
    weights_folder, tiny, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        as_pickle(weights_folder, hugging_face(tiny))
    ours, _ = weights.load(weights_folder)
    assert torch.equal(ours.wte.weight, tiny.wte.weight)


def test_safetensors_are_read_before_a_pickle(weights_folder, tiny):
    torch.save({}, weights_folder / "pytorch_model.bin")
    ours, _ = weights.load(str(weights_folder))
    assert torch.equal(ours.wpe.weight, tiny.wpe.weight)


def test_a_head_of_its_own_is_kept_where_the_config_says_so(weights_folder, tiny):
    state = hugging_face(tiny)
    state["lm_head.weight"] = torch.randn(267, 8)
    as_pickle(weights_folder, state)
    edit(weights_folder, tie_word_embeddings=False)
    ours, _ = weights.load(weights_folder)
    assert torch.equal(ours.lm_head.weight, state["lm_head.weight"])


def edit(folder, **changes) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v != "none"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama', not 'gpt2'"),
        ({"model_type": "none"}, "model_type is None, not 'gpt2'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon is 1e-06, not 1e-05"),
        ({"activation_function": "relu"}, "activation_function is 'relu'"),
        ({"n_inner": 32}, "n_inner is 32, not None"),
        ({"scale_attn_weights": False}, "scale_attn_weights is False, not True"),
        (
            {"scale_attn_by_inverse_layer_idx": True},
            "scale_attn_by_inverse_layer_idx is True, not False",
        ),
        ({"n_layer": 3}, "has 2 layers, its config 3"),
        ({"n_layer": 10**9}, "has 2 layers, its config 1000000000"),
        ({"n_head": 3}, "n_embd must be a multiple of n_head, got 8 and 3"),
        ({"n_embd": "wide"}, "n_embd must be a whole number above 0, got 'wide'"),
        ({"n_head": 0}, "n_head must be a whole number above 0, got 0"),
        ({"n_layer": True}, "n_layer must be a whole number above 0, got True"),
        ({"n_positions": "none"}, "n_positions must be .* got None"),
        (
            {"n_positions": 17},
            r"safetensors: wpe.weight should have shape \(17, 8\), found \(16, 8\)",
        ),
        ({"vocab_size": 300}, r"has 267 tokens, its weights are for 300"),
    ],
)
def test_a_config_of_something_else_is_refused(weights_folder, changes, message):
    edit(weights_folder, **changes)
    with pytest.raises(BadInput, match=message):
        weights.load(weights_folder)


def test_a_config_may_say_little_and_in_other_words(weights_folder, tiny):
    """Older files have n_ctx, newer ones a longer name of the same gelu."""
    edit(
        weights_folder, n_positions="none", n_ctx=16, layer_norm_epsilon="none",
        activation_function="gelu_pytorch_tanh", n_inner=None,
    )  # fmt: skip
    ours, _ = weights.load(weights_folder)
    assert ours.block_size == 16
    edit(weights_folder, activation_function="none")
    weights.load(weights_folder)
    edit(weights_folder, n_ctx=15, n_positions=16)  # what counts is n_positions
    assert weights.load(weights_folder)[0].block_size == 16


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3"])
def test_a_config_that_is_no_object_is_refused(weights_folder, text):
    (weights_folder / "config.json").write_text(text)
    with pytest.raises(BadInput, match=r"config\.json is no JSON object"):
        weights.load(weights_folder)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere is no folder of weights"):
        weights.load(tmp_path / "nowhere")


def test_a_missing_package_names_the_extra(weights_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(BadInput, match=r"^safetensors is not .* '\.\[gpt2\]'$"):
        weights.load(weights_folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "neither model.safetensors nor pytorch_model.bin"),
        ("merges.txt", "neither vocab.json and merges.txt nor encoder.json"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused(weights_folder, name, message):
    (weights_folder / name).unlink()
    with pytest.raises(BadInput, match=message):
        weights.load(weights_folder)


def test_a_name_too_many_or_too_few_is_refused(weights_folder, tiny):
    state = hugging_face(tiny)
    del state["transformer.h.1.ln_2.bias"]
    as_pickle(weights_folder, state)
    with pytest.raises(CheckpointError, match=r"h.1.ln_2.bias .* found nothing"):
        weights.load(weights_folder)
    state = hugging_face(tiny) | {"transformer.extra": torch.zeros(1)}
    torch.save(state, weights_folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="extra should have shape no place"):
        weights.load(weights_folder)


def test_weights_that_are_not_finite_are_refused(weights_folder, tiny):
    state = hugging_face(tiny)
    state["transformer.wpe.weight"] = torch.full((16, 8), torch.nan)
    as_pickle(weights_folder, state)
    with pytest.raises(CheckpointError, match=r"model\.bin: wpe.weight is not finite"):
        weights.load(weights_folder)


def test_a_cut_safetensors_file_is_refused_at_any_length(weights_folder):
    path = weights_folder / "model.safetensors"
    whole = path.read_bytes()
    for n in (0, 1, 7, 8, 9, 100, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n])
        with pytest.raises(CheckpointError, match="is no whole safetensors file"):
            weights.load(weights_folder)


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b'{"a": {"dtype": "F32", "shape": [9999999], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},'
        b' "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]}}',
    ],
)
def test_a_false_header_is_refused(weights_folder, header):
    path = weights_folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(CheckpointError, match="is no whole safetensors file"):
        weights.load(weights_folder)


@pytest.mark.parametrize(
    "content", [{"epoch": 3}, {"wte.weight": [1.0]}, [torch.ones(1)], torch.ones(1), 3]
)
def test_a_pickle_without_tensors_by_name_is_refused(weights_folder, content):
    as_pickle(weights_folder, content)
    message = r"pytorch_model\.bin holds no tensors by name"
    with pytest.raises(CheckpointError, match=message):
        weights.load(weights_folder)


@pytest.mark.parametrize("name", weights.FILES)
def test_what_cannot_be_read_is_refused_with_the_reason(
    weights_folder, tiny, monkeypatch, name
):
    if name == "pytorch_model.bin":
        as_pickle(weights_folder, hugging_face(tiny))

    def fail(*_, **__):
        raise OSError("the disk is gone\nat line 1")

    monkeypatch.setattr(torch, "load", fail)
    monkeypatch.setattr("safetensors.safe_open", fail)
    with pytest.raises(CheckpointError, match=rf"{name} is .*: the disk is gone$"):
        weights.load(weights_folder)


class Bomb:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_pickle_bomb_does_not_go_off(weights_folder, tmp_path, as_zip):
    (weights_folder / "model.safetensors").unlink()
    torch.save(
        {"wte.weight": Bomb(tmp_path / "boom")},
        weights_folder / "pytorch_model.bin",
        _use_new_zipfile_serialization=as_zip,
    )
    with pytest.raises(CheckpointError, match="not a whole, safe file of weights"):
        weights.load(weights_folder)
    assert not (tmp_path / "boom").exists()


def test_a_flipped_byte_in_a_pickle_is_noticed(weights_folder, tiny):
    as_pickle(weights_folder, hugging_face(tiny))
    path = weights_folder / "pytorch_model.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum mismatch|not a whole"):
        weights.load(weights_folder)
