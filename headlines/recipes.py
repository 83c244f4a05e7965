"""The four sizes of the model, and the two ways of training it."""

from dataclasses import dataclass

from headlines.data import NUM_TOKEN_VALS, NUM_TOKENS
from headlines.model import DecoderTransformer


@dataclass(frozen=True)
class Size:
    """The hyperparameters that the assignment leaves open."""

    num_neurons: int  # the MLP is so many times as wide as the embedding
    num_heads: int
    num_blocks: int
    num_emb: int


SIZES = {
    1: Size(num_neurons=10, num_heads=5, num_blocks=5, num_emb=20),
    2: Size(num_neurons=50, num_heads=5, num_blocks=5, num_emb=30),
    3: Size(num_neurons=170, num_heads=6, num_blocks=6, num_emb=48),
    4: Size(num_neurons=220, num_heads=6, num_blocks=6, num_emb=60),
}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are the notebook's."""

    pre_norm: bool = False
    dropout: float = 0.1
    batch_size: int = 32
    max_epochs: tuple[int, int, int, int] = (1000,) * 4  # of each size
    patience: int | None = 10  # epochs without a better one that are let pass
    skip_pads: bool = False  # the loss ends with the first pad; lines of like length
    adamw_lr: float = 1e-3


@dataclass(frozen=True)
class FastRecipe(Recipe):
    """Minutes on two cores: Muon for the blocks' matrices, rates that fall to zero."""

    pre_norm: bool = True
    dropout: float = 0.0
    batch_size: int = 8
    max_epochs: tuple[int, int, int, int] = (16, 6, 4, 4)
    patience: int | None = None
    skip_pads: bool = True
    adamw_lr: float = 2e-2
    muon_lr: float = 0.02
    muon_weight_decay: float = 0.1
    warm_up: float = 0.05  # share of the steps until the full rates
    embedding_std: float = 0.3
    position_std: float = 0.05  # a letter matters more than where it stands
    # share of the letters, and as much of the words, that training hides: in the few
    # epochs of sizes 3 and 4 it costs more than it helps
    hidden: tuple[float, float, float, float] = (0.0, 0.01, 0.0, 0.0)
    bfloat16_above: int = 500_000  # weights from which half precision pays


RECIPES: dict[str, Recipe] = {"exercise": Recipe(), "fast": FastRecipe()}


def build_model(size: Size, recipe: Recipe) -> DecoderTransformer:
    """Return the untrained model of a size."""
    return DecoderTransformer(
        num_tokens=NUM_TOKENS,
        num_token_vals=NUM_TOKEN_VALS,
        num_emb=size.num_emb,
        num_neurons=size.num_neurons,
        num_heads=size.num_heads,
        dropout_prob=recipe.dropout,
        num_blocks=size.num_blocks,
        pre_norm=recipe.pre_norm,
    )
