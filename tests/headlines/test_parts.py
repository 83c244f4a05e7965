"""What embeddings, positions and the slice do, on models where it is known."""

import math

import numpy as np
import pytest
import torch

from headlines import parts, slicing
from headlines.data import Tokenizer
from headlines.model import DecoderTransformer


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = DecoderTransformer(13, 29, 8, 2, 2, 0.0, 2).eval()
    with torch.no_grad():
        model.positional_embedding.weight.mul_(2)
    return model


@pytest.fixture
def tokens():
    texts = ["abcdefghij", "zyxwvutsrqpo", "ab", "the quick fo"]
    return torch.from_numpy(Tokenizer(12).encode(texts))


def test_order_is_known_by_position_or_by_a_second_block(model, tokens):
    found = parts.effect_of_order(model, tokens, 8, seed=0)
    assert found["one_block_without_positions"] < 1e-6
    assert found["without_positions"] > 1e-3
    assert found["whole_model"] > found["without_positions"]
    # and the model is as it was
    assert parts.effect_of_order(model, tokens, 8, seed=0) == found
    assert len(model.transformer_blocks) == 2


def test_the_effect_of_order_is_the_total_variation_of_lines_that_are_long_enough(
    model,
):
    """Of three characters the first two change places, or not, in each line."""
    model.double()
    tokens = torch.from_numpy(Tokenizer(12).encode(["baz", "cdefg", "ab", "", "a"]))

    def change(*texts):
        x = torch.from_numpy(Tokenizer(3).encode(texts))
        with torch.no_grad():
            one, two = model.transformer_forward(x)[:, -1].exp()
        return (one - two).clamp(min=0).sum().item()  # what one has more than two

    a, b = change("baz", "abz"), change("cde", "dce")
    seen = set()
    for seed in range(12):
        found = parts.effect_of_order(model, tokens, 3, seed)["whole_model"]
        means = {"none": 0, "first": a / 2, "second": b / 2, "both": (a + b) / 2}
        near = [who for who, x in means.items() if abs(found - x) < 1e-12]
        assert len(near) == 1
        seen |= set(near)
    assert len(seen) == 4


def test_order_is_asked_for_where_the_model_is(tokens):
    class Elsewhere(DecoderTransformer):
        device = torch.device("meta")

        def transformer_forward(self, x):
            assert x.is_meta
            return super().transformer_forward(torch.ones_like(x, device="cpu"))

    found = parts.effect_of_order(Elsewhere(13, 29, 8, 2, 2, 0.0, 2), tokens, 8, 0)
    assert found["whole_model"] == 0


def test_planted_vowels_are_each_others_neighbours(model):
    with torch.no_grad():
        for letter in "aeiou":
            row = 1 + parts.LETTERS.index(letter)
            model.embedding.weight[row, 0] += 50
    similarity = parts.letter_similarity(model)
    assert np.diag(similarity) == pytest.approx(np.ones(26))
    near = parts.neighbours(similarity, n=4)
    assert all(set(near[v]) | {v} == parts.VOWELS for v in parts.VOWELS)
    found = parts.vowels_apart(similarity)
    assert found["among_vowels"] > 0.9 > found["vowels_to_consonants"]
    first_axis = parts.letter_map(model)[:, 0]
    vowel = np.array([letter in parts.VOWELS for letter in parts.LETTERS])
    assert np.abs(first_axis[vowel]).min() > np.abs(first_axis[~vowel]).max()


def test_similar_letters_are_counted_by_hand():
    vowel = np.array([letter in "aeiou" for letter in parts.LETTERS])
    similarity = np.full((26, 26), -0.3)
    similarity[np.ix_(vowel, ~vowel)] = 0.1
    similarity[np.ix_(~vowel, vowel)] = 0.1
    similarity[np.ix_(vowel, vowel)] = 0.5
    np.fill_diagonal(similarity, 1)
    found = parts.vowels_apart(similarity)
    assert found["among_vowels"] == pytest.approx(0.5)
    assert found["vowels_to_consonants"] == pytest.approx(0.1)
    similarity[0, [25, 3, 9, 14]] = 0.9, 0.8, 0.7, 0.6
    assert parts.neighbours(similarity)["a"] == "zdj"
    assert parts.neighbours(similarity, n=4)["a"] == "zdjo"
    assert set(parts.neighbours(similarity, n=25)["a"]) == set(parts.LETTERS) - {"a"}
    with pytest.raises(ValueError, match="zip"):  # not of the 26 letters
        parts.neighbours(similarity[:25, :25])


def test_similarity_is_the_cosine_of_what_letters_do_not_share(model):
    weights = model.embedding.weight.detach().double().numpy()[1:27]
    shared = weights.mean(0)
    found = parts.letter_similarity(model)
    for i, j in ((0, 0), (0, 1), (4, 25), (25, 4)):
        a, b = weights[i] - shared, weights[j] - shared
        cosine = (a @ b) / math.sqrt((a @ a) * (b @ b))
        assert found[i, j] == pytest.approx(cosine, abs=1e-12)
    with torch.no_grad():
        model.embedding.weight[[0, 27, 28]] = 100.0  # pad, space and cls are no letters
    assert np.array_equal(parts.letter_similarity(model), found)


def test_the_map_s_axes_are_the_two_of_most_variance(model):
    weights = model.embedding.weight.detach().double().numpy()[1:27]
    found = parts.letter_map(model)
    assert found.shape == (26, 2)
    assert found.mean(0) == pytest.approx(np.zeros(2), abs=1e-12)
    most = np.linalg.eigvalsh(np.cov(weights.T))[::-1][:2]
    assert np.cov(found.T) == pytest.approx(np.diag(most), abs=1e-12)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_no_prediction_has_a_gradient_to_later_inputs(pre_norm):
    torch.manual_seed(0)
    model = DecoderTransformer(9, 29, 6, 2, 2, 0.0, 2, pre_norm=pre_norm)
    line = torch.tensor([28, 1, 2, 3, 4, 5, 0])
    reach = slicing.gradient_reach(model, line)
    assert reach.shape == (6, 7)
    later = np.triu(np.ones((6, 7), bool), 1)
    assert (reach[later] == 0).all()
    assert (reach[~later] > 0).all()
    embedded = model.embedding(line)
    direct = model.transformer_forward(line[None])[0]
    assert torch.allclose(slicing.forward_embedded(model, embedded), direct, atol=1e-6)


def test_the_slices_are_trained_in_batches_of_32():
    tokens = torch.from_numpy(Tokenizer(3).encode(["abc"] * 33))
    for n, steps in ((32, 1), (33, 2)):
        model = DecoderTransformer(4, 29, 4, 2, 1, 0.0, 1)
        assert len(list(slicing.losses(model, tokens[:n], 1, 1, seed=0))) == steps


def test_sliced_by_one_too_few_a_model_sees_its_answer():
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 27, (400, 9), generator=draw)  # nothing to be learnt
    tokens[:, 0] = 28

    def build():
        return DecoderTransformer(9, 29, 12, 2, 2, 0.0, 1)

    found = slicing.compare_slices(build, tokens[:320], tokens[320:], 10, seed=0)
    assert len(found.honest) == len(found.leaking) == 100
    assert found.leaking[-1] < 1  # it pretends
    assert found.honest[-1] > 0.9 * math.log(26)
    assert found.leaking_uses > found.honest_uses > 0.9 * math.log(26)
