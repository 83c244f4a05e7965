"""Small models behind the interface of the GPT-2 course: ids and past to both again.

B batch, T tokens, V vocabulary.
"""

import torch
from torch import Tensor, nn

from grading.classes import Config
from transformer import GPT

V = 9
SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": V, "block_size": 40}
Past = list[Tensor]  # of each layer (2, B, heads, T, width), as the course's GPT-2


def config(top_k: int) -> Config:
    """The entries of the course's config."""
    return Config(
        **SIZES, top_k=top_k, n_ctx=40, n_positions=40, layer_norm_epsilon=1e-5,
        initializer_range=0.02, seed=0, device="cpu",
    )  # fmt: skip


class StandIn(nn.Module):
    """What both models share: the course's order of arguments, and dropout.

    It is handed over in evaluation, and remembers whether it was asked in training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.1)
        self.asked_in_training = False
        self.eval()

    def forward(
        self, input_ids: Tensor, position_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None, past: Past | None = None,
    ) -> tuple[Tensor, Past]:  # fmt: skip
        """Map ids (B, T) after a past to logits (B, T, V) and the past with them."""
        self.asked_in_training |= self.training
        logits, past = self.read(input_ids, past)
        return self.dropout(logits), past


class Tiny(StandIn):
    """Our GPT with larger weights, so that its distributions are far from even."""

    def __init__(self) -> None:
        super().__init__()
        self.gpt = GPT(**SIZES).eval()
        generator = torch.Generator().manual_seed(3)
        for p in self.gpt.parameters():
            p.data.copy_(0.6 * torch.randn(p.shape, generator=generator))

    def read(self, input_ids: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        cache = self.gpt.new_cache()
        for part, (k, v) in zip(cache, past or (), strict=past is not None):
            part.extend(k, v)
        logits = self.gpt.lm_head(self.gpt.features(input_ids, cache))
        return logits, [part.room[:, :, :, : part.length].clone() for part in cache]


N_COMMON, N_RARE = 60, 160
COMMON, RARE = -4.2, -7.4  # nats of a token


class TwoKinds(StandIn):
    """Gives some tokens COMMON nats and the others RARE ones, whatever comes before."""

    def __init__(self) -> None:
        super().__init__()
        logits = torch.tensor([COMMON] * N_COMMON + [RARE] * N_RARE)
        self.logits = nn.Parameter(logits)

    def read(self, input_ids: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        shape = (*input_ids.shape, len(self.logits))
        return self.logits.expand(shape), [torch.zeros(2, len(input_ids), 1, 1, 1)]


def texts(common: bool, lengths: tuple[int, ...]) -> list[Tensor]:
    """Texts (1, n + 1) of one kind, of which n tokens are scored."""
    generator = torch.Generator().manual_seed(7)
    low, high = (0, N_COMMON) if common else (N_COMMON, N_COMMON + N_RARE)
    return [torch.randint(low, high, (1, n + 1), generator=generator) for n in lengths]


LANGUAGE = texts(True, (15, 24, 36))  # -63 to -152 nats
RANDOM = texts(False, (57, 65, 75))  # -422 to -555 nats
