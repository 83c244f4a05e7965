"""The exercise's questions on the Gaussian mixture, for any solution."""

import math

import pytest
import torch

from grading.classes import Blame, build
from tests.contract.mixture_probe import (
    FILE,
    LOADED,
    LOGITS,
    MEANS,
    PARAMETERS,
    at,
    check_batch,
    check_gradients,
    check_loss,
    check_shares,
    check_weights,
    conditional,
    differ_by_softmax,
    draws,
    log_likelihood,
    make,
    parameter,
    remark_slow,
)

SECTION = "Gaussian mixture"
MADE = ("test_gmm_initialisation",)
FORWARD = ("test_gmm_forward",)
SIGMAS = (1.6, 2.0)  # of the components whose density is looked at


def question(title: str, needs: tuple = MADE):
    return pytest.mark.question(title, file=FILE, needs=needs)


def gmm(solution, logits, means=None, sigmas=None):
    K = len(logits)
    log_variances = [[2 * math.log(s) for s in pair] for pair in sigmas or [(1, 1)] * K]
    return make(solution, "GMM", logits, means or [[0.0, 0.0]] * K, log_variances)


@question("mixture_models.py can be imported", needs=())
def test_mixture_models_imports(solution, remark):
    solution.check_imports(FILE, remark=remark)


@question("GMM: the parameters", needs=LOADED)
def test_gmm_initialisation(solution):
    gmm(solution, [0.0] * 4)
    fresh = build(solution.get(FILE, "GMM"), n_components=5, n_dims=2)
    if parameter(fresh, "means").unique(dim=0).shape[0] == 1:
        raise Blame("all means start at the same place, so the components never part")


@question("GMM forward: a number for every point")
def test_gmm_forward(solution, remark):
    model = gmm(solution, [0.0] * 3, [[-2.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    x = torch.randn(7, 2)
    check_batch(model, x, n_components=3)
    parts = torch.stack(
        [log_likelihood(gmm(solution, [0.0], [m.tolist()]), x) for m in model.means],
        dim=1,
    )
    offset = log_likelihood(model, x) - parts.logsumexp(1)  # a constant, rightly
    if (offset - offset[0]).abs().max() > 1e-3:
        raise Blame(
            "log p(x) is not the logsumexp of log p(k) + log p(x|k): it is off by "
            f"{(offset - offset[0]).abs().max():.2f} between two points"
        )
    many = build(type(model), n_components=33, n_dims=2)
    points = torch.randn(512, 2)
    remark_slow(remark, "forward", "GMM", many, lambda m: m(points))


@question("GMM forward: log p(k)", needs=FORWARD)
def test_gmm_weights(solution):
    check_weights(
        lambda logits, means: gmm(solution, logits, means),
        [[0.0, 0.0], [1.5, 0.0], [0.0, 2.0]],
    )


def suspects(d1: float, d2: float) -> list[tuple[float, str]]:
    """Wrong densities at squared distances d from the mean, and what is wrong."""
    s1, s2 = SIGMAS
    half = -0.5 * (d1 / s1**2 + d2 / s2**2)
    log_2pi, log_sigmas = math.log(2 * math.pi), math.log(s1 * s2)
    return [
        (half - log_2pi - 2 * log_sigmas,
         "log p(x|k) subtracts log sigma^2 where it needs log sigma"),
        (half - log_2pi, "log p(x|k) lacks the term -log sigma of both dimensions"),
        (half - log_sigmas, "log p(x|k) lacks the term -log(2 pi)"),
        (half - log_2pi / 2 - log_sigmas,
         "log p(x|k) subtracts log(2 pi) / 2, which is right for one dimension"),
        (half - log_2pi + log_sigmas, "log p(x|k) adds log sigma, it must subtract it"),
        (2 * half - log_2pi - log_sigmas, "the exponent lacks its factor 1/2"),
        (-half - log_2pi - log_sigmas, "the exponent lacks its minus sign"),
        (-0.5 * (d1 / s1 + d2 / s2) - log_2pi - log_sigmas,
         "the squared distance is divided by sigma where it needs sigma^2"),
        (-0.5 * (d1 / s1**4 + d2 / s2**4) - log_2pi - 2 * log_sigmas,
         "exp(log_variances) is used as sigma, it is sigma^2"),
    ]  # fmt: skip


def integral(model, half_width: float = 16.0, n: int = 80) -> float:
    edges = torch.linspace(-half_width, half_width, n + 1)
    line = (edges[1:] + edges[:-1]) / 2
    density = log_likelihood(model, torch.cartesian_prod(line, line)).double().exp()
    return density.sum().item() * (2 * half_width / n) ** 2


@question("GMM forward: log p(x|k)", needs=FORWARD)
def test_gmm_density(solution):
    model = gmm(solution, [0.0], [[0.5, -1.0]], [SIGMAS])
    probes = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.5), (2.0, -1.0)]  # from the mean
    found = [at(model, 0.5 + dx, -1.0 + dy) for dx, dy in probes]
    s1, s2 = SIGMAS
    right = [
        -0.5 * (dx**2 / s1**2 + dy**2 / s2**2) - math.log(2 * math.pi * s1 * s2)
        for dx, dy in probes
    ]
    if differ_by_softmax(found, right):
        return
    if max(abs(f - r) for f, r in zip(found, right, strict=True)) < 1e-3:
        return
    total = integral(model)
    wrong = zip(*(suspects(dx**2, dy**2) for dx, dy in probes), strict=True)
    for values in wrong:
        if max(abs(f - v[0]) for f, v in zip(found, values, strict=True)) < 1e-3:
            raise Blame(f"{values[0][1]}: the density integrates to {total:.2f}, not 1")
    raise Blame(
        f"log p(x|k) at the mean is {found[0]:.2f} where sigma = {s1}, {s2} needs "
        f"{right[0]:.2f}, and the density integrates to {total:.2f}"
    )


@question("GMM: it can be trained", needs=(*FORWARD, "test_gmm_weights"))
def test_gmm_gradients(solution):
    model = gmm(solution, LOGITS, [[-2.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    check_gradients(model, torch.randn(20, 2), PARAMETERS["GMM"])


@question("GMM loss_function: the negative mean")
def test_gmm_loss(solution):
    check_loss(gmm(solution, [0.0]))


def check_sigmas(x, sigmas, what: str) -> None:
    for found, sigma in zip(x.std(0).tolist(), sigmas, strict=True):
        if abs(found / sigma - 1) < 0.2:
            continue
        if abs(found / sigma**2 - 1) < 0.2:
            raise Blame(
                f"{what} uses the variance as the standard deviation: a component "
                f"with sigma {sigma:g} is drawn with {found:.2f}"
            )
        raise Blame(
            f"{what} draws a component with sigma {sigma:g} with a standard deviation "
            f"of {found:.2f}"
        )


WIDTHS = [(3.0, 0.5), (0.4, 4.0), (2.0, 3.0)]


@question("GMM sample")
def test_gmm_sample(solution, remark):
    model = gmm(solution, LOGITS, MEANS, WIDTHS)
    x = draws(model.sample(2000), 2000, "sample")
    k = check_shares(x)
    for j in range(3):
        check_sigmas(x[k == j], WIDTHS[j], "sample")
        distance = (x[k == j].mean(0) - torch.tensor(MEANS[j])).abs().max()
        if distance > 1:
            raise Blame(f"sample draws a component {distance:.2f} away from its mean")
    remark_slow(remark, "sample", "GMM", model, lambda m: m.sample(200))


@question("GMM conditional_sample")
def test_gmm_conditional_sample(solution):
    model = gmm(solution, LOGITS, MEANS, WIDTHS)
    for label in (0, 1, 2):
        x = conditional(model, 1000, label)
        centre = x.median(0).values
        nearest = (torch.tensor(MEANS) - centre).norm(dim=1).argmin().item()
        if nearest != label or (centre - torch.tensor(MEANS[label])).norm() > 2:
            raise Blame(
                f"conditional_sample of component {label} draws around "
                f"({centre[0]:.1f}, {centre[1]:.1f}), its mean is at "
                f"({MEANS[label][0]:g}, {MEANS[label][1]:g})"
            )
        check_sigmas(x, WIDTHS[label], "conditional_sample")
