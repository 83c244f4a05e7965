"""Self-attention that is a convolution (Cordonnier, Loukas and Jaggi 2020, theorem 1).

B batch, K kernel size, h x w pixels; keys are the pixels of the padded image.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvolutionalAttention(nn.Module):
    """A head for each place of a kernel (d_out, d_in, K, K), K odd.

    The score of head h from a query at q for a key at q + delta is v_h . r(delta) with
    r(delta) = (|delta|^2, delta_1, delta_2) and v_h = -sharpness (1, -2 D_1, -2 D_2):
    up to a constant -sharpness |delta - D|^2, the largest at the head's own offset D.
    No score depends on what a pixel shows. Raise ValueError for an even K.
    """

    def __init__(self, kernel: Tensor, sharpness: float) -> None:
        super().__init__()
        d_out, d_in, size, width = kernel.shape
        if size != width or size % 2 == 0:
            raise ValueError(f"a kernel must be square and odd, got {size} x {width}")
        self.reach = size // 2
        steps = torch.arange(-self.reach, self.reach + 1).to(kernel)
        offsets = torch.cartesian_prod(steps, steps)  # (K^2, 2)
        ones = offsets.new_ones(len(offsets), 1)
        self.register_buffer("v", -sharpness * torch.cat([ones, -2 * offsets], 1))
        # a head's value and output maps as one: what it sees at its offset, times this
        values = kernel.permute(2, 3, 1, 0).reshape(len(offsets), d_in, d_out)
        self.values = nn.Parameter(values)

    def weights(self, height: int, width: int) -> Tensor:
        """Return each head's attention: (K^2, h w queries, keys), rows sum to one."""
        reach, v = self.reach, self.v
        rows, columns = (torch.arange(n, dtype=v.dtype) for n in (height, width))
        queries = torch.cartesian_prod(rows, columns) + reach
        rows, columns = (
            torch.arange(n + 2 * reach, dtype=v.dtype) for n in (height, width)
        )
        keys = torch.cartesian_prod(rows, columns)
        delta = (keys[None] - queries[:, None]).to(v.device)  # (queries, keys, 2)
        r = torch.cat([(delta**2).sum(2, keepdim=True), delta], 2)
        return torch.einsum("hc,qkc->hqk", v, r).softmax(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, d_in, h, w), padded with zeros first, to (B, d_out, h, w)."""
        _, _, height, width = x.shape
        keys = F.pad(x, [self.reach] * 4).flatten(2)  # (B, d_in, keys)
        seen = torch.einsum("hqk,bck->bhqc", self.weights(height, width), keys)
        out = torch.einsum("bhqc,hco->boq", seen, self.values)
        return out.unflatten(2, (height, width))
