"""Time the K = 33 training against the loop that courses hand out, on the same batches.

python bench/bench_mixtures.py        # about 3 minutes

The plain loop is a DataLoader that fetches row by row, (N, K, D) arithmetic as in
the exercise, unfused Adam, and .item() every step. Both see the same batches, so their
final log-likelihoods must agree; both are timed without evaluation.
"""

import argparse
import math
import statistics
import time

import torch
from torch.utils.data import DataLoader, TensorDataset

from machinery import cli
from machinery.training import fit, seed_epoch, shuffled
from mixture_models import GMM, OUTSIDE, UMM, MixtureModel
from mixtures.config import GmmConfig, MixtureConfig, UmmConfig
from mixtures.data import load_places
from mixtures.runs import batch_loss, mean_log_likelihood


def plain_log_likelihood(gmm: GMM, x: torch.Tensor) -> torch.Tensor:
    """The exercise's formulas as they are written down: (N, D) -> (N,)."""
    variances = gmm.log_variances.exp()
    squared = (x[:, None] - gmm.means) ** 2 / variances  # (N, K, D)
    log_prob = -0.5 * (squared + gmm.log_variances + math.log(2 * math.pi)).sum(-1)
    return torch.logsumexp(torch.log_softmax(gmm.logits, dim=0) + log_prob, dim=1)


def plain_box_log_likelihood(umm: UMM, x: torch.Tensor) -> torch.Tensor:
    """The exercise's formulas as they are written down: (N, D) -> (N,)."""
    sizes = umm.log_sizes.exp()
    low, high = umm.centers - sizes / 2, umm.centers + sizes / 2
    inside = ((x[:, None] >= low) & (x[:, None] <= high)).all(-1)  # (N, K)
    log_prob = torch.where(inside, -umm.log_sizes.sum(-1), OUTSIDE)
    log_prob = torch.logsumexp(torch.log_softmax(umm.logits, dim=0) + log_prob, dim=1)
    return torch.where(inside.any(1), log_prob, OUTSIDE)


def train_plainly(
    model: MixtureModel, log_likelihood, x, config: MixtureConfig
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    data = TensorDataset(x)
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(len(x), generator=seed_epoch(config.seed, epoch))
        loader = DataLoader(data, batch_size=config.batch_size, sampler=order.tolist())
        total = 0.0
        for (batch,) in loader:
            loss = -log_likelihood(model, batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()


def train_ours(model: MixtureModel, x: torch.Tensor, config: MixtureConfig) -> None:
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, fused=True)
    batches = shuffled(x, config.batch_size)
    epochs = range(1, config.epochs + 1)
    for _ in fit(model, batch_loss, batches, optimizer, epochs, config.seed):
        pass


def seconds(function, *arguments) -> float:
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def compare(
    name: str, new_model, plain, config: MixtureConfig, x, repeats: int
) -> None:
    ours, plains = [], []
    # the first optimizer of a process imports for seconds
    train_ours(new_model(), x[: config.batch_size], config)
    for _ in range(repeats):
        model = new_model()
        ours.append(seconds(train_ours, model, x, config))
        reference = new_model()
        plains.append(seconds(train_plainly, reference, plain, x, config))
    ratio = statistics.median(p / o for p, o in zip(plains, ours, strict=True))
    ends = [mean_log_likelihood(m, x) for m in (model, reference)]
    print(
        f"{name}: ours {statistics.median(ours):.2f} s, plain loop "
        f"{statistics.median(plains):.2f} s, {ratio:.1f} times faster; "
        f"final log-likelihood {ends[0]:.5f} and {ends[1]:.5f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for config_class, model_class, plain in (
        (GmmConfig, GMM, plain_log_likelihood),
        (UmmConfig, UMM, plain_box_log_likelihood),
    ):
        config = config_class(epochs=arguments.epochs, threads=arguments.threads)
        places = load_places(config.data_dir, cli.begin(config))

        def new_model(model_class=model_class, places=places, seed=config.seed):
            torch.manual_seed(seed)
            return model_class(places.n_countries)

        name = model_class.__name__
        compare(name, new_model, plain, config, places.train, arguments.repeats)


if __name__ == "__main__":
    main()
