"""What is said of self-attention and layer norm: right ones in any style, and wrong."""

import re
from collections.abc import Callable
from textwrap import indent

import pytest

from grading.classes import Blame
from grading.loader import Solution
from tests.contract import loops_probe, norm_probe, sentiment_probe
from tests.helpers import write_files

ATTENTION = """
class MySelfAttention(torch.nn.Module):
    def __init__(self, d):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(d, d) for _ in range(3))
        {init}

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = q @ k.mT / {divisor}
        {end}
"""
NORM = """
class MyLayerNorm(nn.Module):
    def __init__(self, {parameters}):
        super().__init__()
        self.eps = 1e-8
        self.gamma = nn.Parameter(torch.ones({shape}))
        self.beta = nn.Parameter(torch.zeros({shape}))
        {init}

    def forward(self, x):
        centered = x - x.mean((-2, -1), keepdim=True)
        variance = centered.square().mean((-2, -1), keepdim=True)
        y = centered / (variance + self.eps).sqrt()
        {end}
"""
SCALED = "return self.gamma * y + self.beta"
RIGHT = "return scores.softmax(-1) @ v"
LOOP = "return torch.stack([a.softmax(-1) @ b for a, b in zip(scores, v)])"
ROWS = """
rows = [row[..., None, :].softmax(-1) @ v for row in scores.unbind(-2)]
return torch.cat(rows, -2)
"""


@pytest.fixture
def judge(tmp_path) -> Callable[[str], tuple[str, list[str]]]:
    """The first thing that is blamed in a class, and the remarks on it."""

    def judged(text: str) -> tuple[str, list[str]]:
        text = "import torch\nfrom torch import nn\n" + text
        solution = Solution(write_files(tmp_path / "it", {"models.py": text}))
        remarks: list[str] = []
        with solution.active():
            try:
                if "MyLayerNorm" in text:
                    check_norm(solution, remarks.append)
                else:
                    check_attention(solution, remarks.append)
            except Blame as blame:
                return str(blame), remarks
        return "", remarks

    return judged


def check_attention(solution: Solution, remark: Callable) -> None:
    layer = sentiment_probe.attention(solution)
    sentiment_probe.check_attention(layer)
    sentiment_probe.check_one_sample(layer, remark)
    loops_probe.remark_on_loops(
        lambda T, d: sentiment_probe.attention(solution, d), abs, remark
    )


def check_norm(solution: Solution, remark: Callable) -> None:
    layer = norm_probe.norm(solution)
    norm_probe.check_norm(layer)
    norm_probe.check_eps(layer)
    norm_probe.check_gamma_and_beta(layer)
    loops_probe.remark_on_loops(
        lambda T, d: norm_probe.norm(solution, (T, d)), abs, remark
    )


def attention(
    init: str = "pass", end: str = RIGHT, divisor: str = "x.shape[-1] ** 0.5"
):
    end = indent(end, " " * 8).strip()
    return ATTENTION.format(init=init, end=end, divisor=divisor)


def norm(
    shape: str = "size", end: str = SCALED,
    init: str = "pass", parameters: str = "size",
) -> str:  # fmt: skip
    end = indent(end, " " * 8).strip()
    return NORM.format(shape=shape, end=end, init=init, parameters=parameters)


FROZEN = "nn.Parameter(torch.tensor({}), requires_grad=False)"
FLAT = "return (self.gamma * y.flatten(-2) + self.beta).view_as(x)"


@pytest.mark.parametrize(
    "text",
    [
        attention(),
        attention(f"self.root = {FROZEN.format('d ** 0.5')}", divisor="self.root"),
        norm(),
        norm("size[0] * size[1]", FLAT),
        norm("1, *size"),
        norm(init=f"self.eps = {FROZEN.format('1e-8')}"),
        norm("max_len, d", parameters="max_len, d"),
        norm(end=f"assert x.shape[1:] == self.gamma.shape\n{SCALED}"),
    ],
)
def test_a_right_class_in_another_style_gets_no_remark(judge, text: str):
    assert judge(text) == ("", [])


ALONE = "it reads batches (B, T, d) alone: a sample of shape (6, 4) raises an error"
OF_ROWS = norm(end="return torch.stack([self.gamma * a + self.beta for a in y])")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (attention(end="return torch.bmm(scores.softmax(2), v)"), [ALONE]),
        (attention(end=LOOP), [ALONE, "forward loops in Python over the batch ("]),
        (attention(end=ROWS), ["forward loops in Python over the positions ("]),
        (OF_ROWS, ["forward loops in Python over the batch ("]),
    ],
)
def test_a_right_class_gets_a_remark_on_loops_and_on_batches_alone(
    judge, text: str, expected: list[str]
):
    blamed, remarks = judge(text)
    assert blamed == ""
    assert len(remarks) == len(expected)
    assert all(map(str.startswith, remarks, expected))


def test_a_remark_on_loops_has_the_counts_and_the_way_out(judge):
    (remark,) = judge(OF_ROWS)[1]
    counts = re.search(r"the batch \((\d+) operations for 2, (\d+) for 7\)", remark)
    assert int(counts[2]) - int(counts[1]) == 2 * 5  # a product and a sum of each
    assert re.search(r": it takes \d+ times our time; torch.bmm, or a dim=", remark)


MAPS = "maps of d x d that are trained, it needs three, for queries, keys and values: a"
SHARED = "takes no part in the output: queries, keys or values are made by the map of"
NO_GAMMA = "gamma of MyLayerNorm is not trained, gamma and beta must be: nn.Parameter"
ONE_PAIR = "MyLayerNorm is called as MyLayerNorm((max_len, input_dim)), with one pair; "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (attention(end="return scores.softmax(-1) @ k"), f"value.weight {SHARED}"),
        (
            attention("self.key = self.query"),
            f"MySelfAttention has 2 {MAPS}",
        ),
        (
            attention("del self.value; self.value = lambda x: x @ torch.ones(d, d)"),
            f"MySelfAttention has 2 {MAPS}",
        ),
        (
            attention("self.value.weight.requires_grad_(False)"),
            f"MySelfAttention has 2 {MAPS}",
        ),
        (
            attention(
                "self.out = nn.Linear(d, d)", f"{RIGHT[:7]}self.out({RIGHT[7:]})"
            ),
            "the output goes through one more map: the assignment has no output proj",
        ),
        (
            attention(
                divisor="1", end="return scores.softmax(-1) / x.shape[-1]**.5 @ v"
            ),
            "the weights are divided by sqrt(d) = 2 after the softmax, the scores must",
        ),
        (
            attention(end=f"{RIGHT}, scores"),
            "MySelfAttention returns 2 things, it must return the output alone",
        ),
        (norm(init="self.gamma.requires_grad_(False)"), NO_GAMMA),
        (
            norm(init="for p in self.parameters(): p.requires_grad_(False)"),
            NO_GAMMA,
        ),
        (
            norm("128, size"),
            ONE_PAIR + "with (6, 4) models.py line 8 raises TypeError: ones()",
        ),
    ],
)
def test_a_mistake_is_named_with_its_cause(judge, text: str, expected: str):
    assert judge(text)[0].startswith(expected)
