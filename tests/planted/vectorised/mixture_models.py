import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def standardize(train_features, test_features):
    mean = train_features.mean(dim=0)
    std = train_features.std(dim=0)
    return (train_features - mean) / std, (test_features - mean) / std


class GMM(nn.Module):
    def __init__(self, n_components):
        super().__init__()
        self.n_components = n_components
        self.logits = nn.Parameter(torch.randn(n_components))
        self.means = nn.Parameter(torch.randn(n_components, 2))
        self.log_variances = nn.Parameter(torch.zeros(n_components, 2))

    def forward(self, X):
        log_pk = F.log_softmax(self.logits, dim=0)  # (K,)
        diff = X.unsqueeze(1) - self.means  # (N, K, 2)
        exponent = -0.5 * (diff**2 / self.log_variances.exp()).sum(dim=2)  # (N, K)
        log_sigma = 0.5 * self.log_variances
        log_px_k = -math.log(2 * math.pi) - log_sigma.sum(dim=1) + exponent
        return torch.logsumexp(log_pk + log_px_k, dim=1)

    def loss_function(self, log_likelihood):
        return -torch.mean(log_likelihood)

    def sample(self, n_samples):
        with torch.no_grad():
            probs = F.softmax(self.logits, dim=0)
            k = torch.multinomial(probs, n_samples, replacement=True)
            sigma = torch.exp(0.5 * self.log_variances)
            return self.means[k] + torch.randn(n_samples, 2) * sigma[k]

    def conditional_sample(self, n_samples, label):
        with torch.no_grad():
            std = torch.exp(0.5 * self.log_variances[label])
            return self.means[label] + torch.randn(n_samples, 2) * std


class UMM(nn.Module):
    def __init__(self, n_components):
        super().__init__()
        self.n_components = n_components
        self.logits = nn.Parameter(torch.randn(n_components))
        self.centers = nn.Parameter(torch.randn(n_components, 2))
        self.log_sizes = nn.Parameter(torch.log(1 + 0.2 * torch.rand(n_components, 2)))

    def forward(self, X):
        log_weights = F.log_softmax(self.logits, dim=0)
        sizes = self.log_sizes.exp()
        lower, upper = self.centers - sizes / 2, self.centers + sizes / 2
        points = X.unsqueeze(1)
        inside = ((points >= lower) & (points <= upper)).all(dim=2)  # (N, K)
        log_area = self.log_sizes.sum(dim=1)
        log_prob = torch.where(inside, -log_area, torch.tensor(-1e6))
        return torch.logsumexp(log_weights + log_prob, dim=1)

    def loss_function(self, log_likelihood):
        return -torch.mean(log_likelihood)

    def sample(self, n_samples):
        with torch.no_grad():
            k = torch.multinomial(self.logits.softmax(0), n_samples, replacement=True)
            offset = torch.rand(n_samples, 2) - 0.5
            return self.centers[k] + offset * self.log_sizes[k].exp()

    def conditional_sample(self, n_samples, label):
        with torch.no_grad():
            shift = torch.rand(n_samples, 2) - 0.5
            return self.centers[label] + shift * self.log_sizes[label].exp()
