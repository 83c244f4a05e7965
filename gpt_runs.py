"""The character GPT's text, model, training and evaluation: what its drivers share."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import checkpoint
import cli
from cli import Progress, option
from dataset import DataHandler, ShakespeareDataset, Vocabulary, shakespeare_files
from training import FlatAdam, fit, in_chunks, pick_device
from transformer import GPT, next_token_loss

EVALUATION_BATCH = 500  # windows; more of them no longer fit a processor's cache


@dataclass(frozen=True)
class Config:
    """Options of train_gpt.py; the defaults are the exercise's."""

    data_dir: str | None = option(
        None,
        "folder with train_shakespeare.txt and test_shakespeare.txt; "
        "none: Tiny Shakespeare",
    )
    train_text: str | None = option(None, "any text file to train on")
    test_text: str | None = option(
        None, "the text file to test on; goes with the other"
    )
    output_dir: str = option("outputs/gpt", "folder for figures, numbers and model")
    block_size: int = option(10, "characters that the model sees", at_least=1)
    n_layer: int = option(3, "transformer blocks", at_least=1)
    n_head: int = option(3, "attention heads", at_least=1)
    n_embd: int = option(48, "channels, a multiple of the heads", at_least=1)
    dropout: float = option(
        0.0, "share of activations dropped in training", at_least=0, below=1
    )
    tie_weights: bool = option(False, "one matrix for embedding and head, as GPT-2 has")
    learning_rate: float = option(3e-4, "Adam step size", above=0)
    batch_size: int = option(64, "windows per step", at_least=1, at_most=2**31)
    epochs: int = option(10, "epochs", at_least=1)
    epoch_windows: int = option(
        100_000, "windows per epoch, drawn with replacement", at_least=1
    )
    test_windows: int = option(
        10_000, "fixed windows of each split to evaluate on", at_least=1
    )
    prompt: str = option("the ", "what the sampled sentences start with")
    sample_length: int = option(30, "characters after the prompt", at_least=1)
    n_sentences: int = option(3, "sentences of each kind after an epoch", at_least=1)
    n_judged: int = option(1000, "sentences of each kind that are judged", at_least=1)
    top_k: int = option(5, "characters that top-k sampling keeps", at_least=1)
    seed: int = option(42, "seed of everything random", at_least=0, at_most=2**32 - 1)
    device: str = option(
        "cpu", "where to train", choices=("cpu", "cuda", "mps", "auto")
    )
    threads: int | None = option(
        None, "processor threads; none: one a core", at_least=1
    )
    resume: bool = option(False, "go on from checkpoint.pt in the output folder")

    def __post_init__(self) -> None:
        cli.check(self)
        if self.n_embd % self.n_head:
            raise ValueError(
                f"--n-embd must be a multiple of --n-head, "
                f"got {self.n_embd} and {self.n_head}"
            )
        if (self.train_text is None) != (self.test_text is None):
            raise ValueError("--train-text and --test-text go together")
        if self.train_text and self.data_dir:
            raise ValueError("--data-dir and --train-text exclude each other")


# options that a continued run may change: they change no weight of any epoch
FREE = {
    "epochs", "output_dir", "resume", "data_dir", "train_text", "test_text", "threads",
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """Both splits as windows, and the fixed windows (M, block_size + 1) of each."""

    handler: DataHandler
    train: ShakespeareDataset
    test: ShakespeareDataset
    fixed: dict[str, Tensor]

    @property
    def vocabulary(self) -> Vocabulary:
        return self.handler.vocabulary

    @property
    def digest(self) -> str:
        """SHA-256 of the two texts, that a checkpoint remembers."""
        both = "\0".join(self.handler.text.values())
        return hashlib.sha256(both.encode()).hexdigest()


def load_text(config: Config) -> Text:
    """Read and check both splits; ValueError for a text that cannot be used."""
    if config.train_text:
        files = config.train_text, config.test_text
    else:
        files = shakespeare_files(config.data_dir)
    handler = DataHandler(*files, config.block_size)
    train, test = handler.get_dataset("train"), handler.get_dataset("test")
    handler.encoder(config.prompt)  # refuse an unknown character before any training
    generator = torch.Generator().manual_seed(config.seed)
    fixed = {}
    for split, data in (("train", train), ("test", test)):
        order = torch.randperm(len(data), generator=generator)
        fixed[split] = data.windows(order[: config.test_windows])
    return Text(handler, train, test, fixed)


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


def load_gpt(path: str | Path) -> tuple[GPT, Vocabulary]:
    """Return a saved model, ready to generate, and its vocabulary.

    Raise checkpoint.CheckpointError when the file is not a saved GPT.
    """
    content = checkpoint.read(path)
    return restore(content, path).eval(), Vocabulary(
        content["preprocessing"]["vocabulary"]
    )


def restore(content: dict, path: str | Path) -> GPT:
    """Return a checkpoint's GPT; raise CheckpointError where it holds none."""
    checkpoint.check_kind(content, "model of train_gpt.py", ["gpt"], path)
    checkpoint.check_layers(content, "h", path)
    return checkpoint.restore(content, build_model, path)


@torch.no_grad()
def evaluate(model: GPT, windows: Tensor) -> dict[str, float]:
    """Measure the loss and accuracies on windows (M, block_size + 1).

    loss is over all positions, in nats; accuracy is the exercise's, of the last
    character alone; accuracy_all counts every position.
    """
    model.eval()

    def measure(chunk: Tensor) -> Tensor:
        x, y = chunk[:, :-1], chunk[:, 1:]
        logits = model(x)  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
        right = logits.argmax(dim=2) == y  # (B, T)
        per_window = (
            loss.view_as(y).mean(1),
            right[:, -1].float(),
            right.float().mean(1),
        )
        return torch.stack(per_window, dim=1)  # (B, 3)

    means = (
        in_chunks(measure, windows, EVALUATION_BATCH).cpu().double().mean(0).tolist()
    )
    return dict(zip(("loss", "accuracy", "accuracy_all"), means, strict=True))


PROGRESS = {
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
    text: Text
    model: GPT
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)  # from epoch 0
    step_losses: list[float] = field(default_factory=list)
    samples: list[dict[str, list[str]]] = field(default_factory=list)  # from epoch 1

    def preprocessing(self) -> dict[str, str]:
        return {"vocabulary": self.text.vocabulary.characters}

    def options(self) -> dict:
        """Return the config; whether a run was continued is no part of its model."""
        return asdict(replace(self.config, resume=False))

    def model_file(self) -> bytes:
        """Return model.pt: what sampling needs."""
        return checkpoint.dump(
            "gpt", self.model.state_dict(), self.options(), self.preprocessing()
        )

    def checkpoint_file(self) -> bytes:
        """Return checkpoint.pt: what going on needs."""
        return checkpoint.dump(
            "gpt",
            self.model.state_dict(),
            self.options(),
            self.preprocessing(),
            optimizer=self.optimizer.state_dict(),
            epoch=self.epoch,
            data_hash=self.text.digest,
            metrics=self.rows,
            step_losses=self.step_losses,
            samples=self.samples,
        )


def start(config: Config, text: Text) -> Run:
    """Return a run before its first epoch."""
    torch.manual_seed(config.seed)
    model = build_model(asdict(config), {"vocabulary": text.vocabulary.characters})
    model.to(pick_device(config.device))
    optimizer = FlatAdam(model.parameters(), config.learning_rate)
    return Run(config, text, model, optimizer)


def resume(config: Config, text: Text, path: Path) -> Run:
    """Return the run that a checkpoint.pt continues.

    Raise CheckpointError for a file that is none, or one of another config or data.
    """
    if not path.exists():
        raise checkpoint.CheckpointError(
            f"{path} does not exist: nothing to resume; run without --resume"
        )
    content = checkpoint.read(path, also=PROGRESS)
    checkpoint.compare(content["config"], asdict(config), FREE, path)
    if content["data_hash"] != text.digest:
        raise checkpoint.CheckpointError(f"{path} was trained on another text")
    if content["epoch"] > config.epochs:
        raise checkpoint.CheckpointError(
            f"{path} has done {content['epoch']} epochs, more than --epochs "
            f"{config.epochs}"
        )
    run = start(config, text)
    restore(content, path)  # names and shapes agree
    run.model.load_state_dict(content["state_dict"])
    try:
        run.optimizer.load_state_dict(content["optimizer"])
    except (KeyError, ValueError, TypeError) as error:
        raise checkpoint.CheckpointError(
            f"{path} holds no state of Adam: {error}"
        ) from error
    run.epoch, run.rows = content["epoch"], content["metrics"]
    run.step_losses, run.samples = content["step_losses"], content["samples"]
    return run


def train(run: Run, progress: Progress) -> Iterator[int]:
    """Train the epochs that are left; yield each one, and 0 before the first.

    run.rows has the epoch's measurements when it is yielded.
    """
    device = next(run.model.parameters()).device
    config, data = run.config, run.text.train

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        shape = (config.epoch_windows,)
        starts = torch.randint(len(data), shape, generator=generator)
        windows = data.windows(starts).to(device)
        for batch in progress.watch(windows.split(config.batch_size)):
            yield batch[:, :-1], batch[:, 1:]

    if not run.rows:
        run.rows.append(measure(run))
        yield 0
    epochs = range(run.epoch + 1, config.epochs + 1)
    for epoch, losses in fit(
        run.model, next_token_loss, batches, run.optimizer, epochs, config.seed
    ):
        run.epoch = epoch
        run.step_losses += losses.tolist()
        run.rows.append(measure(run))
        yield epoch


def measure(run: Run) -> dict[str, float]:
    """Return the epoch's row of metrics.csv, on the fixed windows of both splits."""
    device = next(run.model.parameters()).device
    row = {"epoch": run.epoch}
    for split, windows in run.text.fixed.items():
        for name, value in evaluate(run.model, windows.to(device)).items():
            row[f"{split}_{name}"] = value
        if not math.isfinite(row[f"{split}_loss"]):
            raise FloatingPointError(
                f"the {split} loss became {row[f'{split}_loss']} after epoch "
                f"{run.epoch}; a smaller learning rate may help"
            )
    return row
