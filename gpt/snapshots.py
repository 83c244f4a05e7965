"""The weights of a run's epochs, for figures over time: snapshots.pt."""

from pathlib import Path
from typing import Any

from torch import nn

from machinery import checkpoint


def is_kept(epoch: int) -> bool:
    """Whether an epoch's weights are kept: 0 to 10, 20, 30, ..., 100, 200, ...

    The file stays small however long a run is, and which epochs it holds does not
    depend on how many the run was to have.
    """
    return epoch % 10 ** (len(str(epoch)) - 1) == 0


def take(model: nn.Module, epoch: int) -> dict[str, Any]:
    """Return the weights as they are now."""
    weights = model.state_dict().items()
    return {"epoch": epoch, "state_dict": {k: v.cpu().clone() for k, v in weights}}


def read(path: Path, epoch: int) -> list[dict[str, Any]]:
    """Return the snapshots up to an epoch that a run goes on from.

    None where the file is gone: what it showed is lost, but not the run. Raise
    CheckpointError where it does not lead up to this epoch.
    """
    if not path.exists():
        return []
    content = checkpoint.read(path, also={"snapshots": list})
    if not all(map(is_snapshot, content["snapshots"])):
        raise checkpoint.CheckpointError(f"{path} holds no snapshots of a model")
    # one more where the run was killed between writing this file and checkpoint.pt
    found = [s for s in content["snapshots"] if s["epoch"] <= epoch]
    expected = [e for e in range(epoch + 1) if is_kept(e)]
    if [s["epoch"] for s in found] != expected[-len(found) or len(expected) :]:
        raise checkpoint.CheckpointError(
            f"{path} does not lead up to epoch {epoch}, which checkpoint.pt has "
            "reached; remove it to go on without"
        )
    # literal keys anew: a pickle's bytes tell whether equal strings are one object
    return [{"epoch": s["epoch"], "state_dict": s["state_dict"]} for s in found]


def is_snapshot(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("epoch"), int)
        and isinstance(value.get("state_dict"), dict)
    )
