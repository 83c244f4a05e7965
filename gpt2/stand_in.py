"""A small GPT for those who have no GPT-2 at hand: trained once, in minutes.

It is transformer.GPT on movie reviews, with the first of GPT-2's own tokens.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpt2.corpus import Corpus
from gpt2.recipe import Recipe
from gpt2.tokens import BytePairs
from machinery import checkpoint
from machinery.optimizers import Together, muon_and_adamw
from machinery.process import multiplies_in_bfloat16
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from machinery.training import fit
from transformer import GPT

CHUNK = 1024  # tokens whose logits are there at once
KIND = "gpt2_stand_in"
RESUME_PARTS = {
    "optimizer": dict,
    "scheduler": dict,
    "part": int,
    "data_hash": str,
    "losses": list,
}


@dataclass
class Training:
    """The stand-in, and all that its training needs to go on."""

    recipe: Recipe
    seed: int
    corpus: Corpus
    model: GPT
    optimizer: Together
    scheduler: Together
    part: int = 0
    losses: list[float] = field(default_factory=list)  # of each part, in nats

    def checkpoint(self) -> bytes:
        """Return what an interrupted training goes on from."""
        return self.dump(
            optimizer=self.optimizer.state_dict(),
            scheduler=self.scheduler.state_dict(),
            part=self.part,
            data_hash=self.corpus.digest,
        )

    def dump(self, **more: Any) -> bytes:
        """Return the bytes of the model as it is now."""
        weights, read = self.model.state_dict(), self.corpus.preprocessing
        return checkpoint.dump(
            KIND, weights, self.about(), read, losses=self.losses, **more
        )

    def about(self) -> dict[str, Any]:
        return asdict(self.recipe) | {"seed": self.seed}


def build(config: dict, preprocessing: dict) -> GPT:
    """Return the untrained model of a checkpoint's config."""
    sizes = ("n_layer", "n_head", "n_embd", "vocab_size", "block_size")
    return GPT(**{name: config[name] for name in sizes})


def restore(content: dict, path: str | Path) -> tuple[GPT, BytePairs]:
    """Return a checkpoint's model and vocabulary; CheckpointError for none."""
    checkpoint.check_kind(content, "stand-in of sample_gpt2.py", [KIND], path)
    checkpoint.check_layers(content, "h", path)
    model = checkpoint.restore(content, build, path).eval()
    merges = content["preprocessing"].get("merges")
    if not isinstance(merges, str):
        raise checkpoint.CheckpointError(f"{path} has no merges to read text with")
    pairs = BytePairs(merges.split("\n"), f"{path}:")
    if pairs.n_vocab != model.wte.num_embeddings:
        raise checkpoint.CheckpointError(
            f"{path}: its vocabulary has {pairs.n_vocab:,} tokens, its weights are for "
            f"{model.wte.num_embeddings:,}"
        )
    return model, pairs


def start(corpus: Corpus, recipe: Recipe, seed: int) -> Training:
    """Return a training before its first step."""
    torch.manual_seed(seed)
    model = build(asdict(recipe), {})
    begin_with_bigrams(model, corpus.stream, recipe.rank)
    optimizer, scheduler = muon_and_adamw(
        model, model.h, recipe.parts * recipe.steps, muon_lr=recipe.muon_lr,
        muon_weight_decay=recipe.muon_weight_decay, adamw_lr=recipe.adamw_lr,
        warm_up=recipe.warm_up,
    )  # fmt: skip
    return Training(recipe, seed, corpus, model, optimizer, scheduler)


def resume(training: Training, path: Path) -> None:
    """Bring a training to where its checkpoint is, if there is one.

    Raise CheckpointError for a file that is none, or of another recipe or corpus.
    """
    if not path.exists():
        return
    content = checkpoint.read(path, also=RESUME_PARTS)
    checkpoint.check_kind(content, "stand-in of sample_gpt2.py", [KIND], path)
    checkpoint.compare(content["config"], training.about(), set(), path)
    if content["data_hash"] != training.corpus.digest:
        raise checkpoint.CheckpointError(f"{path} was trained on other texts")
    training.model.load_state_dict(restore(content, path)[0].state_dict())
    training.optimizer.load_state_dict(content["optimizer"])
    training.scheduler.load_state_dict(content["scheduler"])
    training.part, training.losses = content["part"], content["losses"]


def train(training: Training, folder: RunFolder) -> bytes:
    """Train the parts that are left; return the bytes of the finished model."""
    recipe = training.recipe
    parts = range(training.part + 1, recipe.parts + 1)
    with Progress(len(parts) * recipe.steps) as progress:
        progress.label("stand-in")
        for part, losses in fit(
            training.model,
            half_precision_loss,
            lambda generator: progress.watch(
                draw(training.corpus.stream, recipe, generator)
            ),
            training.optimizer,
            parts,
            training.seed,
            training.scheduler,
        ):
            training.part = part
            training.losses.append(losses.mean().item())
            folder.write("stand_in_checkpoint.pt", training.checkpoint())
    return training.dump()


def draw(
    stream: Tensor, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw a part's batches: windows x, and the same one token on, (B, T) each."""
    T = recipe.block_size
    for _ in range(recipe.steps):
        at = torch.randint(len(stream) - T, (recipe.batch_size, 1), generator=generator)
        window = stream[at + torch.arange(T + 1)].long()
        yield window[:, :-1], window[:, 1:]


def half_precision_loss(model: GPT, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean loss in nats; products in bfloat16 where that is faster."""
    x, y = batch
    half = multiplies_in_bfloat16(x.device)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        features = model.features(x, [None] * len(model.h)).flatten(0, 1)
        weight = model.lm_head.weight
        if half:
            features, weight = features.bfloat16(), weight.bfloat16()
        return ChunkedLoss.apply(features, weight, y.flatten())


class ChunkedLoss(torch.autograd.Function):
    """Cross-entropy of features (N, C) through a head (V, C), and its gradient.

    Logits (N, V) are the largest tensor of a step; here a chunk of them is turned into
    its gradient while it is in the cache.
    """

    @staticmethod
    def forward(ctx, features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        total = torch.zeros(())
        to_features = torch.empty_like(features)
        to_weight = torch.zeros(weight.shape, dtype=torch.float32)
        for rows in torch.arange(len(targets)).split(CHUNK):
            h, y = features[rows[0] : rows[-1] + 1], targets[rows[0] : rows[-1] + 1]
            log_p = (h @ weight.t()).float().log_softmax(1)
            total -= log_p.gather(1, y[:, None]).sum()
            p = log_p.exp_()
            p.scatter_add_(1, y[:, None], p.new_full((len(y), 1), -1.0))
            gradient = p.div_(len(targets)).to(h.dtype)
            to_features[rows[0] : rows[-1] + 1] = gradient @ weight
            to_weight += gradient.t() @ h
        ctx.save_for_backward(to_features, to_weight.to(weight.dtype))
        return total / len(targets)

    @staticmethod
    def backward(ctx, scale: Tensor) -> tuple[Tensor, Tensor, None]:
        to_features, to_weight = ctx.saved_tensors
        return to_features * scale, to_weight * scale, None


@torch.no_grad()
def begin_with_bigrams(model: GPT, stream: Tensor, rank: int) -> None:
    """Start embedding and head at what counted pairs of tokens say of the next one.

    The head's rows times the embedding's are the log of how much likelier a token is
    after another than by itself, to so many dimensions. One more is for how likely it
    is by itself, and two give all embeddings a mean of zero and the same norm, so that
    the layer norm changes nothing.
    """
    V, C = model.wte.weight.shape
    rank = min(rank, C - 3, V)
    pairs = torch.bincount(stream[:-1].long() * V + stream[1:], minlength=V * V)
    counts = pairs.view(V, V).float()
    alone = counts.sum(0) + 0.1
    alone = alone / alone.sum()
    prior = 60.0  # pairs' worth of what a token is by itself
    given = (counts + prior * alone) / (counts.sum(1, keepdim=True) + prior)
    # frequent tokens weigh more in what so few dimensions keep
    weight = alone.sqrt()
    likelier = (given / alone).log_() * weight[:, None] * weight
    u, s, v = torch.svd_lowrank(likelier, q=rank, niter=1)
    u, v = (x * s.sqrt() / weight[:, None] for x in (u, v))
    length = u.norm(dim=1, keepdim=True)
    u = u * (length.quantile(0.9) / length).clamp(max=1)  # rare tokens' are long
    constant = u.norm(dim=1).mean()
    missing = -(u.sum(1) + constant)  # what the two must sum to
    square = u.square().sum(1) + constant**2
    level = (square + missing.square() / 2).quantile(0.99)  # of the squared norms
    half = ((2 * (level - square) - missing.square()).clamp(min=0)).sqrt() / 2
    scale = (C / level).sqrt()  # the norm that a layer norm gives
    model.wte.weight.zero_()
    model.wte.weight[:, :rank] = u
    model.wte.weight[:, C - 3] = constant
    model.wte.weight[:, C - 2] = missing / 2 + half
    model.wte.weight[:, C - 1] = missing / 2 - half
    model.wte.weight.mul_(scale)
    model.lm_head.weight.zero_()
    model.lm_head.weight[:, :rank] = v / scale
    model.lm_head.weight[:, C - 3] = alone.log() / constant / scale
