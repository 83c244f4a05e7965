"""How the stand-in is built and trained: minutes on two cores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    vocab_size: int = 8000  # GPT-2's tokens, cut to the first merges
    n_layer: int = 1
    n_head: int = 4
    n_embd: int = 256
    block_size: int = 64  # short: more steps are worth more than a longer context
    batch_size: int = 16
    parts: int = 10  # after each of which everything so far is on the disk
    steps: int = 190  # of each part
    muon_lr: float = 0.02
    muon_weight_decay: float = 0.1
    adamw_lr: float = 0.005
    warm_up: float = 0.04  # share of the steps until the full rates
    rank: int = 253  # of the bigrams that the embeddings begin with
    n_held_out: int = 1000  # reviews


RECIPE = Recipe()
