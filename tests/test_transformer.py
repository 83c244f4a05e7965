"""The GPT against PyTorch's own layers, and sampling against plain recomputation."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

import transformer
from gpt.questions import attention_weights
from machinery import checkpoint
from transformer import (
    GPT,
    MLP,
    Block,
    CausalSelfAttention,
    KeyValueCache,
    generate,
    next_token_distribution,
    next_token_loss,
)

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
BATCH, TIME, HEADS, CHANNELS = 3, 6, 2, 8


def random_weights(model: nn.Module, seed: int = 0, scale: float = 0.5) -> nn.Module:
    """Fill every parameter, biases as well, so that nothing cancels by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=scale, generator=generator)
    return model.eval()


def attention(n_head=HEADS, n_embd=CHANNELS, block_size=TIME) -> CausalSelfAttention:
    return random_weights(CausalSelfAttention(n_head, n_embd, block_size)).double()


def gpt(block_size=TIME, vocab_size=7, seed=4, **more) -> GPT:
    model = GPT(2, HEADS, CHANNELS, vocab_size, block_size, **more)
    random_weights(model, seed)
    # a bias here is a favourite token whatever the context
    nn.init.ones_(model.ln_f.weight)
    nn.init.zeros_(model.ln_f.bias)
    return model


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def tokens(*shape: int, vocab_size: int = 7, seed: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab_size, shape, generator=generator)


def heads(layer: CausalSelfAttention, x: torch.Tensor):
    """Yield each head's queries, keys and values (B, T, D), projected by hand."""
    parts = zip(layer.c_attn.weight.chunk(3), layer.c_attn.bias.chunk(3), strict=True)
    q, k, v = (x @ weight.T + bias for weight, bias in parts)
    size = x.shape[2] // layer.n_head
    for first in range(0, x.shape[2], size):
        yield tuple(part[..., first : first + size] for part in (q, k, v))


# attention


@given(b=sizes, t=sizes, n_head=sizes, per_head=sizes, longer=st.integers(0, 3))
def test_attention_keeps_the_shape(b, t, n_head, per_head, longer):
    n_embd = n_head * per_head
    layer = CausalSelfAttention(n_head, n_embd, t + longer)
    x = torch.randn(b, t, n_embd)
    assert layer(x).shape == (b, t, n_embd)
    assert layer.weights(x).shape == (b, n_head, t, t)


@given(b=sizes, t=sizes, n_head=sizes, per_head=sizes, seed=seeds)
def test_attention_rows_sum_to_one_and_see_no_future(b, t, n_head, per_head, seed):
    layer = CausalSelfAttention(n_head, n_head * per_head, t)
    random_weights(layer, seed)
    weights = layer.weights(torch.randn(b, t, n_head * per_head))
    torch.testing.assert_close(weights.sum(3), torch.ones(b, n_head, t))
    assert (weights >= 0).all()
    for row in range(t):
        assert (weights[:, :, row, row + 1 :] == 0).all()
        assert (weights[:, :, row, : row + 1] > 0).all()


def test_weights_are_the_softmax_of_scores_over_the_root_of_a_head_s_size():
    layer, x = attention(), normal(BATCH, TIME, CHANNELS)
    weights = layer.weights(x)
    for head, (q, k, _) in enumerate(heads(layer, x)):
        for i in range(TIME):
            scores = (q[:, i, None] * k[:, : i + 1]).sum(2) / math.sqrt(4)
            expected = scores.exp() / scores.exp().sum(1, keepdim=True)
            torch.testing.assert_close(weights[:, head, i, : i + 1], expected)


def test_attention_is_its_weights_times_the_values_by_hand():
    layer, x = attention(), normal(BATCH, TIME, CHANNELS)
    weights = layer.weights(x)
    side_by_side = torch.cat(
        [weights[:, head] @ v for head, (_, _, v) in enumerate(heads(layer, x))], dim=2
    )
    expected = side_by_side @ layer.c_proj.weight.T + layer.c_proj.bias
    torch.testing.assert_close(layer(x), expected)


@given(b=sizes, t=sizes, n_head=sizes, per_head=sizes, seed=seeds)
def test_attention_equals_torch_s_fused_kernel(b, t, n_head, per_head, seed):
    layer = random_weights(CausalSelfAttention(n_head, n_head * per_head, t), seed)
    x = torch.randn(b, t, n_head * per_head)
    q, k, v = (torch.stack(p, 1) for p in zip(*heads(layer, x), strict=True))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    expected = layer.c_proj(torch.cat(y.unbind(1), dim=2))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_head", [1, 2, 4, 8])
def test_attention_equals_torch_s_multi_head_attention(n_head):
    layer, x = attention(n_head), normal(BATCH, TIME, CHANNELS)
    reference = nn.MultiheadAttention(CHANNELS, n_head, batch_first=True).double()
    reference.in_proj_weight.data = layer.c_attn.weight.data
    reference.in_proj_bias.data = layer.c_attn.bias.data
    reference.out_proj.load_state_dict(layer.c_proj.state_dict())
    future = torch.ones(TIME, TIME, dtype=torch.bool).triu(1)
    y, weights = reference(x, x, x, attn_mask=future, average_attn_weights=False)
    torch.testing.assert_close(layer(x), y)
    torch.testing.assert_close(layer.weights(x), weights)


def test_a_block_equals_torch_s_pre_norm_encoder_layer():
    block = random_weights(Block(HEADS, CHANNELS, TIME)).double()

    def tanh_gelu(x):
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return x / 2 * (1 + inner.tanh())

    reference = nn.TransformerEncoderLayer(
        CHANNELS, HEADS, 4 * CHANNELS, 0.0, tanh_gelu, batch_first=True, norm_first=True
    ).double()
    names = {
        "self_attn.in_proj_": "attn.c_attn.",
        "self_attn.out_proj.": "attn.c_proj.",
        "linear1.": "mlp.c_fc.",
        "linear2.": "mlp.c_proj.",
        "norm1.": "ln_1.",
        "norm2.": "ln_2.",
    }
    ours = block.state_dict()
    reference.load_state_dict(
        {a + p: ours[b + p] for a, b in names.items() for p in ("weight", "bias")}
    )
    x = normal(BATCH, TIME, CHANNELS)
    future = nn.Transformer.generate_square_subsequent_mask(TIME, dtype=torch.float64)
    torch.testing.assert_close(block(x), reference(x, future))


@given(changed=st.integers(1, TIME - 1), seed=seeds)
def test_a_future_vector_never_changes_an_earlier_output(changed, seed):
    layer, x = attention(), normal(BATCH, TIME, CHANNELS)
    other = x.clone()
    other[:, changed:] = normal(BATCH, TIME - changed, CHANNELS, seed=seed)
    one, two = layer(x), layer(other)
    assert torch.equal(one[:, :changed], two[:, :changed])
    assert not torch.isclose(one[:, changed:], two[:, changed:]).all(2).any()


@pytest.mark.parametrize("t", range(TIME))
def test_the_gradient_of_an_output_reaches_itself_and_the_past_alone(t):
    layer, x = attention(), normal(BATCH, TIME, CHANNELS).requires_grad_()
    (layer(x)[:, t] * normal(BATCH, CHANNELS)).sum().backward()
    assert (x.grad[:, t + 1 :] == 0).all()
    assert (x.grad[:, : t + 1] != 0).any(2).all()


@pytest.mark.parametrize(("n_head", "n_embd"), [(3, 8), (5, 4), (0, 4), (-2, 4)])
def test_channels_that_do_not_divide_among_heads_are_refused(n_head, n_embd):
    message = f"n_embd must be a multiple of n_head, got {n_embd} and {n_head}"
    with pytest.raises(ValueError, match=message):
        CausalSelfAttention(n_head, n_embd, 4)
    with pytest.raises(ValueError, match=message):
        GPT(1, n_head, n_embd, 5, 4)


@pytest.mark.parametrize("name", ["n_layer", "n_embd", "vocab_size", "block_size"])
@pytest.mark.parametrize("value", [0, -2])
def test_a_gpt_of_nothing_is_refused(name, value):
    right = {"n_layer": 1, "n_head": 1, "n_embd": 4, "vocab_size": 5, "block_size": 3}
    with pytest.raises(ValueError, match=rf"{name} must be .*{value}"):
        GPT(**right | {name: value})


def test_more_tokens_than_the_block_has_are_refused_with_both_numbers():
    message = "7 tokens do not fit into block_size 6"
    with pytest.raises(ValueError, match=message):
        attention()(normal(1, 7, CHANNELS))
    with pytest.raises(ValueError, match=message):
        attention().weights(normal(1, 7, CHANNELS))
    with pytest.raises(ValueError, match=message):
        gpt()(tokens(1, 7))
    model = gpt()
    cache = model.new_cache()
    model.next_logits(tokens(1, 4), cache)
    with pytest.raises(ValueError, match=message):
        model.next_logits(tokens(1, 3), cache)


# the model


@given(
    b=sizes, t=sizes, n_layer=sizes, n_head=sizes, per_head=sizes, vocab_size=sizes,
    longer=st.integers(0, 3),
)  # fmt: skip
def test_a_gpt_gives_logits_for_any_sizes(
    b, t, n_layer, n_head, per_head, vocab_size, longer
):
    model = GPT(n_layer, n_head, n_head * per_head, vocab_size, t + longer)
    idx = torch.randint(vocab_size, (b, t))
    assert model(idx).shape == (b, t, vocab_size)
    assert attention_weights(model, idx[0]).shape == (n_layer, n_head, t, t)


def test_parameters_are_named_and_shaped_as_in_gpt_2_s_checkpoint():
    model = GPT(n_layer=2, n_head=2, n_embd=8, vocab_size=5, block_size=4)
    shapes = {"wte.weight": (5, 8), "wpe.weight": (4, 8)}
    for i in (0, 1):
        shapes |= {
            f"h.{i}.ln_1.weight": (8,),
            f"h.{i}.ln_1.bias": (8,),
            f"h.{i}.attn.c_attn.weight": (24, 8),
            f"h.{i}.attn.c_attn.bias": (24,),
            f"h.{i}.attn.c_proj.weight": (8, 8),
            f"h.{i}.attn.c_proj.bias": (8,),
            f"h.{i}.ln_2.weight": (8,),
            f"h.{i}.ln_2.bias": (8,),
            f"h.{i}.mlp.c_fc.weight": (32, 8),
            f"h.{i}.mlp.c_fc.bias": (32,),
            f"h.{i}.mlp.c_proj.weight": (8, 32),
            f"h.{i}.mlp.c_proj.bias": (8,),
        }
    shapes |= {"ln_f.weight": (8,), "ln_f.bias": (8,), "lm_head.weight": (5, 8)}
    assert {name: tuple(x.shape) for name, x in model.state_dict().items()} == shapes
    assert {name for name, _ in model.named_parameters()} == shapes.keys()


def test_the_exercise_s_model_has_91_728_parameters():
    model = GPT(n_layer=3, n_head=3, n_embd=48, vocab_size=65, block_size=10)
    # two tables, three blocks of 12 C^2 + 13 C, the last norm, the head
    expected = 65 * 48 + 10 * 48 + 3 * (12 * 48**2 + 13 * 48) + 2 * 48 + 48 * 65
    assert sum(p.numel() for p in model.parameters()) == expected


def test_weights_start_as_gpt_2_s():
    torch.manual_seed(0)
    model = GPT(n_layer=8, n_head=2, n_embd=64, vocab_size=100, block_size=100)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif "ln_" in name:
            assert (parameter == 1).all(), name
        else:
            # 2 branches in each of 8 layers: 0.02 / sqrt(16)
            std = 0.005 if "c_proj" in name else 0.02
            assert parameter.std().item() == pytest.approx(std, rel=0.05), name
            assert parameter.mean().item() == pytest.approx(0, abs=std / 10), name


@pytest.mark.parametrize("tie_weights", [False, True])
def test_an_untrained_model_guesses_among_all_characters(tie_weights):
    torch.manual_seed(0)
    model = GPT(3, 3, 48, 65, 10, tie_weights=tie_weights)
    x, y = tokens(2, 200, 10, vocab_size=65)
    loss = next_token_loss(model, (x, y)).item()
    assert loss == pytest.approx(math.log(65), abs=0.05)


def test_the_loss_is_the_mean_of_minus_log_p_over_all_positions():
    model = gpt()
    x, y = tokens(2, BATCH, TIME)
    p = model(x).detach().double().softmax(2)
    terms = [-p[b, t, y[b, t]].log() for b in range(BATCH) for t in range(TIME)]
    expected = torch.stack(terms).mean().item()
    assert next_token_loss(model, (x, y)).item() == pytest.approx(expected, rel=1e-5)


@given(changed=st.integers(1, TIME - 1), token=st.integers(0, 6))
def test_a_future_character_never_changes_an_earlier_prediction(changed, token):
    model, idx = gpt(), tokens(BATCH, TIME)
    other = idx.clone()
    other[:, changed] = (idx[:, changed] + 1 + token % 6) % 7
    one, two = model(idx), model(other)
    assert torch.equal(one[:, :changed], two[:, :changed])
    assert not torch.isclose(one[:, changed:], two[:, changed:]).all(2).any()


@pytest.mark.parametrize("t", range(TIME))
def test_the_gradient_of_a_prediction_leaves_later_positions_alone(t):
    model = gpt()
    (model(tokens(1, TIME))[0, t] * normal(7).float()).sum().backward()
    assert (model.wpe.weight.grad[t + 1 :] == 0).all()
    assert (model.wpe.weight.grad[: t + 1] != 0).any(1).all()


def test_positions_matter():
    model = gpt()
    logits = model(torch.full((1, TIME), 3))[0]
    assert torch.pdist(logits).min() > 1e-3


def test_attention_weights_are_those_of_the_layers_on_the_way():
    model, idx = gpt(), tokens(TIME)
    seen = []
    for block in model.h:
        block.attn.register_forward_hook(
            lambda layer, inputs, _: seen.append(layer.weights(inputs[0])[0])
        )
    model(idx[None])
    expected = torch.stack(seen)
    torch.testing.assert_close(attention_weights(model, idx), expected)


def test_tied_weights_are_one_parameter_that_both_ends_train():
    model = gpt(tie_weights=True)
    assert model.lm_head.weight is model.wte.weight
    assert "lm_head.weight" not in dict(model.named_parameters())
    untied = gpt()
    assert untied.lm_head.weight is not untied.wte.weight
    untied.load_state_dict(model.state_dict())
    batch = tokens(2, BATCH, TIME)
    next_token_loss(model, batch).backward()
    next_token_loss(untied, batch).backward()
    both = untied.wte.weight.grad + untied.lm_head.weight.grad
    torch.testing.assert_close(model.wte.weight.grad, both)


def test_tied_weights_stay_tied_through_a_checkpoint(tmp_path):
    def build(config, _):
        return GPT(2, HEADS, CHANNELS, 7, TIME, **config)

    model, path = gpt(tie_weights=True), tmp_path / "model.pt"
    path.write_bytes(
        checkpoint.dump("gpt", model.state_dict(), {"tie_weights": True}, {})
    )
    loaded = checkpoint.restore(checkpoint.read(path), build, path).eval()
    assert loaded.lm_head.weight is loaded.wte.weight
    assert torch.equal(loaded(tokens(1, TIME)), model(tokens(1, TIME)))


def test_dropout_acts_in_training_alone():
    model, idx = gpt(dropout=0.5), tokens(1, TIME)
    same = gpt()(idx)
    assert torch.equal(model.eval()(idx), same)
    model.train()
    torch.manual_seed(0)
    one, two = model(idx), model(idx)
    assert not torch.isclose(one, two).any()
    assert not torch.isclose(one, same).any()


@pytest.mark.parametrize("make", [
    lambda: CausalSelfAttention(HEADS, CHANNELS, TIME),
    lambda: MLP(CHANNELS),
    lambda: Block(HEADS, CHANNELS, TIME),
    lambda: GPT(1, HEADS, CHANNELS, 7, TIME),
])  # fmt: skip
def test_nothing_is_dropped_unless_asked_for(make):
    part = make().train()
    x = normal(BATCH, TIME, CHANNELS).float()
    x = tokens(BATCH, TIME) if isinstance(part, GPT) else x
    assert torch.equal(part(x), part.eval()(x))


def test_a_gpt_computes_where_it_lives():
    model = gpt().to("meta")  # holds no number, and mixes with no other device
    idx = tokens(BATCH, TIME).to("meta")
    cache = model.new_cache()
    x = model.wte(idx)
    found = [
        model(idx), model.next_logits(idx[:, :4], cache),
        model.next_logits(idx[:, 4:], cache), model.h[0].attn.weights(x),
    ]  # fmt: skip
    assert {y.device.type for y in found} == {"meta"}


def test_tokens_are_drawn_where_the_logits_lie():
    def model(idx: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*idx.shape, 7, device=idx.device)

    model.eval, model.block_size = lambda: None, TIME
    with FakeTensorMode():  # no tensor holds a number, and no two devices mix
        idx = torch.zeros(BATCH, 1, dtype=torch.int64, device="meta")
        for settings in ({}, {"top_k": 3}, {"temperature": 0}):
            for token in generate(model, idx, 3, **settings):
                assert (token.device, token.shape) == (idx.device, (BATCH,))


def test_a_cache_is_copied_for_every_doubling_alone():
    cache, rooms = KeyValueCache(), []
    for position in range(500):
        kept = cache.extend(*normal(2, 1, 1, 1, 2))
        assert [part.shape[2] for part in kept] == [position + 1] * 2
        rooms += [cache.room] if not rooms or cache.room is not rooms[-1] else []
    # room for twice what did not fit, as soon as it does not and no sooner
    assert [room.shape for room in rooms] == [
        (2, 1, 1, n, 2) for n in (2, 6, 14, 30, 62, 126, 254, 510)
    ]


@pytest.mark.parametrize(
    ("part", "n_dropouts"), [("attn", 2), ("mlp", 1), ("whole", 1 + 2 * 3)]
)
def test_dropout_is_where_gpt_2_has_it(part, n_dropouts, monkeypatch):
    calls, dropout, attention = [], F.dropout, F.scaled_dot_product_attention

    def fused(*qkv, dropout_p, is_causal):
        calls.append(dropout_p)
        return attention(*qkv, dropout_p=dropout_p, is_causal=is_causal)

    monkeypatch.setattr(
        transformer.F, "dropout", lambda x, p, on: calls.append(p) or dropout(x, p, on)
    )
    monkeypatch.setattr(transformer.F, "scaled_dot_product_attention", fused)
    model = gpt(dropout=0.25).train()
    if part == "whole":
        model(tokens(1, TIME))
    else:
        getattr(model.h[0], part)(normal(1, TIME, CHANNELS).float())
    assert calls == [0.25] * n_dropouts


SENTENCE = "to be, or not: that is"


def test_a_tiny_model_learns_one_sentence_by_heart():
    characters = sorted(set(SENTENCE))
    ids = torch.tensor([characters.index(c) for c in SENTENCE])
    torch.manual_seed(0)
    model = GPT(1, 2, 16, len(characters), block_size=8)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    windows = ids.unfold(0, 9, 1)
    for _ in range(150):
        loss = next_token_loss(model, (windows[:, :-1], windows[:, 1:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # the first characters of a window alone remain a guess
    last = model(windows[:, :-1])[:, -1]
    assert F.cross_entropy(last, windows[:, -1]) < 0.05
    more = list(generate(model, ids[None, :8], len(ids) - 8, temperature=0))
    assert "".join(characters[t] for t in more) == SENTENCE[8:]


# generation


def recorded(model: GPT) -> list[tuple[int, torch.Tensor]]:
    """Return a list that fills with (tokens read, logits) of every step."""
    steps, next_logits = [], model.next_logits

    def record(idx, cache):
        logits = next_logits(idx, cache)
        steps.append((idx.shape[1], logits))
        return logits

    model.next_logits = record
    return steps


def recompute(model, idx, n, temperature, generator=None):
    """Yield (token, logits) of each step by forward on the last block_size tokens."""
    with torch.no_grad():
        for _ in range(n):
            logits = model(idx[:, -model.block_size :])[:, -1]
            if temperature == 0:
                token = logits.max(1).indices
            else:
                p = (logits.double() / temperature).softmax(1)
                token = torch.multinomial(p, 1, generator=generator)[:, 0]
            yield token, logits
            idx = torch.cat([idx, token[:, None]], 1)


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
@pytest.mark.parametrize("n_prompt", [1, 3, TIME - 1, TIME, TIME + 1, 3 * TIME])
@pytest.mark.parametrize("batch", [1, 4])
def test_the_cache_changes_no_token_and_no_logit(temperature, n_prompt, batch):
    idx, n = tokens(batch, n_prompt), 3 * TIME
    one, two = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = list(recompute(gpt(), idx, n, temperature, one))
    model = gpt()
    steps = recorded(model)
    found = list(generate(model, idx, n, temperature, generator=two))
    assert len(found) == len(steps) == n
    for token, (_, logits), (reference, by_forward) in zip(
        found, steps, expected, strict=True
    ):
        assert torch.equal(token, reference)
        torch.testing.assert_close(logits, by_forward, rtol=0, atol=1e-5)


class Cacheless(nn.Module):
    """Any text model: a block size and a forward, and nothing else."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.inner, self.block_size = model, model.block_size

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.inner(idx)


@pytest.mark.parametrize("temperature", [0, 1.0])
@pytest.mark.parametrize("n_prompt", [1, TIME - 1, TIME, 3 * TIME])
def test_a_model_without_a_cache_is_continued_by_its_forward(temperature, n_prompt):
    idx, n = tokens(2, n_prompt), 3 * TIME
    one, two = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = [token for token, _ in recompute(gpt(), idx, n, temperature, one)]
    found = list(generate(Cacheless(gpt()), idx, n, temperature, generator=two))
    assert torch.equal(torch.stack(found), torch.stack(expected))


def test_a_step_reads_one_token_until_the_block_is_full():
    model = gpt()
    steps = recorded(model)
    list(generate(model, tokens(1, 2), 8))
    assert [read for read, _ in steps] == [2, 1, 1, 1, 1, 6, 6, 6]


@given(st.data())
def test_steps_of_any_lengths_equal_forward(data):
    model, idx, logits = gpt(), tokens(BATCH, TIME), []
    cache, start = model.new_cache(), 0
    while start < TIME:
        length = data.draw(st.integers(1, TIME - start))
        read = model.features(idx[:, start : start + length], cache)
        logits.append(model.lm_head(read))
        start += length
    torch.testing.assert_close(torch.cat(logits, 1), model(idx), rtol=0, atol=1e-5)


def test_a_model_of_one_layer_has_a_cache_of_one_part():
    model, idx = GPT(1, HEADS, CHANNELS, 7, TIME), tokens(BATCH, TIME)
    cache = model.new_cache()
    model.next_logits(idx[:, :3], cache)
    found = model.next_logits(idx[:, 3:], cache)
    torch.testing.assert_close(found, model(idx)[:, -1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cache", [[None], [None] * 3])
def test_a_cache_of_another_number_of_layers_is_refused(cache):
    with pytest.raises(ValueError, match="zip"):
        gpt().next_logits(tokens(1, 2), cache)


def test_forward_leaves_no_trace_in_the_next_forward():
    model, idx = gpt(), tokens(BATCH, TIME)
    first = model(idx)
    list(generate(model, idx, 3))
    assert torch.equal(model(idx), first)


@given(b=sizes, n_prompt=st.integers(1, 2 * TIME), n=st.integers(0, 9))
def test_tokens_come_one_a_sequence_and_step(b, n_prompt, n):
    found = list(generate(gpt(), tokens(b, n_prompt), n))
    assert [token.shape for token in found] == [(b,)] * n
    assert all(((token >= 0) & (token < 7)).all() for token in found)


def test_tokens_come_as_they_are_drawn():
    model = gpt()
    steps = recorded(model)
    stream = generate(model, tokens(1, 2), 1000)
    next(stream), next(stream)
    assert len(steps) == 2


def test_each_sequence_of_a_batch_is_continued_by_itself():
    idx = tokens(5, 4)
    together = torch.stack(list(generate(gpt(), idx, 12, temperature=0)), 1)
    alone = [torch.cat(list(generate(gpt(), r[None], 12, temperature=0))) for r in idx]
    assert torch.equal(together, torch.stack(alone))
    assert len(together.unique(dim=0)) > 1


def test_a_prompt_longer_than_the_block_counts_by_its_last_tokens():
    long = tokens(1, 3 * TIME)
    one, two = (
        torch.cat(list(generate(gpt(), idx, 9, temperature=0)))
        for idx in (long, long[:, -TIME:])
    )
    assert torch.equal(one, two)


def test_generation_depends_on_its_generator_alone():
    model = gpt()

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.cat(list(generate(model, tokens(1, 2), 40, generator=generator)))

    before = torch.get_rng_state()
    first = draw(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(draw(1), first)
    assert not torch.equal(draw(2), first)


def test_generation_drops_nothing_out_and_keeps_no_graph():
    model = gpt(dropout=0.5).train()
    found = torch.cat(list(generate(model, tokens(1, 2), 12, temperature=0)))
    expected = torch.cat(list(generate(gpt(), tokens(1, 2), 12, temperature=0)))
    assert torch.equal(found, expected)
    steps = recorded(model)
    list(generate(model, tokens(1, 2), 3))
    assert not any(logits.requires_grad for _, logits in steps)


def test_a_caller_s_gradients_are_on_between_two_tokens():
    for _ in generate(gpt(), tokens(1, 2), 2):
        assert torch.is_grad_enabled()


@given(st.one_of(st.just(0.0), st.floats(0, 1e300), st.just(1e-8), st.just(5e-324)))
def test_fault_15_any_temperature_from_0_draws_valid_tokens(temperature):
    found = torch.stack(list(generate(gpt(), tokens(4, 3), 8, temperature)))
    assert found.dtype == torch.int64
    assert ((found >= 0) & (found < 7)).all()
    p = next_token_distribution(tokens(4, 7).float(), temperature or 1, None, None)
    assert p.isfinite().all()
    torch.testing.assert_close(p.sum(1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("temperature", [0, 1e-8])
def test_fault_15_temperature_0_and_almost_0_are_greedy(temperature):
    idx = tokens(4, 3)
    expected = [token for token, _ in recompute(gpt(), idx, 10, temperature=0)]
    found = list(generate(gpt(), idx, 10, temperature))
    assert torch.equal(torch.stack(found), torch.stack(expected))


REFUSED = [
    *({"temperature": t} for t in (-1, -1e-9, math.nan, math.inf, -math.inf)),
    *({"top_k": k} for k in (0, -1, -65)),
    *({"top_p": p} for p in (0, -0.1, 1.0001, math.nan, math.inf)),
]


@pytest.mark.parametrize("setting", REFUSED, ids=str)
def test_fault_15_and_16_settings_out_of_range_are_refused_at_the_call(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=rf"{name} must be .*{value}"):
        generate(gpt(), tokens(1, 2), 5, **setting)


def test_the_ends_of_the_ranges_of_top_k_and_top_p_are_allowed():
    idx = tokens(4, 3)
    (greedy,) = generate(gpt(), idx, 1, temperature=0)
    (first,) = generate(gpt(), idx, 1, top_k=1)
    assert torch.equal(first, greedy)
    (token,) = generate(gpt(), idx, 1, top_p=1.0)
    assert ((token >= 0) & (token < 7)).all()


@given(
    st.floats(max_value=0, exclude_max=True)
    | st.just(math.nan)
    | st.floats(min_value=0).filter(math.isinf)
)
def test_fault_15_every_other_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be finite and >= 0"):
        generate(gpt(), tokens(1, 2), 5, temperature)


@pytest.mark.parametrize("shape", [(1, 0), (3,), (), (1, 2, 3)])
def test_a_prompt_of_another_shape_is_refused_at_the_call(shape):
    with pytest.raises(ValueError, match=r"idx must be \(B, T\) with T >= 1, got \("):
        generate(gpt(), torch.zeros(shape, dtype=torch.int64), 5)


# the distribution that is drawn from

# integers, so that ties are common
logit_rows = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=12)
temperatures = st.floats(0.25, 4)


def softmax(logits, temperature) -> list[float]:
    terms = [math.exp(x / temperature) for x in logits]
    return [x / math.fsum(terms) for x in terms]


def distribution(logits, temperature=1.0, top_k=None, top_p=None) -> list[float]:
    p = next_token_distribution(torch.tensor([logits]), temperature, top_k, top_p)
    return p[0].tolist()


@given(logits=logit_rows, temperature=temperatures)
def test_the_whole_distribution_is_the_softmax_of_logits_over_temperature(
    logits, temperature
):
    expected = softmax(logits, temperature)
    assert distribution(logits, temperature) == pytest.approx(expected, rel=1e-12)


@given(logits=logit_rows, temperature=temperatures, k=st.integers(1, 15))
def test_fault_16_top_k_keeps_exactly_k_of_the_likeliest_and_their_ratios(
    logits, temperature, k
):
    p = distribution(logits, temperature, top_k=k)
    kept = [i for i, x in enumerate(p) if x > 0]
    dropped = [i for i, x in enumerate(p) if x == 0]
    assert len(kept) == min(k, len(logits))
    assert math.fsum(p) == pytest.approx(1, rel=1e-12)
    if dropped:
        assert min(logits[i] for i in kept) >= max(logits[i] for i in dropped)
    for i in kept:
        ratio = math.exp((logits[i] - logits[kept[0]]) / temperature)
        assert p[i] / p[kept[0]] == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("k", [1, 2, 5, 65, 1000])
def test_fault_16_a_tie_of_all_is_cut_to_k_as_well(k):
    p = distribution([0.0] * 65, top_k=k)
    assert sorted(p)[-min(k, 65) :] == pytest.approx([1 / min(k, 65)] * min(k, 65))
    assert sum(x > 0 for x in p) == min(k, 65)


def nucleus(p: list[float], top_p: float) -> list[float]:
    """Return the kept probabilities, rescaled, largest first."""
    kept = []
    for x in sorted(p, reverse=True):
        kept.append(x)
        # whether the sum is just above top_p or just below must not be rounding's say
        assume(abs(math.fsum(kept) - top_p) > 1e-9)
        if math.fsum(kept) >= top_p:
            break
    return [x / math.fsum(kept) for x in kept]


@given(
    logits=logit_rows,
    temperature=temperatures,
    top_p=st.floats(0.01, 0.999),
    k=st.none() | st.integers(1, 15),
)
def test_top_p_keeps_the_smallest_set_of_the_likeliest_that_reaches_p(
    logits, temperature, top_p, k
):
    p = distribution(logits, temperature, k, top_p)
    kept = [i for i, x in enumerate(p) if x > 0]
    dropped = [i for i, x in enumerate(p) if x == 0]
    expected = nucleus(distribution(logits, temperature, k), top_p)
    found = sorted((p[i] for i in kept), reverse=True)
    assert found == pytest.approx(expected, rel=1e-9)
    if dropped:
        assert min(logits[i] for i in kept) >= max(logits[i] for i in dropped)


@pytest.mark.parametrize("n_kept", range(1, 8))
def test_top_p_stops_where_the_sum_is_exactly_p(n_kept):
    # equal logits have probabilities of 1/8, and their sums no rounding, anywhere
    assert distribution([2.0] * 8) == [0.125] * 8
    p = distribution([2.0] * 8, top_p=n_kept / 8)
    assert sorted(p) == [0.0] * (8 - n_kept) + [pytest.approx(1 / n_kept)] * n_kept
    p = distribution([2.0] * 8, top_p=math.nextafter(n_kept / 8, 1))
    assert sum(x > 0 for x in p) == n_kept + 1


def test_top_p_stops_at_the_sum_of_unequal_probabilities():
    # the logarithms are rounded, so p is taken a little below 1/2 and above it
    logits = torch.tensor([0.5, 0.25, 0.125, 0.125]).double().log().tolist()
    assert distribution(logits, top_p=0.5 - 1e-9) == [1, 0, 0, 0]
    assert distribution(logits, top_p=0.5 + 1e-9) == pytest.approx([2 / 3, 1 / 3, 0, 0])


@given(logits=st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=12))
def test_fault_16_top_p_1_keeps_all_and_a_tiny_one_keeps_one(logits):
    whole = distribution(logits)
    assert distribution(logits, top_p=1.0) == pytest.approx(whole, rel=1e-9, abs=0)
    smallest = distribution(logits, top_p=1e-9)
    assert sorted(smallest, reverse=True)[:1] == [1.0]
    assert sum(x > 0 for x in smallest) == 1
    assert logits[smallest.index(1.0)] == max(logits)


def test_rows_of_a_batch_are_cut_each_by_itself():
    logits = normal(9, 12).float() * 3
    together = next_token_distribution(logits, 0.8, 6, 0.7)
    for row, p in zip(logits, together, strict=True):
        assert p.tolist() == distribution(row.tolist(), 0.8, 6, 0.7)


def test_the_caller_s_logits_are_left_alone():
    logits = normal(3, 7).float()
    before = logits.clone()
    next_token_distribution(logits, 0.5, 3, 0.9)
    assert torch.equal(logits, before)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, None, None), (0.7, None, None), (1.3, 4, None), (1.0, None, 0.8)],
)
def test_tokens_are_drawn_as_often_as_they_are_likely(temperature, top_k, top_p):
    n, model, idx = 20_000, gpt(), tokens(1, 3)
    logits = model(idx)[0, -1].tolist()
    generator = torch.Generator().manual_seed(0)
    (drawn,) = generate(
        model, idx.expand(n, -1), 1, temperature, top_k, top_p, generator
    )
    counts = Counter(drawn.tolist())
    p = softmax(logits, temperature)
    order = sorted(range(7), key=lambda i: -p[i])
    kept = order[: top_k or 7]
    if top_p:
        sums = [math.fsum(p[i] for i in order[:size]) for size in range(1, 8)]
        kept = order[: 1 + next(i for i, x in enumerate(sums) if x >= top_p)]
    assert set(counts) <= set(kept)
    total = math.fsum(p[i] for i in kept)
    expected = [n * p[i] / total for i in kept]
    assert min(expected) > 5
    assert chisquare([counts[i] for i in kept], expected).pvalue > 0.001


def test_later_tokens_are_drawn_given_the_earlier_ones():
    n, model, idx = 20_000, gpt(vocab_size=3), tokens(1, 2, vocab_size=3)
    generator = torch.Generator().manual_seed(0)
    first, second = generate(model, idx.expand(n, -1), 2, generator=generator)
    pairs = Counter(zip(first.tolist(), second.tolist(), strict=True))
    p_first = softmax(model(idx)[0, -1].tolist(), 1)
    observed, expected = [], []
    for a in range(3):
        after = torch.cat([idx, torch.tensor([[a]])], 1)
        p_second = softmax(model(after)[0, -1].tolist(), 1)
        observed += [pairs[a, b] for b in range(3)]
        expected += [n * p_first[a] * x for x in p_second]
    assert min(expected) > 5
    assert chisquare(observed, expected).pvalue > 0.001
