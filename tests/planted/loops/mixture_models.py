import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
from torch.distributions import MultivariateNormal

from dataset import EuropeDataset


def normalize_tensor(tensor, d):
    mean = torch.mean(tensor, dim=d, keepdim=True)
    std = torch.std(tensor, dim=d, keepdim=True)
    return (tensor - mean) / std


class GMM(nn.Module):
    def __init__(self, n_components):
        super().__init__()
        self.n_components = n_components
        self.weights = nn.Parameter(torch.randn(n_components))
        self.means = nn.Parameter(torch.randn(n_components, 2))
        self.log_variances = nn.Parameter(torch.zeros(n_components, 2))

    def forward(self, X):
        log_weights = torch.log_softmax(self.weights, dim=0)
        terms = []
        for k in range(self.n_components):
            gaussian = MultivariateNormal(
                self.means[k], torch.diag(torch.exp(self.log_variances[k]))
            )
            terms.append(log_weights[k] + gaussian.log_prob(X))
        return torch.logsumexp(torch.stack(terms), dim=0)

    def loss_function(self, log_likelihood):
        return -log_likelihood.sum() / len(log_likelihood)

    def sample(self, n_samples):
        probs = torch.softmax(self.weights, dim=0).detach().numpy().astype(float)
        samples = []
        for _ in range(n_samples):
            k = np.random.choice(self.n_components, p=probs / probs.sum())
            samples.append(self.conditional_sample(1, int(k))[0])
        return np.array(samples)

    def conditional_sample(self, n_samples, label):
        mean = self.means[label].detach().numpy()
        std = np.sqrt(np.exp(self.log_variances[label].detach().numpy()))
        return np.random.normal(mean, std, size=(n_samples, 2))


class UMM(nn.Module):
    def __init__(self, n_components):
        super().__init__()
        self.n_components = n_components
        self.weights = nn.Parameter(torch.randn(n_components))
        self.centers = nn.Parameter(torch.randn(n_components, 2))
        sizes = torch.ones(n_components, 2) + 0.2 * torch.rand(n_components, 2)
        self.log_sizes = nn.Parameter(torch.log(sizes))

    def forward(self, X):
        log_weights = torch.log_softmax(self.weights, dim=0)
        terms = []
        for k in range(self.n_components):
            size = torch.exp(self.log_sizes[k])
            inside = (torch.abs(X - self.centers[k]) <= size / 2).all(dim=1)
            log_prob = torch.full((X.shape[0],), -1e6)
            log_prob[inside] = -torch.log(size[0]) - torch.log(size[1])
            terms.append(log_weights[k] + log_prob)
        return torch.logsumexp(torch.stack(terms, dim=1), dim=1)

    def loss_function(self, log_likelihood):
        return -torch.mean(log_likelihood)

    def sample(self, n_samples):
        probs = torch.softmax(self.weights, dim=0)
        samples = []
        for k in torch.multinomial(probs, n_samples, replacement=True):
            samples.append(self.conditional_sample(1, k))
        return torch.cat(samples)

    def conditional_sample(self, n_samples, label):
        half = torch.exp(self.log_sizes[label]) / 2
        center = self.centers[label]
        box = torch.distributions.Uniform(center - half, center + half)
        return box.sample((n_samples,)) + 0 * center  # not detached


if __name__ == "__main__":
    train = EuropeDataset("train.csv")
    train.features = normalize_tensor(train.features, 0)
    plt.scatter(*GMM(5).sample(1000).T)
    plt.show()
