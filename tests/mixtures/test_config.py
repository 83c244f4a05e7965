"""The drivers' options: the exercise's defaults, and what is refused."""

import pytest

from machinery.errors import BadInput
from mixtures.config import GmmConfig, UmmConfig


@pytest.mark.parametrize(
    ("config_class", "output_dir", "learning_rate"),
    [(GmmConfig, "outputs/gmm", 0.01), (UmmConfig, "outputs/umm", 0.001)],
)
def test_the_defaults_are_the_exercise_s(config_class, output_dir, learning_rate):
    config = config_class()
    assert (config.output_dir, config.learning_rate) == (output_dir, learning_rate)
    assert (config.epochs, config.batch_size, config.n_seeds) == (50, 4096, 5)
    assert (config.seed, config.device, config.threads) == (42, "cpu", 1)
    assert config.data_dir is None


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("batch_size", 2**31 + 1, "at most 2147483648"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("nan"), "finite"),
        ("n_seeds", 0, "at least 1"),
        ("threads", 0, "at least 1"),
        ("seed", -1, "at least 0"),
        ("device", "tpu", "one of cpu, cuda, mps, auto"),
    ],
)
@pytest.mark.parametrize("config_class", [GmmConfig, UmmConfig])
def test_an_option_out_of_range_is_bad_input(config_class, field, value, rule):
    flag = "--" + field.replace("_", "-")
    with pytest.raises(BadInput, match=f"{flag} must be {rule}, got "):
        config_class(**{field: value})
