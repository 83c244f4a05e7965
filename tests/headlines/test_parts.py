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
