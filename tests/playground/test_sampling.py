"""What the page cuts and draws is what transformer.py cuts and draws."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from transformer import next_token_distribution

LOGITS = torch.randn(1, 12, generator=torch.Generator().manual_seed(0)).double()
ROWS = "cutTokens(logits, temperature, topK, topP)"


def cut(js, temperature, top_k=None, top_p=1.0, logits=LOGITS[0]):
    return js(
        ROWS, logits=logits, temperature=temperature, topK=top_k or 10**6, topP=top_p
    )


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 4, 12, 50])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.3, 0.01])
def test_the_cut_distribution_is_the_model_s(js, temperature, top_k, top_p):
    rows = cut(js, temperature, top_k, top_p)
    found = torch.zeros(1, 12, dtype=torch.float64)
    for line in rows:
        found[0, line["token"]] = line["after"]
    expected = next_token_distribution(LOGITS, temperature, top_k, top_p)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_it_says_what_cut_each_token(js):
    logits = [0.4, 0.3, 0.2, 0.1]
    logits = np.log(logits).tolist()
    rows = cut(js, 1.0, top_k=3, top_p=0.7, logits=logits)
    assert [line["token"] for line in rows] == [0, 1, 2, 3]
    # of 4/9, 3/9 and 2/9 the first two have at least 0.7
    fates = [line["fate"] for line in rows]
    assert fates == ["kept", "kept", "cut by top-p", "cut by top-k"]
    assert [line["before"] for line in rows] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert [line["after"] for line in rows] == pytest.approx([4 / 7, 3 / 7, 0, 0])


def test_exactly_k_survive_a_tie(js):
    rows = cut(js, 1.0, top_k=2, logits=[1.0] * 6)
    assert sum(line["after"] > 0 for line in rows) == 2


def test_temperature_zero_keeps_the_likeliest_alone(js):
    rows = cut(js, 0)
    assert rows[0]["token"] == LOGITS.argmax().item()
    assert [line["after"] for line in rows] == [1.0] + [0.0] * 11


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, None, 1.0), (0.7, 6, 1.0), (1.5, None, 0.8)],
)
def test_10_000_draws_follow_the_distribution(js, temperature, top_k, top_p):
    drawn = js(
        f"(() => {{ const random = makeRandom(7); const rows = {ROWS};"
        " return Array.from({ length: 10000 }, () => drawToken(rows, random)); })()",
        logits=LOGITS[0], temperature=temperature, topK=top_k or 10**6, topP=top_p,
    )  # fmt: skip
    p = next_token_distribution(LOGITS, temperature, top_k, top_p)[0].numpy()
    counts = np.bincount(drawn, minlength=12)
    assert counts[p == 0].sum() == 0
    assert chisquare(counts[p > 0], 10_000 * p[p > 0] / p.sum()).pvalue > 0.01
