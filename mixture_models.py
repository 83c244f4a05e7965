"""Mixture models p(x) = sum_k p(k) p(x|k), fitted by gradient descent.

Everything stays in logarithms: p(k) p(x|k) underflows long before its logarithm does.
Shapes: N points, n samples, K components, D dimensions.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

LOG_2PI = math.log(2 * math.pi)
OUTSIDE = -1e6  # stands for log 0: finite, so that the mean of a data set stays finite


class MixtureModel(nn.Module, ABC):
    """The weights and what every mixture shares; a subclass adds a density and a draw.

    Parameter: logits (K,); p(k) = softmax(logits), so that any real numbers are valid.
    """

    def __init__(self, n_components: int, n_dims: int = 2) -> None:
        """Raise ValueError unless n_components and n_dims are at least 1."""
        super().__init__()
        for name, value in (("n_components", n_components), ("n_dims", n_dims)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.n_components = n_components
        self.n_dims = n_dims
        self.logits = nn.Parameter(torch.randn(n_components))

    @property
    @abstractmethod
    def locations(self) -> nn.Parameter:
        """Where the components are, (K, D): what a start from the data sets."""

    @abstractmethod
    def component_log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x|k) in nats: (N, D) -> (N, K)."""

    @abstractmethod
    def component_sample(self, k: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw one point of component k[i] for every i: (n,) -> (n, D)."""

    def joint_log_prob(self, x: Tensor) -> Tensor:
        """Return log p(k) + log p(x|k) in nats: (N, D) -> (N, K)."""
        if x.ndim != 2 or x.shape[1] != self.n_dims:
            raise ValueError(f"x must be (N, {self.n_dims}), got {tuple(x.shape)}")
        return self.logits.log_softmax(0) + self.component_log_prob(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-likelihood log p(x) in nats: (N, D) -> (N,)."""
        joint = self.joint_log_prob(x)  # (N, K)
        # e^-60 vanishes beside the largest term, but exp is many times slower where it
        # underflows: nearly all terms of a point lie there
        floor = joint.detach().amax(dim=1, keepdim=True) - 60
        return joint.clamp(min=floor).logsumexp(dim=1)

    def loss_function(self, log_likelihood: Tensor) -> Tensor:
        """Return the negative mean of the log-likelihoods: (N,) -> ()."""
        return -log_likelihood.mean()

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return p(k|x), by Bayes' rule: (N, D) -> (N, K), rows sum to one."""
        return self.joint_log_prob(x).softmax(dim=1)

    @torch.no_grad()
    def sample(
        self, n_samples: int, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw from p(x): first k ~ p(k), then x ~ p(x|k). Return (n_samples, D).

        Raise ValueError unless n_samples is at least 1.
        """
        if n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples}")
        weights = self.logits.softmax(0)
        k = torch.multinomial(weights, n_samples, replacement=True, generator=generator)
        return self.component_sample(k, generator)

    @torch.no_grad()
    def conditional_sample(
        self, n_samples: int, label: int, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw from p(x|k = label). Return (n_samples, D).

        Raise ValueError unless label is one of 0..n_components - 1.
        """
        if label not in range(self.n_components):
            raise ValueError(
                f"label must be in 0..{self.n_components - 1}, got {label}"
            )
        k = torch.full((n_samples,), int(label), device=self.logits.device)
        return self.component_sample(k, generator)


class GMM(MixtureModel):
    """Gaussians with diagonal covariance: means (K, D), log_variances (K, D)."""

    def __init__(self, n_components: int, n_dims: int = 2) -> None:
        super().__init__(n_components, n_dims)
        self.means = nn.Parameter(torch.randn(n_components, n_dims))
        self.log_variances = nn.Parameter(torch.zeros(n_components, n_dims))

    @property
    def locations(self) -> nn.Parameter:
        return self.means

    def component_log_prob(self, x: Tensor) -> Tensor:
        # The mean is subtracted before anything is squared: expanding the square loses
        # every digit when a variance is small. One dimension at a time on (K, N) keeps
        # the long axis contiguous and never builds an (N, K, D) tensor.
        roots = (-0.5 * self.log_variances).exp() * math.sqrt(0.5)  # (K, D)
        squares = [
            ((x_d - mean[:, None]) * root[:, None]).square()
            for x_d, mean, root in zip(x.T, self.means.T, roots.T, strict=True)
        ]
        distance = sum(squares[1:], start=squares[0])  # (K, N), halved by the root
        log_volume = 0.5 * (self.log_variances + LOG_2PI).sum(1)  # (K,)
        return (-log_volume[:, None] - distance).T  # (K, N) -> (N, K)

    def component_sample(self, k: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.randn(
            len(k), self.n_dims, generator=generator,
            dtype=self.means.dtype, device=self.means.device,
        )  # fmt: skip
        return self.means[k] + noise * (0.5 * self.log_variances[k]).exp()


class UMM(MixtureModel):
    """Uniform boxes with sides along the axes: centers (K, D), log_sizes (K, D)."""

    def __init__(self, n_components: int, n_dims: int = 2) -> None:
        super().__init__(n_components, n_dims)
        self.centers = nn.Parameter(torch.randn(n_components, n_dims))
        sizes = 1 + 0.2 * torch.rand(n_components, n_dims)
        self.log_sizes = nn.Parameter(sizes.log())

    @property
    def locations(self) -> nn.Parameter:
        return self.centers

    def edges(self) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest corner of each box, (K, D) each."""
        half = 0.5 * self.log_sizes.exp()
        return self.centers - half, self.centers + half

    def inside(self, x: Tensor) -> Tensor:
        """Return which boxes hold which points, edges included: (N, D) -> (N, K)."""
        low, high = (edge.detach() for edge in self.edges())
        inside = torch.tensor(True, device=x.device)
        for x_d, low_d, high_d in zip(x.T, low.T, high.T, strict=True):
            inside = inside & (low_d[:, None] <= x_d) & (x_d <= high_d[:, None])
        return inside.T  # (K, N) -> (N, K)

    def component_log_prob(self, x: Tensor) -> Tensor:
        return torch.where(self.inside(x), -self.log_sizes.sum(1), OUTSIDE)

    def forward(self, x: Tensor) -> Tensor:
        # At -1e6 a float32 has a spacing of 0.0625. A point that no box covers would
        # feed that noise into the gradient of logits, so it is cut off here.
        log_likelihood = super().forward(x)
        return torch.where(log_likelihood > 0.5 * OUTSIDE, log_likelihood, OUTSIDE)

    def component_sample(self, k: Tensor, generator: torch.Generator | None) -> Tensor:
        low, high = (edge[k] for edge in self.edges())
        u = torch.rand(
            len(k), self.n_dims, generator=generator,
            dtype=low.dtype, device=low.device,
        )  # fmt: skip
        return (low + u * (high - low)).clamp(max=high)  # rounding may overshoot
