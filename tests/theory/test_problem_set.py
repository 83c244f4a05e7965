"""003, 1 to 5: formulas against quadrature, enumeration and libraries."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from theory import counting, divergence, monte_carlo, reversal, softmax_regression
from theory.checks import doubles

SEEDS = st.integers(0, 2**31)


@given(SEEDS)
def test_likelihood_and_divergence_differ_by_the_conditional_entropy(seed):
    generator = torch.Generator().manual_seed(seed)
    joint = divergence.table(generator)
    theta = doubles(2, divergence.N_Y, generator=generator)
    log_p = divergence.log_model(theta, doubles(5, 2, generator=generator))
    wanted = sum(
        joint[x, y] * log_p[x, y]
        for x in range(divergence.N_X)
        for y in range(divergence.N_Y)
    )
    assert divergence.likelihood(joint, log_p).item() == pytest.approx(wanted.item())
    entropy = -divergence.likelihood(joint, (joint / joint.sum(1)[:, None]).log())
    total = divergence.likelihood(joint, log_p) + divergence.divergence(joint, log_p)
    assert total.item() == pytest.approx(-entropy.item())


def test_the_exact_model_has_no_divergence():
    joint = divergence.table(torch.Generator().manual_seed(0))
    exact = (joint / joint.sum(1, keepdim=True)).log()
    assert divergence.divergence(joint, exact).item() == pytest.approx(0, abs=1e-12)
    # the other direction of the KL is another objective
    even = torch.full_like(joint, -math.log(divergence.N_Y))
    given_x = exact.exp()
    reverse = (joint.sum(1) * (even.exp() * (even - given_x.log())).sum(1)).sum()
    assert abs(divergence.divergence(joint, even) - reverse) > 0.01


def mixtures(seed: int):
    generator = torch.Generator().manual_seed(seed)
    x = doubles(50, 3, generator=generator)
    return x, doubles(4, generator=generator), doubles(4, 3, generator=generator)


@given(SEEDS, st.floats(0.1, 10))
def test_one_variance_is_a_softmax_regression(seed, variance):
    x, logits, means = mixtures(seed)
    v = torch.tensor(variance, dtype=x.dtype)
    model = softmax_regression.mixture(logits, means, v)
    w, b = softmax_regression.weights_of(logits, means, variance)
    assert softmax_regression.distance(model, w, b, x) < 1e-9
    assert softmax_regression.bend(model, x) < 1e-8
    half = b - (means**2).sum(1) / (2 * variance)  # the 1/2 forgotten
    assert softmax_regression.distance(model, w, half, x) > 1e-3


@given(SEEDS, st.floats(0.1, 10))
def test_any_softmax_regression_is_such_a_mixture(seed, variance):
    x, b, w = mixtures(seed)
    v = torch.tensor(variance, dtype=x.dtype)
    logits, means = softmax_regression.mixture_of(w, b, variance)
    model = softmax_regression.mixture(logits, means, v)
    assert softmax_regression.distance(model, w, b, x) < 1e-9


def test_a_variance_each_bends_the_log_odds():
    x, logits, means = mixtures(0)
    own = torch.linspace(0.5, 2, 4, dtype=x.dtype)[:, None]
    model = softmax_regression.mixture(logits, means, own)
    assert softmax_regression.bend(model, x) > 0.1


@pytest.mark.parametrize(
    ("sizes", "order", "n"),
    [
        ((2, 2, 2), 2, 7),
        ((2, 2, 2), 1, 5),  # 1 + 2 + 2
        ((2, 2, 2), 0, 3),
        ((3, 2, 4), 1, 2 + 3 + 6),
        ((3, 2, 4), 2, 23),
        ((5,), 0, 4),
    ],
)
def test_counts_by_hand(sizes, order, n):
    assert counting.n_chain(sizes, order) == n
    assert counting.by_enumeration(sizes, order) == n
    generator = torch.Generator().manual_seed(0)
    assert counting.by_rank(sizes, order, generator) == n


@given(st.lists(st.integers(2, 4), min_size=1, max_size=5), st.integers(0, 6))
def test_the_formula_counts_what_enumeration_does(sizes, order):
    sizes = tuple(sizes)
    assert counting.n_chain(sizes, order) == counting.by_enumeration(sizes, order)
    assert counting.n_chain(sizes, 0) == counting.n_independent(sizes)
    assert counting.n_chain(sizes, len(sizes)) == counting.n_full(sizes)


def test_the_table_is_a_distribution_and_a_chain_forgets():
    sizes, generator = (2, 3, 2, 2), torch.Generator().manual_seed(0)
    n = sum(math.prod(s) for s in counting.shapes(sizes, 1))
    table = counting.joint(doubles(n, generator=generator), sizes, 1).view(sizes)
    assert table.sum().item() == pytest.approx(1)
    # given x2, x3 does not depend on x1
    of_three = table.sum(3)
    given_two = of_three / of_three.sum(2, keepdim=True)
    torch.testing.assert_close(given_two[0], given_two[1])


def test_xor_is_independent_in_pairs_alone():
    assert counting.xor() == (0.0, 0.125)


@pytest.mark.parametrize("std", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("x2", [-0.1, 0.0, 0.5, 1.1])
def test_the_marginal_is_scipys_integral(std, x2):
    def at(x1: float) -> float:
        return norm.pdf(x1) * norm.pdf(x2, float(x1 > 0), std)

    wanted = quad(at, -10, 0)[0] + quad(at, 0, 10)[0]
    point = torch.tensor([x2], dtype=torch.float64)
    assert reversal.marginal(point, std).item() == pytest.approx(wanted, abs=1e-9)
    found = reversal.marginal_by_quadrature(point, std)
    assert found.item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("std", [0.1, 0.5])
def test_no_normal_is_nearer_than_the_one_with_its_moments(std):
    start = [0.3, 0.8]
    found = minimize(lambda p: reversal.divergence(p[0], abs(p[1]), std), start)
    assert found.x == pytest.approx(reversal.best_normal(std), abs=1e-3)
    assert found.fun == pytest.approx(
        reversal.divergence(*reversal.best_normal(std), std), abs=1e-6
    )


def test_peaks_are_counted():
    x2 = torch.linspace(-2, 3, 1001, dtype=torch.float64)
    assert reversal.n_peaks(reversal.marginal(x2, 0.1)) == 2
    assert reversal.n_peaks(reversal.marginal(x2, 1.0)) == 1


def test_the_probability_and_the_variance_are_scipys_integrals():
    def at(z: float, power: int) -> float:
        return norm.pdf(z) * norm.pdf(monte_carlo.X, z, monte_carlo.STD) ** power

    first, second = (quad(at, -10, 10, args=(power,))[0] for power in (1, 2))
    assert monte_carlo.p_x() == pytest.approx(first)
    assert monte_carlo.variance() == pytest.approx(second - first**2, rel=1e-5)


def test_the_second_order_is_neither_twice_nor_half_of_it():
    generator = torch.Generator().manual_seed(0)
    k, n = 64, 100_000
    logs = monte_carlo.averages(k, n, generator).log() - math.log(monte_carlo.p_x())
    bias, error = logs.mean().item(), logs.std().item() / n**0.5
    off = monte_carlo.next_order(k, generator) + 5 * error
    predicted = monte_carlo.second_order(k)
    assert abs(bias - predicted) < off
    assert abs(bias - 2 * predicted) > off
    assert abs(bias - predicted / 2) > off
