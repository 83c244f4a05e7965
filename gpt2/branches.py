"""A cache that many continuations of one text share.

Shapes: B continuations, P tokens of the past, T of a continuation, H heads, D channels.
"""

import torch
from torch import Tensor

from transformer import KeyValueCache


class Branches(KeyValueCache):
    """Many continuations of one past, which they share without a copy of it.

    B continuations of P tokens each see a past of one text, and themselves.
    """

    def __init__(self, past: KeyValueCache) -> None:
        super().__init__()
        self.past = past
        self.n_past = past.length

    @property
    def n_before(self) -> int:
        return self.n_past + self.length

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Append k and v (B, H, 1, D); return what q sees: (B, H, 1, D)."""
        k, v = self.extend(k, v)
        old_k, old_v = self.past.room[:, 0, :, : self.n_past]  # (H, P, D)
        scale = q.shape[3] ** -0.5
        # all continuations ask the past in one product a head
        old = q[:, :, 0].transpose(0, 1) @ old_k.transpose(1, 2)  # (H, B, P)
        own = (q @ k.transpose(2, 3))[:, :, 0].transpose(0, 1)  # (H, B, T)
        weights = (torch.cat([old, own], dim=2) * scale).softmax(dim=2)
        seen = weights[:, :, : self.n_past] @ old_v  # (H, B, D)
        of_own = weights[:, :, None, self.n_past :].transpose(0, 1) @ v  # (B, H, 1, D)
        return seen.transpose(0, 1)[:, :, None] + of_own

    def fork(self, n: int) -> None:
        """Let every continuation go on in n ways: B n of them, side by side."""
        if self.room is not None:
            self.room = self.room[:, :, :, : self.length].repeat_interleave(n, dim=1)

    def keep(self, i: int, n_tokens: int) -> None:
        """Append the first n_tokens of continuation i to the past."""
        self.past.extend(*self.room[:, i : i + 1, :, :n_tokens])
