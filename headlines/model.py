"""The course's decoder transformer: every head is as wide as the embedding.

B batch, T tokens, D embedding, H heads, V token values. Class, parameter and argument
names are the notebook's, so that its state_dicts load and its cells run.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD = 0


class LossFun(nn.Module):
    """The negative log-likelihood of all tokens, the pads included."""

    def forward(self, y_model: Tensor, y_true: Tensor, reduction: str = "sum"):
        """Return the sum, or the mean over texts of a text's sum, in nats: ().

        y_model (B, T, V) are log-probabilities, y_true (B, T) tokens.
        """
        losses = F.nll_loss(y_model.flatten(0, 1), y_true.flatten(), reduction="none")
        if reduction == "sum":
            return losses.sum()
        if reduction == "mean":
            return losses.view_as(y_true).sum(1).mean()
        raise ValueError(f"reduction must be 'sum' or 'mean', got {reduction!r}")


class MultiHeadSelfAttention(nn.Module):
    """Self-attention with scores scaled by D^-1/2."""

    def __init__(self, num_emb: int, num_heads: int = 8) -> None:
        super().__init__()
        self.D = num_emb
        self.H = num_heads
        self.w_k = nn.Linear(self.D, self.D * self.H)
        self.w_q = nn.Linear(self.D, self.D * self.H)
        self.w_v = nn.Linear(self.D, self.D * self.H)
        self.w_c = nn.Linear(self.D * self.H, self.D)

    def forward(self, x: Tensor, causal: bool = True) -> Tensor:
        """Map x (B, T, D) to (B, T, D); if causal, from no later position."""
        B, T, D = x.shape
        k, q, v = (
            w(x).view(B, T, self.H, D).transpose(1, 2).reshape(B * self.H, T, D)
            for w in (self.w_k, self.w_q, self.w_v)
        )
        # plain products: on a processor they beat the fused kernel at these widths
        mask = torch.zeros(T, T, dtype=q.dtype, device=q.device)
        if causal:
            mask = mask.fill_(-torch.inf).triu(1)
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=D**-0.5)
        heads = torch.bmm(scores.softmax(2), v).view(B, self.H, T, D)
        return self.w_c(heads.transpose(1, 2).reshape(B, T, self.H * D))


class TransformerBlock(nn.Module):
    """Attention and an MLP, each with a residual and a layer norm after their sum.

    With pre_norm the norm comes before each of the two, and the residual stream is left
    alone (Xiong et al. 2020).
    """

    def __init__(
        self, num_emb: int, num_neurons: int, num_heads: int = 4, *,
        pre_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.msha = MultiHeadSelfAttention(num_emb=num_emb, num_heads=num_heads)
        self.layer_norm1 = nn.LayerNorm(num_emb)
        self.layer_norm2 = nn.LayerNorm(num_emb)
        self.mlp = nn.Sequential(
            nn.Linear(num_emb, num_neurons * num_emb),
            nn.GELU(),
            nn.Linear(num_neurons * num_emb, num_emb),
        )
        self.pre_norm = pre_norm

    def forward(self, x: Tensor, causal: bool = True) -> Tensor:
        """Map x (B, T, D) to (B, T, D)."""
        if self.pre_norm:
            x = x + self.msha(self.layer_norm1(x), causal)
            return x + self.mlp(self.layer_norm2(x))
        x = self.layer_norm1(self.msha(x, causal) + x)
        return self.layer_norm2(self.mlp(x) + x)


class DecoderTransformer(nn.Module):
    """An auto-regressive model of texts that begin with the token num_token_vals - 1.

    With pre_norm a parameter-free layer norm stands before the logits, as nothing
    else bounds the residual stream there; the weights are the same in number and name.
    """

    def __init__(
        self, num_tokens: int, num_token_vals: int, num_emb: int, num_neurons: int,
        num_heads: int = 2, dropout_prob: float = 0.1, num_blocks: int = 10,
        device: str | torch.device | None = None, *, pre_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_tokens = num_tokens
        self.num_token_vals = num_token_vals
        self.num_emb = num_emb
        self.num_blocks = num_blocks
        self.pre_norm = pre_norm
        self.embedding = nn.Embedding(num_token_vals, num_emb)
        self.positional_embedding = nn.Embedding(num_tokens, num_emb)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(num_emb, num_neurons, num_heads, pre_norm=pre_norm)
            for _ in range(num_blocks)
        )
        self.logits = nn.Sequential(nn.Linear(num_emb, num_token_vals))
        self.dropout = nn.Dropout(dropout_prob)
        self.loss_fun = LossFun()
        self.to(device)

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    def transformer_forward(
        self, x: Tensor, causal: bool = True, temperature: float = 1.0
    ) -> Tensor:
        """Map tokens x (B, T), T <= num_tokens, to log-probabilities (B, T, V).

        Position t has the distribution of token t + 1. The notebook ignores its causal
        flag; here causal=False lets every position see all.
        """
        positions = torch.arange(x.shape[1], device=x.device)
        h = self.embedding(x) + self.positional_embedding(positions)  # (B, T, D)
        h = self.dropout(h)
        for block in self.transformer_blocks:
            h = block(h, causal)
        if self.pre_norm:
            h = F.layer_norm(h, (self.num_emb,))
        return F.log_softmax(self.logits(h) / temperature, dim=2)

    def forward(
        self,
        x: Tensor,
        causal: bool = True,
        temperature: float = 1.0,
        reduction: str = "mean",
    ) -> Tensor:
        """Return the NLL in nats of tokens x (B, T) after the first: ()."""
        log_prob = self.transformer_forward(x, causal, temperature)
        # position t predicts t + 1: without the shift each token would see itself
        return self.loss_fun(log_prob[:, :-1], x[:, 1:], reduction=reduction)

    @torch.no_grad()
    def sample(self, batch_size: int = 4, temperature: float = 1.0):
        """Draw texts from torch's global generator: numpy tokens (B, num_tokens).

        What follows a text's first pad is whatever the model gives, as in the notebook:
        decode stops there. Temperature 0 takes the likeliest.
        """
        x = torch.full((batch_size, 1), self.num_token_vals - 1, device=self.device)
        for _ in range(self.num_tokens - 1):
            log_prob = self.transformer_forward(x, temperature=temperature or 1.0)[
                :, -1
            ]
            if temperature == 0:
                token = log_prob.argmax(1, keepdim=True)
            else:
                token = torch.multinomial(log_prob.exp(), 1)
            x = torch.cat([x, token], dim=1)
        return x.cpu().numpy()

    @torch.no_grad()
    def top1_rec(self, x: Tensor, causal: bool = True) -> Tensor:
        """Return the sum over texts of the share of tokens that are likeliest: ()."""
        log_prob = self.transformer_forward(x, causal)[:, :-1]
        return (log_prob.argmax(2) == x[:, 1:]).float().mean(1).sum()
