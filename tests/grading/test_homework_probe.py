"""What is said of the homework's attention: layouts and configs of other kinds."""

import pytest
import torch

from grading.classes import Config, NotOffered, build
from tests.contract import homework_probe
from tests.contract.homework_probe import C, H, L
from tests.planted.vectorised.model import SelfAttention


class PerHead(SelfAttention):
    """c_attn's output is split head by head, and only then into q, k and v."""

    def forward(self, x):
        qkv = self.c_attn(x).view(*x.shape[:2], H, 3, C // H)
        return self.c_proj(
            homework_probe.attend(*(z.flatten(2) for z in qkv.unbind(3)))
        )


def test_heads_side_by_side_are_a_remark_and_no_mistake():
    sizes = {"n_embd": C, "n_head": H, "block_size": L, "dropout": 0.0}
    remarks = []
    for cls in (SelfAttention, PerHead):
        homework_probe.check_formula(build(cls, **sizes).eval(), remarks.append)
    text = "c_attn is split per head, the homework has q, k, v side by side"
    assert remarks == [text]


class Fixed(SelfAttention):
    def __init__(self):
        super().__init__(Config(n_embd=C, n_head=H, block_size=L, dropout=0.0))


class OneSolution:
    """A solution that has one class."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def find(self, name: str) -> type:
        return self.cls


def test_a_class_that_takes_no_config_is_not_checked_and_told_why():
    with pytest.raises(NotOffered, match="sizes are fixed: give it config"):
        homework_probe.attention(OneSolution(Fixed))


class Asks(SelfAttention):
    def __init__(self, config):
        super().__init__(config)
        assert config["n_head"] == config.get("n_head", 7) == H
        assert "n_embd" in config
        assert "width" not in config
        assert config.get("width", 7) == 7
        self.extra = torch.nn.Linear(1, 1) if config["width"] else None


def test_a_config_may_be_asked_as_a_dictionary_and_what_it_lacks_is_no_mistake():
    with pytest.raises(NotOffered, match="what config.width may be is unknown"):
        homework_probe.attention(OneSolution(Asks))
