"""The mixtures against independent formulas, integrals and samples' moments."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import norm
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.func import functional_call

from machinery.training import fit, shuffled
from mixture_models import GMM, UMM, MixtureModel
from tests.helpers import ROOT, run_python

sizes = st.integers(1, 7)
seeds = st.integers(0, 2**32 - 1)


def gmm(
    n_components: int, n_dims: int = 2, seed: int = 0, log_variances=(-2.0, 1.0)
) -> GMM:
    """A float64 mixture with random parameters in every place."""
    torch.manual_seed(seed)
    model = GMM(n_components, n_dims).double()
    with torch.no_grad():
        model.log_variances.uniform_(*log_variances)
    return model


def points(n: int, n_dims: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(n, n_dims, generator=generator, dtype=torch.float64)


def numpy_parameters(model: GMM) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (K,), means (K, D) and standard deviations (K, D), in float64."""
    logits, means, log_variances = (
        p.detach().double().numpy()
        for p in (model.logits, model.means, model.log_variances)
    )
    return softmax(logits), means, np.sqrt(np.exp(log_variances))


def reference_joint(model: GMM, x: torch.Tensor) -> np.ndarray:
    """Return log p(k) + log p(x|k), (N, K), by scipy in float64."""
    weights, means, sigmas = numpy_parameters(model)
    x = x.detach().double().numpy()[:, None]
    return np.log(weights) + norm.logpdf(x, means, sigmas).sum(-1)


def integral(log_density, half_width: float = 12.0, n: int = 480) -> float:
    """Integrate exp(log_density) over a square, by the midpoint rule."""
    edges = torch.linspace(-half_width, half_width, n + 1, dtype=torch.float64)
    line = (edges[1:] + edges[:-1]) / 2
    cell = (2 * half_width / n) ** 2
    return (log_density(torch.cartesian_prod(line, line)).exp().sum() * cell).item()


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        MixtureModel(3)


@given(n=sizes, n_components=sizes, n_dims=sizes)
def test_shapes_hold_for_any_sizes(n, n_components, n_dims):
    model = GMM(n_components, n_dims)
    x = torch.randn(n, n_dims)
    assert model.logits.shape == (n_components,)
    assert model.means.shape == model.log_variances.shape == (n_components, n_dims)
    assert model(x).shape == (n,)
    assert model.joint_log_prob(x).shape == (n, n_components)
    assert model.responsibilities(x).shape == (n, n_components)
    assert model.loss_function(model(x)).shape == ()
    assert model.sample(n).shape == (n, n_dims)
    assert model.conditional_sample(n, n_components - 1).shape == (n, n_dims)


def test_the_start_is_the_exercise_s():
    torch.manual_seed(0)
    model = GMM(5000)
    assert not model.log_variances.any()
    for parameter in (model.logits, model.means):
        assert parameter.mean().abs() < 0.05
        assert parameter.std().item() == pytest.approx(1, abs=0.05)


def test_the_locations_are_the_means_themselves():
    model = GMM(3)
    assert model.locations is model.means
    assert [*model.state_dict()] == ["logits", "means", "log_variances"]


@pytest.mark.parametrize("n_components", [1, 2, 5, 33])
def test_density_integrates_to_one(n_components):
    model = gmm(n_components, seed=n_components)
    with torch.no_grad():
        assert integral(model) == pytest.approx(1, abs=1e-6)


def test_density_of_a_gaussian_at_its_mean_has_log_sigma_and_not_log_sigma_squared():
    # 1 / (2 pi sigma_1 sigma_2); the exercise prints log sigma^2 for each dimension
    model = gmm(1)
    model.log_variances.data = torch.tensor([[2 * math.log(3), 2 * math.log(0.5)]])
    at_mean = model(model.means).item()
    assert at_mean == pytest.approx(-math.log(2 * math.pi * 3 * 0.5))


def test_the_exercise_s_printed_formula_would_not_integrate_to_one():
    model = gmm(1)
    model.log_variances.data = torch.full((1, 2), 2 * math.log(2.0)).double()

    def printed(x):
        square = ((x - model.means) ** 2 / 4).sum(1)
        return -math.log(2 * math.pi) - 2 * math.log(4.0) - square / 2

    with torch.no_grad():
        assert integral(printed) == pytest.approx(1 / 4, abs=1e-6)
        assert integral(model) == pytest.approx(1, abs=1e-6)


@given(n=sizes, n_components=sizes, n_dims=sizes, seed=seeds)
def test_log_likelihood_equals_torch_distributions(n, n_components, n_dims, seed):
    model, x = gmm(n_components, n_dims, seed), points(n, n_dims, seed)
    components = Normal(model.means, model.log_variances.exp().sqrt())
    mixture = MixtureSameFamily(
        Categorical(logits=model.logits), Independent(components, 1)
    )
    torch.testing.assert_close(model(x), mixture.log_prob(x))


@given(n=sizes, n_components=sizes, n_dims=sizes, seed=seeds)
def test_scores_and_responsibilities_equal_scikit_learn(n, n_components, n_dims, seed):
    model, x = gmm(n_components, n_dims, seed), points(n, n_dims, seed)
    other = GaussianMixture(n_components, covariance_type="diag")
    other.weights_, other.means_, sigmas = numpy_parameters(model)
    other.precisions_cholesky_ = 1 / sigmas
    with torch.no_grad():
        np.testing.assert_allclose(model(x), other.score_samples(x.numpy()))
        ours = model.responsibilities(x)
        np.testing.assert_allclose(ours, other.predict_proba(x.numpy()), atol=1e-12)


@given(seed=seeds)
def test_responsibilities_satisfy_bayes_rule_and_sum_to_one(seed):
    model, x = gmm(4, seed=seed), points(6, seed=seed)
    with torch.no_grad():
        ours = model.responsibilities(x)
    joint = np.exp(reference_joint(model, x))
    np.testing.assert_allclose(ours, joint / joint.sum(1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(ours.sum(1), 1)


@given(logits=st.lists(st.floats(-80, 80), min_size=1, max_size=9))
def test_weights_are_normalised_for_any_logits(logits):
    # equal components: the mixture is that one Gaussian, if the weights sum to one
    model = GMM(len(logits)).double()
    model.logits.data = torch.tensor(logits).double()
    model.means.data.zero_()
    x = points(5)
    expected = norm.logpdf(x.numpy()).sum(1)
    with torch.no_grad():
        np.testing.assert_allclose(model(x), expected)


@pytest.mark.parametrize(("n_components", "n_dims"), [(1, 1), (3, 2), (4, 3)])
def test_gradients_are_those_of_finite_differences(n_components, n_dims):
    model = gmm(n_components, n_dims)
    names, values = zip(*model.named_parameters(), strict=True)
    x = points(5, n_dims).requires_grad_()

    def log_likelihood(x, *values):
        return functional_call(model, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(log_likelihood, (x, *values))


@given(seed=seeds)
def test_float32_is_accurate_for_variances_down_to_1e_minus_8(seed):
    # points near the means: elsewhere such a density is a huge number of nats
    model = gmm(33, seed=seed, log_variances=(math.log(1e-8), 0.0)).float()
    generator = torch.Generator().manual_seed(seed)
    k = torch.arange(33).repeat(10)
    sigma = (0.5 * model.log_variances[k]).exp()
    noise = torch.randn(len(k), 2, generator=generator).clamp(-3, 3)
    x = (model.means[k] + sigma * noise).detach()
    expected = logsumexp(reference_joint(model, x), axis=1)
    with torch.no_grad():
        np.testing.assert_allclose(model(x), expected, rtol=0, atol=1e-4)


def test_points_at_a_mean_of_variance_1e_minus_8_are_accurate():
    model = GMM(2)
    model.logits.data.zero_()
    model.means.data = torch.tensor([[1.3, -0.7], [-2.1, 1.9]])
    model.log_variances.data.fill_(math.log(1e-8))
    expected = math.log(0.5) - math.log(2 * math.pi) + 8 * math.log(10)
    for value in model(model.means).tolist():
        assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("distance", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("variance", [1e-8, 1.0, 1e8])
def test_far_away_points_have_finite_values_and_gradients(distance, variance):
    model = GMM(3)
    model.log_variances.data.fill_(math.log(variance))
    x = torch.tensor([[distance, -distance]], requires_grad=True)
    value = model(x)
    model.loss_function(value).backward()
    assert value.isfinite().all()
    for tensor in (x, *model.parameters()):
        assert tensor.grad.isfinite().all()
    assert x.grad.abs().min() > 0


def test_loss_is_the_negative_mean_log_likelihood():
    model = GMM(2)
    assert model.loss_function(torch.tensor([1.0, 2.0, 6.0])).item() == -3.0


def test_sample_moments_are_the_mixture_s():
    model = gmm(3, seed=5)
    x = model.sample(200_000, generator=torch.Generator().manual_seed(0)).numpy()
    weights, means, sigmas = numpy_parameters(model)
    mean = weights @ means
    second = (weights[:, None] * means).T @ means + np.diag(weights @ sigmas**2)
    np.testing.assert_allclose(x.mean(0), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), second - np.outer(mean, mean), atol=0.04)


def test_components_are_drawn_in_proportion_to_their_weights():
    model = gmm(3)
    model.logits.data = torch.tensor([0.2, 0.3, 0.5]).double().log()
    model.means.data = torch.tensor([[-50.0, 0], [0, 0], [50, 0]]).double()
    x = model.sample(50_000, generator=torch.Generator().manual_seed(0))
    shares = [(x[:, 0] < -25), (x[:, 0].abs() <= 25), (x[:, 0] > 25)]
    found = [share.double().mean().item() for share in shares]
    assert found == pytest.approx([0.2, 0.3, 0.5], abs=0.01)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_conditional_samples_have_their_component_s_moments(k):
    model = gmm(3, n_dims=3, seed=7)
    generator = torch.Generator().manual_seed(k)
    x = model.conditional_sample(100_000, k, generator=generator).numpy()
    _, means, sigmas = numpy_parameters(model)
    np.testing.assert_allclose(x.mean(0), means[k], atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), np.diag(sigmas[k] ** 2), atol=0.04)


@pytest.mark.parametrize("n", [1, 2, 100])
def test_samples_are_detached_and_of_the_wanted_number(n):
    model = GMM(3, n_dims=4)
    for x in (model.sample(n), model.conditional_sample(n, 2)):
        assert x.shape == (n, 4)
        assert not x.requires_grad
        assert x.grad_fn is None


@pytest.mark.parametrize("kind", [GMM, UMM])
def test_samples_depend_on_their_generator_alone(kind):
    model = kind(5)

    def draw(seed, n_before=0):
        torch.rand(n_before)  # moves the global generator, which must not matter
        a, b = (torch.Generator().manual_seed(seed) for _ in range(2))
        return torch.cat(
            [model.sample(9, generator=a), model.conditional_sample(9, 3, generator=b)]
        )

    assert torch.equal(draw(3), draw(3, n_before=5))
    assert not torch.equal(draw(3), draw(4))


@pytest.mark.parametrize("kind", [GMM, UMM])
def test_samples_with_a_generator_leave_the_global_one_alone(kind):
    model = kind(5)
    before = torch.get_rng_state()
    model.sample(9, generator=torch.Generator())
    model.conditional_sample(9, 1, generator=torch.Generator())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", [GMM, UMM])
def test_samples_have_all_the_digits_of_a_float64_model(kind):
    model = kind(2).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # a draw is its noise
    x = model.sample(50)
    assert x.dtype == torch.float64
    assert (x != x.float()).any()


@pytest.mark.parametrize("kind", [GMM, UMM])
def test_samples_are_drawn_where_the_model_lives(kind):
    model = kind(3).to("meta")  # holds no number, and mixes with no other device
    for x in (model.sample(5), model.conditional_sample(5, 1)):
        assert x.device.type == "meta"


@pytest.mark.parametrize("n", [0, -3])
def test_samples_of_no_number_are_refused(n):
    with pytest.raises(ValueError, match=f"n_samples must be at least 1, got {n}$"):
        GMM(2).sample(n)


def test_a_label_may_be_a_tensor():
    model = GMM(4)
    draws = [
        model.conditional_sample(5, label, generator=torch.Generator().manual_seed(1))
        for label in (2, torch.tensor(2))
    ]
    assert torch.equal(*draws)


@pytest.mark.parametrize("label", [-1, 4, 99])
def test_a_label_out_of_range_is_refused(label):
    with pytest.raises(ValueError, match=rf"label must be in 0\.\.3, got {label}$"):
        GMM(4).conditional_sample(1, label)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (5, 1), (2, 5, 2)])
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"x must be \(N, 2\), got") as error:
        GMM(3)(torch.zeros(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("kind", [GMM, UMM])
@pytest.mark.parametrize("n_dims", [1, 3])
def test_a_density_alone_drops_no_dimension(kind, n_dims):
    with pytest.raises(ValueError, match="zip"):
        kind(3).component_log_prob(torch.zeros(5, n_dims))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 2), "n_components must be at least 1, got 0"),
        ((-4, 2), "n_components must be at least 1, got -4"),
        ((3, 0), "n_dims must be at least 1, got 0"),
    ],
)
def test_a_mixture_of_nothing_is_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        GMM(*sizes)


def test_training_recovers_a_planted_mixture():
    weights = np.array([0.5, 0.3, 0.2])
    means = np.array([[-2.0, 0.0], [2.0, 0.5], [0.0, 3.0]])
    sigmas = np.array([[0.5, 0.2], [0.3, 0.6], [0.4, 0.4]])
    rng = np.random.default_rng(0)
    k = rng.choice(3, size=3000, p=weights)
    x = torch.from_numpy(rng.normal(means[k], sigmas[k])).float()
    torch.manual_seed(0)
    model = GMM(3)
    model.means.data = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for _ in fit(
        model,
        lambda model, x: model.loss_function(model(x)),
        shuffled(x, 1000),
        optimizer,
        range(1, 101),
        seed=0,
    ):
        pass
    found = numpy_parameters(model)
    np.testing.assert_allclose(found[0], weights, atol=0.03)
    np.testing.assert_allclose(found[1], means, atol=0.08)
    np.testing.assert_allclose(found[2], sigmas, atol=0.08)


def test_importing_the_models_prints_draws_and_writes_nothing(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import mixture_models; "
        "assert 'matplotlib' not in sys.modules, 'matplotlib was imported'"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
