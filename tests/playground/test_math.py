"""The page's building blocks against PyTorch's and the standard library's."""

import math

import pytest
import torch
from torch.nn import functional as F

X = torch.linspace(-7, 7, 301, dtype=torch.float64)


def assert_close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64),
        expected,
        rtol=tolerance,
        atol=tolerance,
    )


def test_the_error_function(js):
    assert_close(js("x.map(erf)", x=X), torch.erf(X))


@pytest.mark.parametrize(
    ("name", "approximate"), [("gelu", "none"), ("geluTanh", "tanh")]
)
def test_gelu(js, name, approximate):
    assert_close(js(f"x.map({name})", x=X), F.gelu(X, approximate=approximate))


def test_the_log_of_the_logistic_function_keeps_its_digits_at_both_ends(js):
    x = torch.tensor([-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0], dtype=torch.float64)
    assert_close(js("x.map(logSigmoid)", x=x), F.logsigmoid(x))


@pytest.mark.parametrize("shift", [0, 1000, -1000])
def test_softmax_neither_overflows_nor_vanishes(js, shift):
    assert_close(js("softmax(x)", x=X + shift), X.softmax(0))
    found = js("logSumExp(x)", x=X + shift)
    assert found == pytest.approx((X + shift).logsumexp(0).item())


def test_layer_norm(js):
    x, weight, bias = torch.randn(3, 9, dtype=torch.float64)
    expected = F.layer_norm(x, (9,), weight, bias)
    found = js("layerNorm(x, { values: w }, { values: b })", x=x, w=weight, b=bias)
    assert_close(found, expected)
    assert_close(js("layerNorm(x)", x=x), F.layer_norm(x, (9,)))


def test_a_linear_map(js):
    x, w = torch.randn(5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    b = torch.randn(3, dtype=torch.float64)
    weight = "{ shape: [3, 5], values: w.flat() }"
    assert_close(js(f"linear({weight}, {{ values: b }}, x)", x=x, w=w, b=b), w @ x + b)
    assert_close(js(f"linear({weight}, null, x)", x=x, w=w), w @ x)


def test_entropy_in_bits(js):
    assert js("entropyBits([0.25, 0.25, 0.5, 0])") == pytest.approx(1.5)
    assert js("entropyBits([1])") == 0


def test_random_numbers_depend_on_the_seed_alone(js):
    draw = "(() => { const r = makeRandom(s); return [r(), r(), r()]; })()"
    one, again, other = js(draw, s=1), js(draw, s=1), js(draw, s=2)
    assert one == again
    assert not set(one) & set(other)


def test_normal_numbers_have_the_moments_of_a_standard_normal(js):
    drawn = js(
        "(() => { const r = makeRandom(5);"
        " return Array.from({ length: 20000 }, () => drawNormal(r)); })()"
    )
    x = torch.tensor(drawn, dtype=torch.float64)
    n = len(x)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        error = (x**power).mean().item() - moment
        assert abs(error) < 4 * math.sqrt(spread / n), power
