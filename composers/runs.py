"""Trainings on scraps, what they say of others, and the file of a model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from composers.config import Config
from composers.graphs import N_NUMBERS, N_RELATIONS, Graphs, batch, without
from composers.model import Committee, ComposerNetwork
from composers.scraps import N_FOLDS, SIZE
from machinery import checkpoint
from machinery.progress import stoppable
from machinery.training import derive_seed, fit, steps_per_epoch

KIND = "composers"
SMOOTHING = 0.05  # of the labels
WARM_UP = 0.2  # share of the steps until the highest rate
EVALUATED = 256  # scraps at a time
HALF_AN_OCTAVE = 6  # semitones: scraps are transposed by up to so many


@dataclass(frozen=True)
class Setting:
    """What one training has that another may have not."""

    relational: bool = True
    left_out: tuple[int, ...] = ()  # relations
    seed: int = 0


@dataclass(frozen=True)
class Job:
    """One training: of which scraps, and how."""

    rows: np.ndarray
    config: Config
    setting: Setting = Setting()


def build(config: Config, n_classes: int, setting: Setting) -> ComposerNetwork:
    """Return the untrained network: a function of the seeds."""
    torch.manual_seed(derive_seed([config.seed, setting.seed]))
    return ComposerNetwork(
        n_classes, N_NUMBERS, N_RELATIONS, SIZE, relational=setting.relational,
        n_layers=config.layers, dropout=config.dropout,
    )  # fmt: skip


def train(
    graphs: Graphs, labels: Tensor, n_classes: int, device: torch.device, job: Job
) -> ComposerNetwork:
    """Train a network on some rows; the last epoch's weights count."""
    rows, config, setting = torch.from_numpy(job.rows), job.config, job.setting
    model = build(config, n_classes, setting).to(device)
    steps = steps_per_epoch(len(rows), config.batch_size)
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay,
        fused=True,
    )  # fmt: skip
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=steps * config.epochs,
        pct_start=WARM_UP,
    )  # fmt: skip

    def draw(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor | int]]:
        for some in rows[torch.randperm(len(rows), generator=generator)].split(
            config.batch_size
        ):
            low, high = -HALF_AN_OCTAVE + 1, HALF_AN_OCTAVE + 1
            shift = torch.randint(low, high, (len(some),), generator=generator)
            yield some, shift if config.rotate else 0

    def loss(model: ComposerNetwork, drawn: tuple[Tensor, Tensor | int]) -> Tensor:
        some, shift = drawn
        logits = judge(model, graphs, some, shift, setting.left_out)
        wanted = labels[some].to(logits.device)
        return F.cross_entropy(logits, wanted, label_smoothing=SMOOTHING)

    seed = derive_seed([config.seed, setting.seed, 1])
    epochs = range(1, config.epochs + 1)
    for _ in fit(
        model, loss, lambda g: stoppable(draw(g)), optimizer, epochs, seed, scheduler
    ):
        pass
    return model.eval()


def judge(
    model: ComposerNetwork | Committee, graphs: Graphs, rows: Tensor,
    shift: Tensor | int = 0, left_out: tuple[int, ...] = (),
) -> Tensor:  # fmt: skip
    """Return logits (B, classes) of some scraps."""
    device = next(model.parameters()).device
    graph = batch(graphs, rows, shift)
    if left_out:
        graph = without(graph, left_out)
    parts = (graph.pitch, graph.numbers, graph.source, graph.target, graph.relation)
    return model(*(part.to(device) for part in parts))


@torch.no_grad()
def probabilities(
    model: ComposerNetwork | Committee, graphs: Graphs, rows: np.ndarray | Tensor,
    left_out: tuple[int, ...] = (),
) -> np.ndarray:  # fmt: skip
    """Return p(composer | scrap) of some scraps: (n, classes)."""
    model.eval()
    parts = torch.as_tensor(rows).split(EVALUATED)
    found = [judge(model, graphs, part, left_out=left_out).softmax(1) for part in parts]
    return torch.cat(found).cpu().double().numpy()


def dump(
    committees: list[Committee], config: dict, composers: tuple[str, ...]
) -> bytes:
    """Return the file of all folds' networks, with the composers that they know."""
    about = {"composers": "\n".join(composers)}
    members = [member for committee in committees for member in committee.members]
    weights = Committee(members).state_dict()
    weights = {name: weight.cpu() for name, weight in weights.items()}
    return checkpoint.dump(KIND, weights, config, about)


def rebuild(config: dict, preprocessing: dict) -> Committee:
    """Return the untrained networks that a file's config asks for."""
    n_classes = preprocessing["composers"].count("\n") + 1
    return Committee(
        [
            ComposerNetwork(
                n_classes, N_NUMBERS, N_RELATIONS, SIZE, n_layers=config["layers"],
                dropout=config["dropout"],
            )
            for _ in range(N_FOLDS * config["n_seeds"])
        ]
    )  # fmt: skip


def load(path: str) -> tuple[Committee, list[str]]:
    """Return saved networks and their composers' names; CheckpointError for none."""
    content = checkpoint.read(path)
    checkpoint.check_kind(content, "model of train_composers.py", [KIND], path)
    model = checkpoint.restore(content, rebuild, path).eval()
    return model, content["preprocessing"]["composers"].split("\n")
