"""The exercise's questions on the uniform mixture, for any solution."""

import math

import pytest
import torch

from grading.classes import Blame, build
from tests.contract.mixture_probe import (
    FILE,
    LOADED,
    LOGITS,
    MEANS,
    at,
    check_batch,
    check_gradients,
    check_loss,
    check_shares,
    check_weights,
    conditional,
    differ_by_softmax,
    draws,
    make,
    remark_slow,
)

SECTION = "Uniform mixture"
MADE = ("test_umm_initialisation",)
FORWARD = ("test_umm_forward",)
SIDES = [(6.0, 1.0), (0.5, 8.0), (4.0, 4.0)]


def question(title: str, needs: tuple = MADE):
    return pytest.mark.question(title, file=FILE, needs=needs)


def umm(solution, logits, centers=None, sides=None):
    K = len(logits)
    log_sizes = [[math.log(s) for s in pair] for pair in sides or [(1, 1)] * K]
    return make(solution, "UMM", logits, centers or [[0.0, 0.0]] * K, log_sizes)


@question("UMM: the parameters", needs=LOADED)
def test_umm_initialisation(solution):
    umm(solution, [0.0] * 4)


@question("UMM forward: a number for every point")
def test_umm_forward(solution, remark):
    # all points lie in all boxes: what holds outside is another question
    model = umm(solution, [0.0] * 3, sides=[(6, 6), (5, 5), (4, 4)])
    check_batch(model, 2 * torch.rand(7, 2) - 1, n_components=3)
    many = build(type(model), n_components=33, n_dims=2)
    points = torch.randn(512, 2)
    remark_slow(remark, "forward", "UMM", many, lambda m: m(points))


@question("UMM forward: log p(k)", needs=FORWARD)
def test_umm_weights(solution):
    check_weights(
        lambda logits, sides: umm(solution, logits, sides=sides),
        [(1.0, 2.0), (3.0, 3.0), (4.0, 7.0)],
    )


@question("UMM forward: log p(x|k) in a box", needs=FORWARD)
def test_umm_density(solution):
    found = at(umm(solution, [0.0], [[0.5, -1.0]], [(2.0, 0.8)]), 0.5, -1.0)
    area = 2.0 * 0.8
    if abs(found + math.log(area)) < 1e-3 or differ_by_softmax(
        [found], [-math.log(area)]
    ):
        return
    total = math.exp(found) * area
    reasons = {
        4 / area: "the area takes half of each side",
        1.0: "log p(x|k) lacks the term -log(s1) - log(s2)",
        area: "log p(x|k) adds log s, it must subtract it",
        1 / area**2: "log p(x|k) subtracts log s twice",
    }
    for value, why in reasons.items():
        if abs(math.exp(found) - value) < 1e-3:
            raise Blame(f"{why}: the density integrates to {total:.2f}, not 1")
    raise Blame(
        f"log p(x|k) is {found:.2f} in a box with sides 2 and 0.8, which needs "
        f"{-math.log(area):.2f}: the density integrates to {total:.2f}, not 1"
    )


@question("UMM forward: where a box ends", needs=FORWARD)
def test_umm_edges(solution):
    center = (0.25, -0.5)  # with sides of 1 the edges are exact in binary
    model = umm(solution, [0.0], [list(center)], [(1.0, 1.0)])
    middle = at(model, *center)

    def inside(dx: float, dy: float) -> bool:
        return at(model, center[0] + dx, center[1] + dy) == middle

    axes = ((1, 0), (-1, 0), (0, 1), (0, -1))
    for r in (0.25, 0.375, 0.484375):
        if not all(inside(r * dx, r * dy) for dx, dy in axes):
            raise Blame(
                f"a point {r:g} sides from the center counts as outside, the box "
                "reaches 0.5 sides"
            )
    for r in (0.515625, 0.75, 0.984375):
        if any(inside(r * dx, r * dy) for dx, dy in axes):
            raise Blame(
                f"a point {r:g} sides from the center counts as inside, the box "
                "reaches 0.5 sides"
            )
    missing = sum(not inside(dx / 2, dy / 2) for dx, dy in axes)
    if missing:
        raise Blame(
            f"points on {missing} of the 4 edges count as outside: the comparisons "
            "need <= and >="
        )


@question("UMM forward: points outside every box", needs=FORWARD)
def test_umm_outside(solution):
    model = umm(solution, [0.0, 0.0], [[0.0, 0.0], [3.0, 0.0]])
    x = torch.tensor([[0.0, 0.0], [50.0, 50.0]])
    value = model(x)
    found = value.reshape(-1)[1].item()
    if not math.isfinite(found):
        raise Blame(
            f"log p(x) outside every box is {found}, which makes the loss {found}: use "
            "a large negative number such as -1e6"
        )
    if found > -100:
        raise Blame(
            f"log p(x) outside every box is {found:.4g}, it must be a large negative "
            "number such as -1e6"
        )
    loss = model.loss_function(value)
    if torch.is_tensor(loss) and loss.requires_grad:
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if not all(gradient.isfinite().all() for gradient in gradients):
            raise Blame("a point outside every box makes the gradient of the loss NaN")


@question("UMM: it can be trained", needs=(*FORWARD, "test_umm_weights"))
def test_umm_gradients(solution):
    # the centers have no gradient, rightly: inside a box the density is constant
    model = umm(solution, LOGITS, sides=[(6, 6), (5, 5), (4, 4)])
    check_gradients(model, torch.rand(20, 2), ("logits", "log_sizes"))


@question("UMM loss_function: the negative mean")
def test_umm_loss(solution):
    check_loss(umm(solution, [0.0]))


def check_sides(x, sides, centre, what: str) -> None:
    """The draws of one box reach its edges and not beyond."""
    for d, side in enumerate(sides):
        reach = 2 * (x[:, d] - centre[d]).abs().max().item() / side
        if not 0.95 < reach <= 1 + 1e-4:
            raise Blame(
                f"{what} reaches {reach:.2f} of the way from the center to the edge "
                f"of a box with the side {side:g}, it should be 1"
            )
        if abs(x[:, d].std().item() / side * math.sqrt(12) - 1) > 0.15:
            raise Blame(
                f"{what} does not fill its box evenly: the standard deviation is "
                f"{x[:, d].std():.2f}, for the side {side:g} it is "
                f"{side / math.sqrt(12):.2f}"
            )


@question("UMM sample")
def test_umm_sample(solution, remark):
    model = umm(solution, LOGITS, MEANS, SIDES)
    x = draws(model.sample(2000), 2000, "sample")
    k = check_shares(x)
    for j in range(3):
        check_sides(x[k == j], SIDES[j], MEANS[j], "sample")
    remark_slow(remark, "sample", "UMM", model, lambda m: m.sample(200))


@question("UMM conditional_sample")
def test_umm_conditional_sample(solution):
    model = umm(solution, LOGITS, MEANS, SIDES)
    for label in (0, 1, 2):
        x = conditional(model, 1000, label)
        centre = torch.tensor(MEANS[label])
        if (x.median(0).values - centre).norm() > 5:
            raise Blame(
                f"conditional_sample of component {label} draws around "
                f"({x[:, 0].median():.1f}, {x[:, 1].median():.1f}), its center is at "
                f"({centre[0]:g}, {centre[1]:g})"
            )
        check_sides(x, SIDES[label], MEANS[label], "conditional_sample")
