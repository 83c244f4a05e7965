"""What a uniform mixture can be measured against, on the built-in places.

python bench/yardsticks_umm.py        # a few seconds

One box, and a greedy density-estimation tree with as many leaves as the mixture has
boxes; both span the training data with the background box's margin, so that every test
place counts. Mean test log-likelihood in nats of standardised coordinates.
"""

import math

import numpy as np
from density_tree import fit_tree, tree_log_prob

from machinery import cli
from mixtures import soft_umm
from mixtures.config import UmmConfig
from mixtures.data import load_places


def main() -> None:
    config = UmmConfig()
    places = load_places(config.data_dir, cli.begin(config))
    train, test = places.train.double().numpy(), places.test.double().numpy()
    low, high = train.min(0), train.max(0)
    inside = ((test >= low) & (test <= high)).all(1)
    tight = -math.log(np.prod(high - low))
    print(
        f"bounding box                 {tight:.4f} ({(~inside).sum()} places outside)"
    )
    margin = soft_umm.MARGIN * (high - low)
    low, high = low - margin, high + margin
    print(f"bounding box with margin     {-math.log(np.prod(high - low)):.4f}")
    for min_leaf in (1, 50):
        tree = fit_tree(train, low, high, places.n_countries, min_leaf)
        log_prob = tree_log_prob(test, *tree)
        print(
            f"tree, {len(tree[0])} leaves of >= {min_leaf:2}   {log_prob.mean():.4f} "
            f"({np.isinf(log_prob).sum()} places outside)"
        )


if __name__ == "__main__":
    main()
