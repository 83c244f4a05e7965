"""Training and evaluating the character GPT; files that a run goes on from."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dataset import Vocabulary
from gpt import snapshots
from gpt.config import MAY_CHANGE, Config
from gpt.data import Corpus
from machinery import checkpoint
from machinery.errors import Diverged
from machinery.optimizers import FlatAdam
from machinery.progress import Progress
from machinery.training import fit, in_chunks
from transformer import GPT, next_token_loss

EVALUATION_BATCH = 500  # windows; more of them no longer fit a processor's cache
RESUME_PARTS = {
    "optimizer": dict,
    "epoch": int,
    "data_hash": str,
    "metrics": list,
    "step_losses": list,
    "samples": list,
}  # what checkpoint.pt has besides model.pt's parts


@dataclass
class Run:
    """One training: all that it has produced, and all that it needs to go on."""

    config: Config
    corpus: Corpus
    device: torch.device
    model: GPT
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)  # from epoch 0
    step_losses: list[float] = field(default_factory=list)
    samples: list[dict[str, list[str]]] = field(default_factory=list)  # from epoch 1
    snapshots: list[dict[str, Any]] = field(default_factory=list)  # from epoch 0

    @property
    def prompt(self) -> Tensor:
        """The ids (T,) that sampled sentences start with."""
        ids = self.corpus.vocabulary.encode_prompt(self.config.prompt)
        return torch.tensor(ids, device=self.device)

    def files(self) -> dict[str, bytes]:
        """Return the files of this epoch, in the order in which they are to be written.

        model.pt is what sampling needs; snapshots.pt has earlier epochs' weights too;
        checkpoint.pt, what going on needs, says that the others are there.
        """
        # whether a run was continued is no part of its model
        options = asdict(replace(self.config, resume=False))
        saved = "gpt", self.model.state_dict(), options, self.corpus.preprocessing
        return {
            "snapshots.pt": checkpoint.dump(*saved, snapshots=self.snapshots),
            "model.pt": checkpoint.dump(*saved),
            "checkpoint.pt": checkpoint.dump(
                *saved,
                optimizer=self.optimizer.state_dict(),
                epoch=self.epoch,
                data_hash=self.corpus.digest,
                metrics=self.rows,
                step_losses=self.step_losses,
                samples=self.samples,
            ),
        }


def build_model(config: dict, preprocessing: dict) -> GPT:
    """Return the untrained GPT that a checkpoint's config and vocabulary ask for."""
    return GPT(
        n_layer=config["n_layer"],
        n_head=config["n_head"],
        n_embd=config["n_embd"],
        vocab_size=len(preprocessing["vocabulary"]),
        block_size=config["block_size"],
        dropout=config["dropout"],
        tie_weights=config["tie_weights"],
    )


def load(path: str | Path) -> tuple[GPT, Vocabulary]:
    """Return a saved model, ready to generate, and its vocabulary.

    Raise checkpoint.CheckpointError when the file is not a saved GPT.
    """
    content = checkpoint.read(path)
    model = restore(content, path)
    return model, Vocabulary(content["preprocessing"]["vocabulary"])


def restore(content: dict, path: str | Path) -> GPT:
    """Return a checkpoint's GPT, ready to generate.

    Raise checkpoint.CheckpointError where it holds none.
    """
    checkpoint.check_kind(content, "model of train_gpt.py", ["gpt"], path)
    checkpoint.check_layers(content, "h", path)
    return checkpoint.restore(content, build_model, path).eval()


def untrained(config: Config, corpus: Corpus) -> GPT:
    """Return the model that a run begins with: a function of its seed."""
    torch.manual_seed(config.seed)
    return build_model(asdict(config), corpus.preprocessing)


def start(config: Config, corpus: Corpus, device: torch.device) -> Run:
    """Return a run before its first epoch."""
    model = untrained(config, corpus).to(device)
    optimizer = FlatAdam(model.parameters(), config.learning_rate)
    return Run(config, corpus, device, model, optimizer)


def resume(config: Config, corpus: Corpus, device: torch.device, folder: Path) -> Run:
    """Return the run that a folder's checkpoint.pt and snapshots.pt continue.

    Raise CheckpointError for files that are none, or of another config or corpus.
    """
    path = folder / "checkpoint.pt"
    content = read_checkpoint(config, corpus, path)
    model = restore(content, path).to(device)
    optimizer = FlatAdam(model.parameters(), config.learning_rate)
    try:
        optimizer.load_state_dict(content["optimizer"])
    except (KeyError, ValueError, TypeError) as error:
        raise checkpoint.CheckpointError(
            f"{path} holds no state of Adam: {error}"
        ) from error
    return Run(
        config, corpus, device, model, optimizer, content["epoch"], content["metrics"],
        content["step_losses"], content["samples"],
        snapshots.read(folder / "snapshots.pt", content["epoch"]),
    )  # fmt: skip


def read_checkpoint(config: Config, corpus: Corpus, path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint.pt that config and corpus may continue."""
    if not path.exists():
        raise checkpoint.CheckpointError(
            f"{path} does not exist: nothing to resume; run without --resume"
        )
    content = checkpoint.read(path, also=RESUME_PARTS)
    checkpoint.compare(content["config"], asdict(config), MAY_CHANGE, path)
    trained_on = content["data_hash"], content["preprocessing"]
    if trained_on != (corpus.digest, corpus.preprocessing):
        raise checkpoint.CheckpointError(f"{path} was trained on another text")
    if content["epoch"] > config.epochs:
        raise checkpoint.CheckpointError(
            f"{path} has done {content['epoch']} epochs, more than --epochs "
            f"{config.epochs}"
        )
    return content


def train(run: Run, progress: Progress) -> Iterator[int]:
    """Train the epochs that are left; yield each one, and 0 before the first.

    The run has the epoch's measurements and weights when it is yielded.
    """
    config, data = run.config, run.corpus.train

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        shape = (config.epoch_windows,)
        starts = torch.randint(len(data), shape, generator=generator)
        windows = data.windows(starts).to(run.device)
        for batch in progress.watch(windows.split(config.batch_size)):
            yield batch[:, :-1], batch[:, 1:]

    if not run.rows:
        record(run)
        yield 0
    epochs = range(run.epoch + 1, config.epochs + 1)
    for epoch, losses in fit(
        run.model, next_token_loss, batches, run.optimizer, epochs, config.seed
    ):
        run.epoch = epoch
        run.step_losses += losses.tolist()
        record(run)
        yield epoch


def record(run: Run) -> None:
    """Keep the epoch's measurements and, of some epochs, the weights."""
    run.rows.append(measure(run))
    if snapshots.is_kept(run.epoch):
        run.snapshots.append(snapshots.take(run.model, run.epoch))


def measure(run: Run) -> dict[str, float]:
    """Return the epoch's row of metrics.csv, on the fixed windows of both splits."""
    row = {"epoch": run.epoch}
    for split, windows in run.corpus.fixed.items():
        for name, value in evaluate(run.model, windows.to(run.device)).items():
            row[f"{split}_{name}"] = value
        if not math.isfinite(row[f"{split}_loss"]):
            raise Diverged(
                f"the {split} loss became {row[f'{split}_loss']} after epoch "
                f"{run.epoch}; a smaller learning rate may help"
            )
    return row


@torch.no_grad()
def evaluate(model: GPT, windows: Tensor) -> dict[str, float]:
    """Return the mean loss and accuracies on windows (M, block_size + 1).

    loss is over all positions, in nats; accuracy is the exercise's, of the last
    character alone; accuracy_all counts every position.
    """
    model.eval()

    def per_window(chunk: Tensor) -> Tensor:
        x, y = chunk[:, :-1], chunk[:, 1:]
        logits = model(x)  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
        right = logits.argmax(dim=2) == y  # (B, T)
        columns = (
            loss.view_as(y).mean(1),
            right[:, -1].float(),
            right.float().mean(1),
        )
        return torch.stack(columns, dim=1)  # (B, 3)

    values = in_chunks(per_window, windows, EVALUATION_BATCH)  # (M, 3)
    means = values.cpu().double().mean(0).tolist()
    return dict(zip(("loss", "accuracy", "accuracy_all"), means, strict=True))
