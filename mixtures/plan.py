"""Which mixtures the questions need: components, start and seed of each training.

Question 1: samples for several numbers of components. Question 2: the training from a
random start (a, b) and from one component per country (c); which start did better is
judged over several seeds.
"""

from dataclasses import dataclass

from machinery.errors import BadInput
from machinery.training import steps_per_epoch
from mixtures.config import MixtureConfig
from mixtures.data import Places
from mixtures.runs import Key

COMPONENT_COUNTS = (1, 5, 10)  # and the number of countries
SHOWN_EPOCHS = (1, 10, 20, 30, 40, 50)
STARTS = ("random", "country")


@dataclass(frozen=True)
class Plan:
    """The trainings as keys (n_components, start, seed); the first seed's are shown."""

    n_countries: int
    seeds: range

    @property
    def random(self) -> Key:
        """Question 2a and b."""
        return (self.n_countries, "random", self.seeds[0])

    @property
    def country(self) -> Key:
        """Question 2c."""
        return (self.n_countries, "country", self.seeds[0])

    @property
    def counted(self) -> list[Key]:
        """Question 1: one training per number of components, the smallest first."""
        counts = sorted({*COMPONENT_COUNTS, self.n_countries})
        return [(n, "random", self.seeds[0]) for n in counts]

    @property
    def shown(self) -> list[Key]:
        """Every training that figures show, question 2's first."""
        return list(dict.fromkeys([self.random, self.country, *self.counted]))

    @property
    def keys(self) -> list[Key]:
        """Every training once, those that are shown first."""
        both = [(self.n_countries, s, seed) for seed in self.seeds for s in STARTS]
        return list(dict.fromkeys(self.shown + both))

    def count_steps(self, config: MixtureConfig, places: Places) -> int:
        per_epoch = steps_per_epoch(len(places.train), config.batch_size)
        return len(self.keys) * config.epochs * per_epoch


def make_plan(config: MixtureConfig, places: Places) -> Plan:
    """Return the plan; BadInput where the places are too few for its components."""
    seeds = range(config.seed, config.seed + config.n_seeds)
    plan = Plan(places.n_countries, seeds)
    most = max(n_components for n_components, _, _ in plan.keys)
    distinct = len(places.train.cpu().unique(dim=0))
    if distinct < most:
        raise BadInput(
            f"the training set has {distinct} distinct places; "
            f"{most} components need at least {most}"
        )
    return plan


def shown_epochs(last: int) -> list[int]:
    """Return the epochs that figures show of a training that came to epoch last."""
    return sorted({epoch for epoch in SHOWN_EPOCHS if epoch < last} | {last})
