"""What the drivers have written, as far as it is there: a pack for each panel."""

from pathlib import Path

from playground import gpt, headlines, mixtures, sentiment
from playground.config import Config
from playground.pack import Pack

COMMANDS = {
    "gpt": "python train_gpt.py",
    "mixtures": "python train_gmm.py and python train_umm.py",
    "headlines": "python train_headlines.py",
    "sentiment": "python train_sentiment.py",
}  # what trains each panel's model
BESIDE = ("sentiment",)  # in files of their own, loaded when they are asked for
ROOM = 2_750_000  # characters of weights in the page: 3 MB with scripts and styles


def collect(config: Config) -> dict[str, Pack]:
    """Return the packs of the models that are there, in the order of the panels.

    Raise CheckpointError for a file that is damaged.
    """
    outputs = Path(config.outputs)
    found: dict[str, Pack] = {}
    folders = [outputs / name for name in ("gmm", "umm")]
    folders = [f for f in folders if (f / "snapshots.pt").exists()]
    if folders:
        found["mixtures"] = mixtures.collect(folders)
    path = headlines.model_file(outputs / "headlines", config.headlines_size)
    if path.exists():
        found["headlines"] = headlines.collect(path)
    path = outputs / "sentiment" / "assignment.pt"
    if path.exists():
        found["sentiment"] = sentiment.collect(path)
    if (outputs / "gpt" / "model.pt").exists():
        inside = [pack for name, pack in found.items() if name not in BESIDE]
        taken = sum(len(pack.as_json()) for pack in inside)
        # the GPT's epochs take what the others leave
        found["gpt"] = gpt.collect(outputs / "gpt", ROOM - taken)
    return {name: found[name] for name in COMMANDS if name in found}
