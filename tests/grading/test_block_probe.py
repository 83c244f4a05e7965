"""What is said of the headline assignment's block, whatever its parts are called."""

import pytest
import torch
from torch import Tensor, nn

from grading.classes import Blame
from tests.contract import block_probe
from tests.contract.block_probe import (
    BEFORE,
    INPUT_TWICE,
    MISSING,
    MIXED,
    NORMED,
    TWICE,
    check_block,
)

D = block_probe.D


class MultiHeadSelfAttention(nn.Module):
    """The mean of a map of all tokens so far, or of all."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(D, D)

    def forward(self, x: Tensor, causal: bool = True) -> Tensor:
        T = x.shape[1]
        ones = torch.ones(T, T).tril() if causal else torch.ones(T, T)
        return ones / ones.sum(1, keepdim=True) @ self.map(x)


class Own(nn.Module):
    """A layer norm by hand, of no telling name."""

    def __init__(self) -> None:
        super().__init__()
        self.g, self.b = nn.Parameter(torch.ones(D)), nn.Parameter(torch.zeros(D))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (D,), self.g, self.b)


class Block(nn.Module):
    """A block that computes an expression, line after line, from x."""

    def __init__(self, lines: str, **children: nn.Module) -> None:
        super().__init__()
        self.lines = lines.split("; ")
        usual = {"msha": MultiHeadSelfAttention(), "n1": Own(), "n2": Own()}
        for name, child in (usual | children).items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Tensor:
        names = dict(self.named_children())
        for line in self.lines:
            x = eval(line, {**names, "x": x, "att": self.msha})
        return x


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(D, 9), nn.GELU(), nn.Linear(9, D))


def said_of(block: Block) -> str:
    remarks = []
    try:
        check_block(block.eval(), remarks.append)
    except Blame as blame:
        return str(blame)
    return " ".join(remarks)


AFTER = "there is no norm after the MLP"
NO_NORM = "there is no norm before the "
BLOCKS = [
    ("n1(x + att(x)); n2(x + mlp(x))", ""),
    ("n2(x + att(x)); n1(x + mlp(x))", ""),
    ("x + att(n1(x)); x + mlp(n2(x))", BEFORE),
    ("n1(att(x)); n2(x + mlp(x))", MISSING.format("attention")),
    ("att(n1(x)); x + mlp(n2(x))", MISSING.format("attention")),
    ("n1(x + att(x)); n2(mlp(x))", MISSING.format("MLP")),
    ("x + att(n1(x)); mlp(n2(x))", MISSING.format("MLP")),
    ("x + n1(att(x)); n2(x + mlp(x))", block_probe.INSIDE),
    ("n1(x + att(x)); x + mlp(x)", AFTER),
    ("n1(x); x + att(x); n2(x); x + mlp(x)", NORMED),
]
ONE_MLP = [
    ("att(n1(x)); mlp(n2(x))", "both residuals are missing"),
    ("n1(att(x)); n2(mlp(x))", "both residuals are missing"),
    ("mlp(att(x))", "there are neither residuals nor norms"),
    ("x + att(n1(x)); x + mlp(n1(x))", TWICE),
    ("x + att(n1(x)); x + mlp(x)", f"{NO_NORM}MLP"),
    ("x + att(x); x + mlp(n2(x))", f"{NO_NORM}attention"),
    ("n1(x) + att(n1(x)); x + mlp(n2(x))", NORMED),
    ("x + att(n1(x)); n2(x) + mlp(n2(x))", NORMED),
    ("x + att(n1(x)); n2(x + mlp(x))", MIXED),
    ("n1(x + att(x)); x + mlp(n2(x))", MIXED),
    ("x + mlp(n2(x + att(n1(x))))", INPUT_TWICE),
    ("x + att(n1(x), causal=False); x + mlp(n2(x))", block_probe.UNMASKED),
]


@pytest.mark.parametrize(("lines", "sentence"), BLOCKS + ONE_MLP)
def test_a_block_is_named_by_what_it_computes(lines, sentence):
    assert said_of(Block(lines, mlp=mlp())) == sentence


@pytest.mark.parametrize(("lines", "sentence"), BLOCKS)
def test_so_is_one_with_the_layers_of_its_mlp_side_by_side(lines, sentence):
    layers = {"fc1": nn.Linear(D, 9), "fc2": nn.Linear(9, D)}
    lines = lines.replace("mlp(", "(lambda z: fc2(fc1(z).relu()))(")
    assert said_of(Block(lines, **layers)) == sentence


def test_the_attention_is_known_by_its_class_before_its_name():
    block = Block("n1(x + att(x)); n2(x + after_att(x))", after_att=mlp())
    assert said_of(block) == ""


def test_norms_of_batches_are_blamed_and_no_error_of_ours_is_shown():
    lines = "n1((x + att(x)).mT).mT; n2(x + mlp(x))"
    text = said_of(Block(lines, n1=nn.BatchNorm1d(D), mlp=mlp()))
    assert text.startswith("BatchNorm1d takes mean and variance over the batch and")


def test_another_formula_is_compared_with_both():
    text = said_of(Block("n1(x + att(x)); n2(x - mlp(x))", mlp=mlp()))
    assert text.startswith("with the block's own attention, norms and MLP the output")
    assert "norm(MLP(h) + h)" in text
    assert "p + MLP(norm(p))" in text
