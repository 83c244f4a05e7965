"""Time against likelihood: our fast fit and scikit-learn's EM, on the built-in places.

python bench/bench_sklearn.py        # about 4 minutes; bench/frontier.png

Both fit K = 33 diagonal Gaussians to the same places on one thread, each with several
amounts of work (epochs; tolerances) and five seeds, in turn. Quoted are the medians of
wall-clock seconds and of the mean test log-likelihood.
"""

import argparse
import statistics
import time
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from machinery import cli
from machinery.plotting import BLUE, ORANGE
from mixtures.config import GmmConfig
from mixtures.data import Places, load_places
from mixtures.fast_gmm import EPOCHS, fit_fast
from mixtures.runs import mean_log_likelihood

OUR_EPOCHS = (2, 4, 8, EPOCHS, 30, 60)
TOLERANCES = (1e-2, 1e-3, 3e-4, 1e-4)
SKLEARN_DEFAULT = 1e-3


def ours(places: Places, seed: int, epochs: int) -> tuple[float, float]:
    began = time.perf_counter()
    gmm = fit_fast(places.n_countries, places.train, seed, epochs=epochs)
    seconds = time.perf_counter() - began
    return seconds, mean_log_likelihood(gmm, places.test)


def theirs(places: Places, seed: int, tolerance: float) -> tuple[float, float]:
    train, test = places.train.double().numpy(), places.test.double().numpy()
    began = time.perf_counter()
    mixture = GaussianMixture(
        places.n_countries, covariance_type="diag", tol=tolerance,
        max_iter=1000, random_state=seed,
    ).fit(train)  # fmt: skip
    return time.perf_counter() - began, float(mixture.score(test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    n_seeds = parser.parse_args().seeds
    config = GmmConfig()
    places = load_places(config.data_dir, cli.begin(config))
    ours(places, 0, 1)  # the first optimizer of a process imports for seconds
    settings = [("fast fit", ours, n, f"{n} epochs") for n in OUR_EPOCHS]
    settings += [("scikit-learn", theirs, t, f"tol {t:g}") for t in TOLERANCES]
    results: dict = {setting: [] for setting in settings}
    with threadpool_limits(config.threads):
        for seed in range(config.seed, config.seed + n_seeds):
            for setting, runs in results.items():
                runs.append(setting[1](places, seed, setting[2]))
    rows = []
    for (name, _, _, label), runs in results.items():
        seconds, tests = zip(*runs, strict=True)
        row = (name, label, statistics.median(seconds), statistics.median(tests))
        rows.append(row)
        print(
            f"{name:12} {label:10} {row[2]:6.2f} s  {row[3]:.4f} nats "
            f"({min(tests):.4f} to {max(tests):.4f})"
        )
    draw(rows).savefig(Path(__file__).with_name("frontier.png"))


def draw(rows) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=130)
    axes = figure.subplots()
    for name, color, marker in (("fast fit", BLUE, "o"), ("scikit-learn", ORANGE, "s")):
        mine = [row for row in rows if row[0] == name]
        axes.plot(
            [r[2] for r in mine], [r[3] for r in mine],
            color=color, marker=marker, label=name,
        )  # fmt: skip
        for _, label, x, y in mine:
            axes.annotate(label, (x, y), (4, -11), textcoords="offset points", size=8)
    axes.set_xscale("log")
    axes.set(
        xlabel="seconds, one thread (median)",
        ylabel="mean test log-likelihood\n(nats per place, median)",
    )
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    main()
