"""The page's mixtures against mixture_models.py and soft_umm.py."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from dataset import Standardization
from mixture_models import GMM, UMM
from mixtures.maps import Region
from mixtures.soft_umm import soft_joint_log_prob
from playground import mixtures
from playground.pack import Pack

K, TEMPERATURE = 4, 0.1
LINE = torch.linspace(-2.5, 2.5, 23, dtype=torch.float64)
POINTS = torch.cartesian_prod(LINE, LINE)
KINDS = ["gmm", "umm", "soft"]


def some(kind: str) -> GMM | UMM:
    torch.manual_seed(1)
    model = (GMM if kind == "gmm" else UMM)(K).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    return model


def joint(model, kind: str, x: torch.Tensor) -> torch.Tensor:
    if kind == "soft":
        return soft_joint_log_prob(model, x, TEMPERATURE)
    return model.joint_log_prob(x)


@pytest.fixture(scope="module", params=KINDS)
def mixture(js, request):
    """(kind, PyTorch's model, the same mixture as an expression)."""
    kind, model = request.param, some(request.param)
    pack = Pack({"runs": [], "outside": -1e6, "floor": -80.0})
    temperatures = [TEMPERATURE] if kind == "soft" else None
    shots = [{"epoch": 0, "state_dict": model.state_dict()}]
    mixtures.add_run(pack, kind, K, "random", shots, temperatures)
    name = js.load(pack)
    return kind, model, f"mixtureAt({name}, {name}.meta.runs[0], 0)"


@torch.no_grad()
def test_the_densities(js, mixture):
    kind, model, expression = mixture
    found = js(f"xs.map((x) => logDensity({expression}, x))", xs=POINTS)
    expected = (
        joint(model, kind, POINTS).logsumexp(1) if kind == "soft" else model(POINTS)
    )
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64), expected, rtol=1e-9, atol=1e-9
    )
    assert kind != "umm" or (expected == -1e6).any()


@torch.no_grad()
def test_whose_a_point_is(js, mixture):
    kind, model, expression = mixture
    covered = POINTS[model(POINTS) > -1e5] if kind == "umm" else POINTS
    found = js(f"xs.map((x) => responsibilities({expression}, x))", xs=covered)
    expected = joint(model, kind, covered).softmax(1)
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected)


def test_the_raster_is_the_density(js, mixture):
    _, _, expression = mixture
    found = js(f"densityRaster({expression}, xs, ys)", xs=LINE[:5], ys=LINE[5:8])
    points = [[x, y] for y in LINE[5:8].tolist() for x in LINE[:5].tolist()]
    expected = np.exp(js(f"xs.map((x) => logDensity({expression}, x))", xs=points))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-25)


@torch.no_grad()
def test_10_000_samples_follow_the_weights_and_the_densities(js, mixture):
    kind, model, expression = mixture
    drawn = js(f"sampleMixture({expression}, 10000, makeRandom(11))")
    k = np.array([d["k"] for d in drawn])
    x = np.array([d["x"] for d in drawn])
    weights = model.logits.softmax(0).numpy()
    counts = np.bincount(k, minlength=K)
    assert chisquare(counts, 10_000 * weights).pvalue > 0.01
    for component in range(K):
        for d in range(2):
            cdf = distribution(model, kind, component, d)
            assert kstest(x[k == component, d], cdf).pvalue > 0.001, (component, d)


def distribution(model, kind: str, k: int, d: int):
    """Return the distribution function of a component's coordinate, by hand."""
    if kind == "gmm":
        sigma = (0.5 * model.log_variances[k, d]).exp()
        normal = torch.distributions.Normal(model.means[k, d], sigma)
        return lambda x: normal.cdf(torch.as_tensor(x)).numpy()
    low, high = (edge[k, d].item() for edge in model.edges())
    if kind == "umm":
        return lambda x: np.clip((x - low) / (high - low), 0, 1)

    def softened(x):  # the integral of a difference of two logistic functions
        rise = [np.logaddexp(0, (x - edge) / TEMPERATURE) for edge in (low, high)]
        return TEMPERATURE * (rise[0] - rise[1]) / (high - low)

    return softened


def test_the_mean_counts_every_place_and_those_that_a_box_covers(js):
    box = {
        "kind": "umm", "outside": -1e6, "floor": -80, "logits": [0.0],
        "where": [[0, 0]], "size": [[np.log(2), np.log(2)]],
    }  # fmt: skip
    points = [[0, 0], [0.9, -0.9], [1.1, 0], [5, 5]]
    found = js("meanLogLikelihood(box, points)", box=box, points=points)
    inside = -np.log(4)
    assert found["coverage"] == 0.5
    assert found["covered"] == pytest.approx(inside)
    assert found["mean"] == pytest.approx((2 * inside - 2e6) / 4)


def test_all_trainings_of_both_drivers_are_there(trained_mixtures):
    pack = mixtures.collect(trained_mixtures)
    kinds = [(r["kind"], r["n_components"], r["start"]) for r in pack.meta["runs"]]
    hard = [(3, "random"), (3, "country"), (1, "random"), (5, "random"), (10, "random")]
    expected = [(kind, *which) for kind in ("gmm", "umm") for which in hard]
    assert kinds == [*expected, ("soft", 3, "clusters")]
    assert all(r["epochs"] == [0, 1, 2, 3] for r in pack.meta["runs"])
    softness = pack.meta["runs"][-1]["temperatures"]
    assert softness == sorted(softness, reverse=True)
    assert len(pack.arrays["places"][1]) == 60


def test_one_driver_is_enough(trained_mixtures):
    pack = mixtures.collect(trained_mixtures[:1])
    assert {r["kind"] for r in pack.meta["runs"]} == {"gmm"}


def test_the_coasts_within_reach_are_kept_and_lines_stay_apart():
    nan = [np.nan, np.nan]
    lines = np.array([[1, 1], [2, 2], nan, [170, 1], [171, 1], nan, [3, 3], [4, 4.004]])
    found = mixtures.shown_outlines(Region(0, 0, 10, 10, lines))
    gap = [mixtures.BREAK] * 2
    assert found.tolist() == [[100, 100], [200, 200], gap, [300, 300], [400, 400]]


def test_places_are_standardised_as_the_mixtures_are(trained_mixtures):
    pack = mixtures.collect(trained_mixtures[:1])
    scale = Standardization(*map(torch.tensor, (pack.meta["mean"], pack.meta["std"])))
    degrees = scale.inverse_transform(torch.tensor(pack.arrays["places"][1]).float())
    west, south, east, north = pack.meta["region"]
    inside = (degrees > torch.tensor([west - 2, south - 2])).all(1)
    inside &= (degrees < torch.tensor([east + 2, north + 2])).all(1)
    assert inside.all()
