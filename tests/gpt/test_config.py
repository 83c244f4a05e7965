"""The GPT's options: the exercise's defaults, and the rules of the model, first."""

import pytest

from gpt.config import MAY_CHANGE, Config
from machinery.errors import BadInput
from transformer import GPT


def test_the_defaults_are_the_exercise_s():
    config = Config()
    assert (config.block_size, config.n_layer, config.n_head, config.n_embd) == (
        10, 3, 3, 48,
    )  # fmt: skip
    assert (config.learning_rate, config.batch_size, config.epochs) == (3e-4, 64, 10)
    assert (config.epoch_windows, config.test_windows) == (100_000, 10_000)
    assert (config.seed, config.prompt, config.sample_length) == (42, "the ", 30)
    assert (config.top_k, config.n_sentences) == (5, 3)
    assert config.n_evaluated >= 1000
    assert (config.dropout, config.tie_weights, config.device) == (0, False, "cpu")


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_layer": 0}, {"n_head": 0}, {"n_embd": 0}, {"block_size": 0},
        {"n_embd": 47}, {"n_head": 5}, {"n_embd": 2},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_model_refuses_is_bad_input_before_that(sizes):
    shape = {"n_layer": 3, "n_head": 3, "n_embd": 48, "block_size": 10} | sizes
    with pytest.raises(ValueError, match="must be") as error:
        GPT(**shape, vocab_size=65)
    assert not isinstance(error.value, BadInput)
    with pytest.raises(BadInput, match="must be"):
        Config(**sizes)


def test_one_text_needs_the_other_and_no_folder():
    for name in ("train_text", "test_text"):
        with pytest.raises(BadInput, match="go together"):
            Config(**{name: "a.txt"})
    with pytest.raises(BadInput, match="exclude each other"):
        Config(train_text="a.txt", test_text="b.txt", data_dir="c")


def test_what_may_change_are_options():
    assert set(Config.__dataclass_fields__) >= MAY_CHANGE
