"""003, 2: Gaussians of one variance against a softmax regression, either way."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import norm

from tests.theory.conftest import SEEDS, generator, refused, stated
from theory import softmax_regression
from theory.checks import doubles


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


def test_the_mixture_is_ours_with_the_numbers_that_are_given():
    x, logits, means = mixtures(0)
    variances = torch.tensor([[0.5], [1.0], [2.0], [3.0]], dtype=x.dtype)
    model = softmax_regression.mixture(logits, means, variances)
    densities = norm.logpdf(x[:, None], means, variances.sqrt()).sum(2)
    wanted = softmax(densities + logits.numpy(), axis=1)
    assert model.responsibilities(x).detach().numpy() == pytest.approx(wanted)
    # the largest difference from a regression of no weights is that from 1/4
    w, b = torch.zeros_like(means), torch.zeros_like(logits)
    apart = softmax_regression.distance(model, w, b, x)
    assert apart == pytest.approx(abs(wanted - 1 / 4).max())


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_parabola_bends_by_two_thirds_over_three_points(shift):
    """Of c x^2 at -1, 0 and 1 the nearest line is 2 c / 3; x^2's own factor is half the
    difference of the precisions, and a line beside it changes nothing."""
    means = torch.tensor([[0.0], [shift]], dtype=torch.float64)
    variances = torch.tensor([[1.0], [0.25]], dtype=torch.float64)
    model = softmax_regression.mixture(torch.zeros(2), means, variances)
    x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    assert softmax_regression.bend(model, x) == pytest.approx(2 / 3 * (4 - 1) / 2)


def test_all_that_is_drawn_comes_from_the_given_generator(monkeypatch):
    given_to, asked = generator(1), []

    def noted(*shape, generator):
        asked.append(generator)
        return doubles(*shape, generator=generator)

    monkeypatch.setattr(softmax_regression, "doubles", noted)
    softmax_regression.experiment(given_to)
    assert asked == [given_to] * 4


def test_softmax_regression_states_four_claims():
    assert stated(softmax_regression.experiment(generator())) == [
        ("003-2", "our GMM's responsibilities, one variance", "softmax"),
        ("003-2", "any regression, as a GMM of three variances", "equal"),
        ("003-2", "log-odds from linear, one variance", "0"),
        ("003-2", "log-odds from linear, a variance each", "above 0"),
    ]


def test_a_forgotten_half_is_seen_either_way(monkeypatch):
    weights_of, mixture_of = (
        softmax_regression.weights_of,
        softmax_regression.mixture_of,
    )

    def weights(logits, means, variance):
        w, b = weights_of(logits, means, variance)
        return w, b - (means**2).sum(1) / (2 * variance)

    def mixture(w, b, variance):
        logits, means = mixture_of(w, b, variance)
        return logits + variance * (w**2).sum(1) / 2, means

    for name, wrong, seen in (
        ("weights_of", weights, [0]),
        ("mixture_of", mixture, [1]),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(softmax_regression, name, wrong)
            assert refused(softmax_regression.experiment(generator())) == seen


def test_any_variance_is_tried_and_the_farthest_counts(monkeypatch):
    tried = []

    def distance(model, w, b, x):
        (variance,) = set(model.log_variances.exp().flatten().tolist())
        tried.append(variance)
        return variance

    monkeypatch.setattr(softmax_regression, "distance", distance)
    checks = softmax_regression.experiment(generator())
    assert tried == pytest.approx([0.7, 0.1, 0.7, 10])
    assert [check.error for check in checks[:2]] == pytest.approx([0.7, 10])


@pytest.mark.parametrize(("bent", "seen"), [(0.1, []), (0.09375, [3])])
def test_a_variance_each_must_bend_the_log_odds(monkeypatch, bent, seen):
    bends, models = iter([0.0, bent]), []

    def bend(model, x):
        models.append(model)
        return next(bends)

    monkeypatch.setattr(softmax_regression, "bend", bend)
    checks = softmax_regression.experiment(generator())
    assert refused(checks) == seen
    assert checks[3].measured == f"{bent:.2g}"
    shared, own = (model.log_variances.exp().mean(1) for model in models)
    n = softmax_regression.N_CLASSES
    assert shared.tolist() == pytest.approx([0.7] * n)
    assert own.tolist() == pytest.approx(np.linspace(0.7 / 2, 0.7 * 2, n), rel=1e-12)
