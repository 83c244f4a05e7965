"""What a search must find, and what it cannot find."""

import pytest
import torch

from similarity import functions, rules
from similarity.data import make_image, pixels
from similarity.rules import DOMAINS, RULES, Domain

IMAGE = pixels(make_image(8, 7))
SETS = rules.random_sets(20, 3, torch.Generator().manual_seed(0))
BROKEN = {
    "dot product": {"bounded", "itself", "no other"},
    "cosine": {"no other"},
    "cosine on the sphere": set(),
    "softmax of rows": {"itself", "no other", "symmetric"},
    "softmax of all cosines": {"no other"},
    "scaled cosine": {"no other"},
}


def broken(domain: Domain, image=IMAGE, sets=SETS) -> set[str]:
    return {r for r, v in rules.judge(domain, image, sets).items() if not v.holds}


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: d.name)
def test_the_rules_that_each_function_breaks(domain):
    assert broken(domain) == BROKEN[domain.name]
    assert broken(domain, SETS[0], SETS) == BROKEN[domain.name]  # without the image


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: d.name)
def test_a_rule_that_holds_has_its_proof(domain):
    assert set(domain.proofs) == set(RULES) - BROKEN[domain.name]


@pytest.mark.parametrize("name", ["dot product", "cosine", "scaled cosine"])
def test_a_counterexample_is_one(name):
    domain = next(d for d in DOMAINS if d.name == name)
    found = rules.judge(domain, IMAGE, SETS)["no other"]
    z = torch.tensor(found.vectors, dtype=torch.float64)
    values = domain.function(z)
    assert not torch.equal(z[0], z[1])
    assert values[0, 1] >= values[0, 0] - 1e-9


def bell(z):
    """A similarity on all of R^d: exp(-|x - y|^2 / 2)."""
    return torch.exp(-(torch.cdist(z, z) ** 2) / 2).fill_diagonal_(1)


def test_a_similarity_on_all_vectors_breaks_no_rule():
    apart = [set_ * 0.1 for set_ in SETS]  # else it is zero to rounding
    assert broken(Domain("bell", bell), IMAGE, apart) == set()


@pytest.mark.parametrize(
    ("rule", "function"),
    [
        ("symmetric", lambda z: bell(z) * (1 + 0.01 * z[:, :1].sigmoid()).T),
        ("itself", lambda z: bell(z) * z[:, :1].sigmoid() * z[:, :1].sigmoid().T),
        ("bounded", lambda z: bell(z) + z.norm(dim=1) @ z.norm(dim=1)),
        ("no other", lambda z: bell(z.round(decimals=1))),
    ],
)
def test_a_planted_breach_is_found(rule, function):
    assert rule in broken(Domain("planted", function))


def test_cosine_is_no_similarity_on_all_vectors_but_on_the_sphere():
    """Erratum of 001, 4 (a) iii: x and 2x differ, and their cosine is one."""
    x = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], dtype=torch.float64)
    assert broken(Domain("cosine", functions.cosine), x, []) == {"no other"}
    on_sphere = Domain("cosine", functions.cosine, on_sphere=True, proofs={})
    assert broken(on_sphere, x, SETS) == set()


def test_a_softmax_is_a_function_of_all_vectors_not_of_two():
    after = IMAGE.clone()
    after[-1] *= 3
    for domain in DOMAINS:
        same = torch.isclose(domain.function(IMAGE)[0, 1], domain.function(after)[0, 1])
        # all cosines stay where a pixel only gets brighter
        assert bool(same) == (domain.name != "softmax of rows")
