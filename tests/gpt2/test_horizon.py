"""Temperature over a horizon: brute force, limits, the toy of its paper, the cache."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2.horizon import (
    MOST,
    Lookahead,
    check_horizon,
    generate_ahead,
    joint,
    look_ahead,
    temper,
    temperature_scale,
)
from machinery.errors import BadInput
from transformer import GPT, generate

V = 4


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(1)
    model = GPT(n_layer=2, n_head=2, n_embd=8, vocab_size=V, block_size=12).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return model


CONTEXT = torch.tensor([2, 0, 1])


def follow_anew(model):
    """Return the logits after paths, every one read from the start."""

    @torch.no_grad()
    def follow(paths):
        context = CONTEXT.expand(len(paths), -1)
        return model(torch.cat([context, paths], dim=1))[:, -1]

    return follow


@torch.no_grad()
def brute_force(model, temperature, n, top_k=None):
    """p_T of every n tokens: dict of tuples, by multiplying out all V^n."""
    p = {}
    for path in itertools.product(range(V), repeat=n):
        p[path] = 1.0
        text = CONTEXT.tolist()
        for token in path:
            q = model(torch.tensor([text]))[0, -1].double().softmax(0)
            if top_k:
                kept = q.topk(top_k).indices.tolist()
                q = torch.stack([q[i] * (i in kept) for i in range(V)])
                q = q / q.sum()
            p[path] *= q[token].item()
            text.append(token)
    powered = {path: x ** (1 / temperature) for path, x in p.items()}
    total = sum(powered.values())
    return {path: x / total for path, x in powered.items()}


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [None, 2])
def test_the_next_token_is_the_tempered_joint_s_margin(model, n, temperature, top_k):
    with torch.no_grad():
        logits = model(CONTEXT[None])[0, -1]
    log_p = temperature_scale(logits, follow_anew(model), temperature, n, top_k)
    expected = torch.zeros(V, dtype=torch.float64)
    for path, p in brute_force(model, temperature, n, top_k).items():
        expected[path[0]] += p
    torch.testing.assert_close(log_p.exp(), expected, atol=1e-6, rtol=1e-5)


def test_a_public_mistake_is_told_apart(model):
    """Tempering the second token before the joint is formed is horizon 1 again."""
    with torch.no_grad():
        logits = model(CONTEXT[None])[0, -1]
    levels = look_ahead(logits, follow_anew(model), 2)
    (_, first), (_, second) = levels
    mistaken = first / 0.5 + (second / 0.5).log_softmax(-1).logsumexp(-1)
    right = torch.empty(V, dtype=torch.float64)
    right[levels[0][0]] = temper(levels, 0.5)[0]
    ours = temperature_scale(logits, follow_anew(model), 0.5, 2)
    torch.testing.assert_close(ours, right)
    wrong = mistaken.double().softmax(0)
    torch.testing.assert_close(wrong, (first.double() / 0.5).softmax(0))
    assert (ours.exp()[levels[0][0]] - wrong).abs().max() > 0.01


def toy(shares):
    """Three answers of two tokens, of which two begin with token 0 (p. 1 of LHTS)."""
    a, b, c = shares
    first = torch.tensor([a + b, c]).log()
    second = torch.tensor([[a / (a + b), b / (a + b)], [1.0, 0.0]]).log()
    return first, lambda paths: second[paths[:, 0]]


def test_the_paper_s_toy_keeps_its_third_answer():
    first, follow = toy((1 / 3, 1 / 3, 1 / 3))
    usual = temperature_scale(first, follow, 0.02, 1).exp()
    ahead = temperature_scale(first, follow, 0.02, 2).exp()
    assert usual[1] < 1e-6
    assert ahead[1].item() == pytest.approx(1 / 3, abs=1e-4)


def test_the_two_horizons_prefer_different_first_tokens():
    first, follow = toy((0.3, 0.3, 0.4))
    assert temperature_scale(first, follow, 0.1, 1).argmax() == 0
    assert temperature_scale(first, follow, 0.1, 2).argmax() == 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_at_temperature_1_every_horizon_is_plain_sampling(model, n):
    with torch.no_grad():
        logits = model(CONTEXT[None])[0, -1]
    for top_k in (None, 3):
        plain = temperature_scale(logits, follow_anew(model), 1.0, 1, top_k)
        ahead = temperature_scale(logits, follow_anew(model), 1.0, n, top_k)
        torch.testing.assert_close(ahead, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_as_temperature_falls_the_best_path_is_approached(model, n):
    with torch.no_grad():
        levels = look_ahead(model(CONTEXT[None])[0, -1], follow_anew(model), n)
    total = joint(levels)
    best = tuple(int(i) for i in torch.unravel_index(total.argmax(), total.shape))
    path = ()
    for cold, zero in zip(temper(levels, 1e-3), temper(levels, 0.0), strict=True):
        path += (int(cold[path].argmax()),)
        assert cold[path].exp() == pytest.approx(1.0, abs=1e-6)
        assert zero[path] == 0
    assert path == best


@given(st.floats(0.05, 5), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_every_level_is_a_distribution_and_their_product_the_tempered_joint(t, n):
    torch.manual_seed(n)
    table = torch.randn(V, V)
    levels = look_ahead(torch.randn(V), lambda paths: table[paths[:, -1]], n)
    product = torch.zeros((), dtype=torch.float64)
    for log_p in temper(levels, t):
        torch.testing.assert_close(
            log_p.exp().sum(-1), torch.ones(log_p.shape[:-1], dtype=torch.float64)
        )
        product = product[..., None] + log_p
    expected = (joint(levels).double() / t).flatten().softmax(0)
    torch.testing.assert_close(product.exp().flatten(), expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("n", [2, 3])
def test_branches_that_share_the_cache_give_what_reading_anew_gives(model, n):
    ahead = Lookahead(model, CONTEXT)
    anew = look_ahead(ahead.logits, follow_anew(model), n)
    shared = look_ahead(ahead.logits, ahead.follow, n)
    for (_, a), (_, b) in zip(anew, shared, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert ahead.length == len(CONTEXT)  # nothing was kept


@pytest.mark.parametrize("n", [2, 3])
def test_the_chosen_candidate_s_row_holds_the_next_logits(model, n):
    ahead = Lookahead(model, CONTEXT)
    tokens = look_ahead(ahead.logits, ahead.follow, n)[0][0]
    ahead.keep(2)
    text = [*CONTEXT.tolist(), int(tokens[2])]
    with torch.no_grad():
        expected = model(torch.tensor([text]))[0, -1]
    torch.testing.assert_close(ahead.logits, expected, atol=1e-5, rtol=1e-5)
    # and the cache goes on from there
    ahead.read(torch.tensor([3]))
    with torch.no_grad():
        expected = model(torch.tensor([[*text, 3]]))[0, -1]
    torch.testing.assert_close(ahead.logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_texts_longer_than_the_context_are_written(model, n, blocks):
    written = list(
        generate_ahead(
            model, CONTEXT, 31, 0.8, n, 3, blocks and n > 1,
            torch.Generator().manual_seed(0),
        )
    )  # fmt: skip
    assert len(written) == 31
    assert set(written) <= set(range(V))


def test_horizon_1_writes_what_generate_writes(model):
    settings = {"temperature": 0.7, "top_k": 3}
    n = model.block_size - len(CONTEXT) - 1
    plain = generate(
        model, CONTEXT[None], n, **settings, generator=torch.Generator().manual_seed(3)
    )
    ahead = generate_ahead(
        model, CONTEXT, n, horizon=1, **settings,
        generator=torch.Generator().manual_seed(3),
    )  # fmt: skip
    assert list(ahead) == [int(token) for token in plain]


@pytest.mark.parametrize("blocks", [False, True])
def test_what_is_written_is_drawn_from_the_tempered_joint(model, blocks):
    """A thousand first pairs against the exact margin (window) or joint (block)."""
    expected = brute_force(model, 0.6, 2)
    counts = dict.fromkeys(expected, 0)
    generator = torch.Generator().manual_seed(0)
    n = 1000
    for _ in range(n):
        pair = generate_ahead(model, CONTEXT, 2, 0.6, 2, None, blocks, generator)
        counts[tuple(pair)] += 1
    firsts = [0.0] * V
    for path, p in expected.items():
        firsts[path[0]] += p
    for token in range(V):
        share = sum(c for path, c in counts.items() if path[0] == token) / n
        error = math.sqrt(firsts[token] * (1 - firsts[token]) / n)
        assert abs(share - firsts[token]) < 4.5 * error + 1e-9
    if blocks:
        for path, p in expected.items():
            error = math.sqrt(p * (1 - p) / n)
            assert abs(counts[path] / n - p) < 4.5 * error + 1e-9


def test_a_horizon_whose_continuations_are_too_many_names_the_largest():
    check_horizon(3, 40)
    with pytest.raises(BadInput, match=r"40\^4 = 2,560,000 .* for 40 tokens is 3"):
        check_horizon(4, 40)
    with pytest.raises(BadInput, match=r"at most 1,048,576 .* 50257 tokens is 1"):
        check_horizon(2, 50257)
    with pytest.raises(BadInput, match="horizon must be at least 1, got 0"):
        check_horizon(0, 40)


@given(st.integers(2, 60_000), st.integers(1, 40))
def test_the_largest_horizon_named_is_the_largest(n_kept, horizon):
    if n_kept**horizon <= MOST:
        check_horizon(horizon, n_kept)
        return
    with pytest.raises(BadInput) as refused:
        check_horizon(horizon, n_kept)
    largest = int(str(refused.value).rsplit(" ", 1)[1])
    assert n_kept**largest <= MOST < n_kept ** (largest + 1)


@pytest.mark.parametrize("temperature", [-1, math.nan, math.inf])
def test_a_temperature_out_of_range_is_refused(model, temperature):
    with pytest.raises(BadInput, match="temperature must be finite and >= 0"):
        next(generate_ahead(model, CONTEXT, 1, temperature, 2))


def test_a_horizon_beyond_the_context_is_refused(model):
    with pytest.raises(BadInput, match=r"below the model's context of 12 .* got 12"):
        next(generate_ahead(model, CONTEXT, 1, 1.0, 12, 1))
