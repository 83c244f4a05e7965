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


def random_sets(seed: int, n_sets: int = 200) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack(rules.random_sets(n_sets, 3, generator))


def test_half_of_a_random_set_are_multiples_of_the_other_half():
    z = random_sets(0)
    assert (z.shape, z.dtype) == ((200, 16, 3), torch.float64)
    first, second = z.chunk(2, 1)
    ratio = second.norm(dim=2, keepdim=True) / first.norm(dim=2, keepdim=True)
    torch.testing.assert_close(first * ratio, second)  # and none turns round
    # drawn in double precision too: single has seven digits
    assert (ratio.float() / ratio - 1).abs().max() > 1e-8
    for powers in (first.norm(dim=2).log10(), ratio[:, :, 0].log10()):
        # as likely anywhere between a tenth and ten
        assert powers.min() == pytest.approx(-1, abs=0.01)
        assert powers.max() == pytest.approx(1, abs=0.01)
        assert powers.mean() == pytest.approx(0, abs=0.05)
        assert powers.std() == pytest.approx(1 / 3**0.5, abs=0.03)
    both = torch.stack([first.norm(dim=2).log10(), ratio[:, :, 0].log10()])
    assert torch.corrcoef(both.flatten(1))[0, 1].abs() < 0.1
    assert torch.equal(z, random_sets(0))
    assert not torch.equal(z, random_sets(1))


def test_a_verdict_says_which_vectors_decide_and_where():
    x = torch.tensor([[1.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    dot = Domain("dot", functions.dot, proofs={"symmetric": "x·y = y·x"})
    found = rules.judge(dot, x, [])
    assert all(verdict.rule == rule for rule, verdict in found.items())
    assert [v.holds for v in found.values()] == [False, False, True, True]
    assert {v.where for v in found.values()} == {"pixels"}
    assert found["bounded"].evidence.endswith("as long: 9, 900, 9e+04, 9e+06")
    assert found["bounded"].vectors == [[0.0, 3.0]] * 2
    assert found["itself"].evidence == "s(x, x) = 1, and another pair has 9"
    assert found["itself"].vectors == [[1.0, 0.0]] * 2
    assert found["no other"].evidence == "no proof is known here; the most found is 9"
    assert found["no other"].vectors == [[0.0, 3.0]] * 2
    assert found["symmetric"].evidence == "x·y = y·x"
    elsewhere = rules.judge(dot, x[:1], [x])
    assert elsewhere["itself"].where == "random vectors"
    proven = Domain("dot", functions.dot, proofs={"no other": "proof"})
    evidence = rules.judge(proven, x, [])["no other"].evidence
    assert evidence == "proof; the most found is 9"


def test_what_only_doubles_ten_times_as_far_may_be_bounded():
    def growth(factor):
        return lambda z: factor ** z.norm(dim=1).log10()[:, None].expand(-1, len(z))

    z = torch.tensor([[1.0, 0.0], [0.1, 0.0]], dtype=torch.float64)
    for size in (0.01, 1, 100):  # large values are no growth
        assert rules.growing(lambda z, s=size: s * growth(2.0)(z), z) is None
        assert rules.growing(lambda z, s=size: s * growth(2.5)(z), z) is not None


def test_vectors_less_than_a_millionth_apart_are_one():
    z = torch.tensor([[0.0, 0], [2e-6, 0], [2.5e-6, 0], [1, 0]], dtype=torch.float64)
    assert rules.apart(z).tolist() == z[[0, 1, 3]].tolist()
    z = torch.tensor([[0.0], [1e-6]], dtype=torch.float64)
    assert rules.apart(z).tolist() == z.tolist()


def test_vectors_of_length_one_cannot_grow():
    """The dot product is bounded on the sphere, where it is the cosine."""
    assert broken(Domain("dot on the sphere", functions.dot, on_sphere=True)) == set()


def test_rounding_breaks_no_rule():
    """Values of a million that differ in the last digits are equal; of one as well."""
    for size in (1e6, 1.0, 1e-6):
        noise = torch.tensor([[0.0, 1e-12], [-1e-12, 0.0]], dtype=torch.float64)
        even = torch.full((2, 2), size, dtype=torch.float64)
        z = torch.eye(2, dtype=torch.float64)
        for search in (rules.below_the_most, rules.one_way):
            assert search(lambda z, v=even + size * noise: v, z) is None
            apart = even + 1e5 * size * noise.abs() * torch.tensor([[0, 1.0], [0, 0]])
            assert search(lambda z, v=apart: v, z) is not None
            assert search(lambda z, v=even: v, z) is None
        for less, similar in ((1e-12, True), (1e-7, False)):
            other = even - less * size * (1 - torch.eye(2, dtype=torch.float64))
            found = rules.as_similar(lambda z, v=other: v, z)
            assert (found is not None) == similar


def test_if_all_is_zero_no_other_is_less_similar():
    z = torch.eye(3, dtype=torch.float64)
    assert broken(Domain("zero", torch.zeros_like), z, []) == {"no other"}


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
