"""The two recipes at work: batches, losses, optimizers and rates."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headlines.data import Tokenizer
from headlines.likelihood import crop, lengths, training_loss
from headlines.model import PAD, DecoderTransformer
from headlines.recipes import FastRecipe, Recipe
from machinery.optimizers import Together, muon_and_adamw
from machinery.process import multiplies_in_bfloat16
from machinery.training import Batches, shuffled

SPACE = Tokenizer().alphabet[" "]
JITTER = 8  # characters by which the lengths within a batch may differ more


def make_batches(tokens: Tensor, recipe: Recipe, size: int) -> Batches:
    """Return what draws an epoch's batches from lines (N, T)."""
    if isinstance(recipe, FastRecipe):
        hidden = recipe.hidden[size - 1]
        return lambda generator: similar(tokens, recipe.batch_size, hidden, generator)
    return shuffled(tokens, recipe.batch_size)


def similar(
    tokens: Tensor, batch_size: int, hidden: float, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw batches of lines of similar length, as they are and as the model sees them.

    Both are (B, longest + 2); every line comes once an epoch.
    """
    noise = torch.rand(len(tokens), generator=generator) * JITTER
    batches = (lengths(tokens).cpu() + noise).argsort().split(batch_size)
    for i in torch.randperm(len(batches), generator=generator).tolist():
        lines = crop(tokens[batches[i]])
        yield lines, hide(lines, hidden, generator)


def hide(lines: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return lines (B, T) with a share of letters, and of whole words, as pads.

    The targets stay: a model that cannot rely on every letter leans on no single one.
    """
    draws = torch.rand(2, *lines.shape, generator=generator).to(lines.device)
    word = (lines == SPACE).cumsum(1)  # the number of each character's word
    hidden = (draws[0] < share) | (draws[1].gather(1, word) < share)
    return lines.masked_fill(hidden & (lines < SPACE), PAD)  # a pad stays one


def loss_function(recipe: Recipe):
    """Return the loss of a batch: of lines and inputs, or the notebook's of lines."""
    if isinstance(recipe, FastRecipe):
        return in_half_precision(recipe.bfloat16_above)
    return lambda model, lines: model(lines)


def in_half_precision(above: int):
    """Return the fast recipe's loss, its products in bfloat16 where that is faster.

    It is for models of so many weights, on processors that multiply in it.
    """

    def loss(model: DecoderTransformer, batch: tuple[Tensor, Tensor]) -> Tensor:
        large = sum(p.numel() for p in model.parameters()) > above
        half = large and multiplies_in_bfloat16(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
            return training_loss(model, *batch)

    return loss


def make_optimizer(
    model: DecoderTransformer, recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer | Together, Together | None]:
    """Return the optimizer of a recipe, and the scheduler of its rates over all steps.

    The fast one is Muon for the blocks' matrices and AdamW for the rest.
    """
    if not isinstance(recipe, FastRecipe):
        return torch.optim.AdamW(model.parameters(), recipe.adamw_lr), None
    return muon_and_adamw(
        model, model.transformer_blocks, steps, muon_lr=recipe.muon_lr,
        muon_weight_decay=recipe.muon_weight_decay, adamw_lr=recipe.adamw_lr,
        warm_up=recipe.warm_up,
    )  # fmt: skip


def initialize(model: DecoderTransformer, recipe: Recipe) -> None:
    """Start the fast recipe's weights: small outputs of the blocks and positions."""
    if not isinstance(recipe, FastRecipe):
        return
    scale = (2 * model.num_blocks) ** -0.5
    with torch.no_grad():
        for block in model.transformer_blocks:
            block.msha.w_c.weight.mul_(scale)
            block.mlp[2].weight.mul_(scale)
        model.embedding.weight.normal_(std=recipe.embedding_std)
        model.positional_embedding.weight.normal_(std=recipe.position_std)
