"""003, 1: likelihood and divergence against sums by hand and scipy's entropies."""

import math

import pytest
import torch
from hypothesis import given
from scipy.special import log_softmax
from scipy.stats import entropy

from tests.theory.conftest import SEEDS, generator, refused, stated
from theory import divergence
from theory.checks import doubles


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


def test_each_of_many_models_has_scipys_divergence():
    drawn = generator()
    joint = divergence.table(drawn)
    features = doubles(divergence.N_X, 3, generator=drawn)
    theta = doubles(2, 4, 3, divergence.N_Y, generator=drawn)
    log_p = divergence.log_model(theta, features)
    found = divergence.divergence(joint, log_p)
    likelihoods = divergence.likelihood(joint, log_p)
    assert found.shape == likelihoods.shape == (2, 4)
    wanted = log_softmax((features @ theta[1, 2]).numpy(), axis=1)
    assert log_p[1, 2].numpy() == pytest.approx(wanted)
    of_x = joint.sum(1).numpy()
    apart = entropy(joint.numpy(), torch.from_numpy(wanted).exp().numpy(), axis=1)
    assert found[1, 2].item() == pytest.approx(of_x @ apart)
    mean = (joint.numpy() * wanted).sum()
    assert likelihoods[1, 2].item() == pytest.approx(mean)


def test_the_conditional_entropy_is_scipys():
    joint = divergence.table(generator())
    assert joint.shape == (divergence.N_X, divergence.N_Y)
    assert joint.sum().item() == pytest.approx(1)
    wanted = joint.sum(1).numpy() @ entropy(joint.numpy(), axis=1)
    assert divergence.conditional_entropy(joint).item() == pytest.approx(wanted)


def test_descent_ends_at_the_minimum_and_leaves_its_start_alone():
    start, goal = doubles(2, 3, 2, generator=generator())
    before = start.clone()
    found = divergence.descend(lambda t: ((t - goal) ** 2).sum() / 4, start)
    torch.testing.assert_close(found, goal, rtol=0, atol=4e-12)
    assert torch.equal(start, before)
    assert not found.requires_grad


@pytest.mark.usefixtures("torchs_own_generator_rests")
def test_divergence_states_two_claims(monkeypatch):
    monkeypatch.setattr(divergence, "STEPS", 100)
    (one, first, _), (two, second, _) = stated(divergence.experiment(generator()))
    assert (one, first) == ("003-1", "likelihood + KL of 100 models")
    assert two == "003-1"
    assert second.startswith("optimum of both by gradient descent, KL left 0.")


@pytest.mark.parametrize(
    ("name", "wrong", "seen"),
    [
        ("divergence", lambda joint, log_p: -(log_p * joint**2).sum((-2, -1)), [0, 1]),
        ("divergence", lambda joint, log_p: -(joint * log_p).sum((-2, -1)), [0]),
        ("conditional_entropy", lambda joint: -(joint * joint.log()).sum(), [0]),
    ],
)
def test_another_divergence_or_entropy_is_seen(monkeypatch, name, wrong, seen):
    """One of another optimum, one without p̂'s own entropy, the joint entropy."""
    monkeypatch.setattr(divergence, "STEPS", 100)
    monkeypatch.setattr(divergence, name, wrong)
    assert refused(divergence.experiment(generator())) == seen


def test_two_optima_are_compared_by_their_largest_difference(monkeypatch):
    ends = [doubles(2, divergence.N_Y, generator=generator(seed)) for seed in (1, 2)]
    left = iter(ends)
    monkeypatch.setattr(divergence, "descend", lambda objective, theta: next(left))
    check = divergence.experiment(generator())[1]
    again = generator()
    joint = divergence.table(again)
    features = doubles(divergence.N_X, divergence.N_FEATURES, generator=again)
    one, two = (divergence.log_model(theta, features) for theta in ends)
    apart = (one - two).abs().max().item()
    assert check.error == pytest.approx(apart, rel=1e-12)
    assert apart > 0.1
    kl = divergence.divergence(joint, one).item()
    assert check.claim.endswith(f"KL left {kl:.2g}")
