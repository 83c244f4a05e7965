"""Which files of a folder define what, by their text alone: nothing is run."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

DEEPEST = 2  # folders below the one that is checked
# what the siblings of the first exercise name, in files of any name
ANYWHERE = (
    "SelfAttention", "MultiHeadSelfAttention", "TransformerBlock",
    "log_likelihood", "classification", "temperature_scale",
)  # fmt: skip
DEFINED = re.compile(r"^(?:class|def)\s+(\w+)", re.M)


@dataclass(frozen=True)
class Source:
    """A file with definitions: its content, and its name for an import."""

    path: Path
    content: bytes
    name: str

    @property
    def defines(self) -> set[str]:
        """The names of its classes and functions, of those in broken code as well."""
        return set(DEFINED.findall(self.content.decode(errors="replace")))


def is_left_out(folder: Path) -> bool:
    """Whether a folder is hidden, a cache or an environment."""
    hidden = folder.name.startswith((".", "__pycache__"))
    return hidden or folder.is_symlink() or (folder / "pyvenv.cfg").exists()


def scan(folder: Path, deepest: int = DEEPEST) -> list[Source]:
    """Return the sources of a folder and of those in it, the nearest first."""
    found = []
    for where, folders, files in os.walk(folder):
        here = Path(where)
        depth = len(here.relative_to(folder).parts)
        folders[:] = [
            name for name in folders if depth < deepest and not is_left_out(here / name)
        ]
        found += [here / name for name in files if not name.startswith(".")]
    found = [path for path in found if path.suffix == ".py" and path.is_file()]
    found.sort(key=lambda path: (len(path.parts), path.suffix != ".py", path.name))
    return [Source(path, path.read_bytes(), dotted(path, folder)) for path in found]


def dotted(path: Path, folder: Path) -> str:
    """The name by which a file of a folder is imported."""
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


def roads(folder: Path, sources: list[Source]) -> list[Path]:
    """Return the folders from which the sources in folders below import each other.

    Those are the folders on the way to them; and the one above, where they call their
    own folder by its name.
    """
    found: list[Path] = []
    own = re.compile(rf"^\s*(?:from|import)\s+{re.escape(folder.name)}\b", re.M)
    for source in sources:
        if source.defines.isdisjoint(ANYWHERE):
            continue
        here = source.path.parent
        while here != folder:
            found.append(here)
            here = here.parent
        if own.search(source.content.decode(errors="replace")):
            found.append(folder.parent)
    return list(dict.fromkeys(found))
