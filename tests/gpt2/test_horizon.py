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
    draw_path,
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


def follow_anew(model, context=CONTEXT):
    """Return the logits after paths, every one read from the start."""

    @torch.no_grad()
    def follow(paths):
        before = context.expand(len(paths), -1)
        return model(torch.cat([before, paths], dim=1))[:, -1]

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


def test_horizon_1_is_the_usual_temperature_and_what_is_meant_unless_told():
    logits = torch.tensor([2.0, -1.0, 0.5, 0.0])
    expected = (logits.double() / 0.3).log_softmax(0)
    found = temperature_scale(logits, lambda _: pytest.fail("nothing follows"), 0.3)
    torch.testing.assert_close(found, expected)


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


@pytest.mark.parametrize("n", [1, 2, 3])
def test_temperature_0_is_the_limit_at_every_path(n):
    torch.manual_seed(n)
    table = torch.randn(V, V)
    levels = look_ahead(torch.randn(V), lambda paths: table[paths[:, -1]], n)
    for cold, zero in zip(temper(levels, 1e-4), temper(levels, 0.0), strict=True):
        torch.testing.assert_close(zero.exp(), cold.exp(), rtol=0, atol=1e-12)


def test_at_temperature_0_paths_that_are_equally_likely_share_alike():
    """Four paths of 1/4 each, of which two begin with the first token."""
    first = torch.tensor([1 / 2, 1 / 4, 1 / 4])
    second = torch.tensor([[1 / 2, 1 / 2, 0], [1, 0, 0], [1, 0, 0]])
    levels = look_ahead(first.log(), lambda paths: second.log()[paths[:, 0]], 2)
    for temperature in (0.0, 1e-3):
        one, two = temper(levels, temperature)
        torch.testing.assert_close(one.exp(), first.double())
        for i, token in enumerate(levels[0][0]):
            expected = second[token].double().sort(descending=True).values
            torch.testing.assert_close(two[i].exp(), expected)


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


def written_anew(model, idx, n_tokens, temperature, n, top_k, blocks, generator):
    """What generate_ahead writes, every context read from its start."""
    text, room = idx.tolist(), model.block_size - n
    begin = max(len(text) - room, 0)
    while len(text) < len(idx) + n_tokens:
        if len(text) - begin > room:
            begin = len(text) - max(room // 2, 1)
        context = torch.tensor(text[begin:])
        follow = follow_anew(model, context)
        with torch.no_grad():
            levels = look_ahead(model(context[None])[0, -1], follow, n, top_k)
        path = draw_path(temper(levels, temperature)[: n if blocks else 1], generator)
        text += [int(levels[d][0][path[: d + 1]]) for d in range(len(path))]
    return text[len(idx) :][:n_tokens]


@pytest.mark.parametrize("n_prompt", [1, 9, 10, 11, 40])
@pytest.mark.parametrize(
    ("n", "blocks"), [(1, False), (2, False), (3, False), (2, True), (3, True)]
)
def test_texts_longer_than_the_context_go_on_from_its_last_half(
    model, n, blocks, n_prompt
):
    idx = torch.randint(V, (n_prompt,), generator=torch.Generator().manual_seed(2))
    ours, theirs = (
        list(write(model, idx, 31, 0.8, n, 3, blocks, torch.Generator().manual_seed(0)))
        for write in (generate_ahead, written_anew)
    )
    assert len(ours) == 31
    assert ours == theirs


@pytest.mark.parametrize("block_size", [2, 3, 4, 5])
def test_a_model_of_one_layer_looks_ahead_in_the_shortest_context(block_size):
    torch.manual_seed(0)
    model = GPT(1, 1, 8, vocab_size=V, block_size=block_size).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    n = min(block_size - 1, 3)
    ours, theirs = (
        list(write(model, CONTEXT, 9, 1, n, V, False, torch.Generator().manual_seed(0)))
        for write in (generate_ahead, written_anew)
    )
    assert ours == theirs


def test_two_tokens_out_of_forty_are_tempered_and_one_drawn_unless_told():
    torch.manual_seed(0)
    model = GPT(1, 1, 8, vocab_size=50, block_size=8).eval()
    torch.nn.init.normal_(model.lm_head.weight, std=0.5)
    told = {"temperature": 1.0, "horizon": 2, "top_k": 40, "blocks": False}
    unless_told, expected = (
        list(
            generate_ahead(
                model, CONTEXT, 12, **some, generator=torch.Generator().manual_seed(0)
            )
        )
        for some in ({}, told)
    )
    assert unless_told == expected


@pytest.mark.parametrize("n", [2, 3])
def test_a_window_that_moves_on_reads_no_token_twice(model, n):
    """Until the context is full: V continuations of 1 token, V^2 of 2, ...."""
    next_logits, read = model.next_logits, []

    def watched(idx, cache):
        read.append(idx.numel())
        return next_logits(idx, cache)

    model.next_logits = watched
    steps = model.block_size - n - len(CONTEXT)
    list(generate_ahead(model, CONTEXT, steps, 1.0, n, None))
    assert read == [len(CONTEXT), *[V**d for d in range(1, n)] * steps]


@pytest.mark.parametrize("blocks", [False, True])
def test_the_likeliest_pair_is_written_at_temperature_0(model, blocks):
    p = brute_force(model, 1.0, 2)
    best = max(p, key=p.get)
    assert min(abs(p[best] - x) for path, x in p.items() if path != best) > 0.01
    written = tuple(generate_ahead(model, CONTEXT, 2, 0, 2, None, blocks))
    assert written[: 2 if blocks else 1] == best[: 2 if blocks else 1]


@pytest.mark.parametrize("blocks", [False, True])
def test_all_is_made_where_the_model_lives(model, blocks):
    """Whatever the default device is: meta's tensors hold nothing."""
    expected = list(generate_ahead(model, CONTEXT, 25, 0, 2, None, blocks))
    next_logits, devices = model.next_logits, set()

    def watched(idx, cache):
        devices.add(idx.device.type)
        return next_logits(idx, cache)

    model.next_logits = watched
    with torch.device("meta"):
        found = list(generate_ahead(model, CONTEXT, 25, 0, 2, None, blocks))
    assert devices == {"cpu"}
    assert found == expected


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
    check_horizon(20, 2)  # 2^20 are just possible
    with pytest.raises(BadInput, match=r"2\^21 = 2,097,152 .* for 2 tokens is 20"):
        check_horizon(21, 2)
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
