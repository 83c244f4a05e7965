"""Which files of a folder define what, by their text alone: nothing is run."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from grading import notebooks
from grading.sandbox import FILES, JUDGED, LARGEST_FILE
from machinery.errors import BadInput

# the names of what somebody kept beside the file that counts
ASIDE = re.compile(r"(^|[\W_])(copy|old|backup|bak)(\d|[\W_]|$)|\(\d+\)", re.I)
DEEPEST = 2  # folders below the one that is checked
# what the siblings of the first exercise name, in files of any name
ANYWHERE = (
    "SelfAttention", "MultiHeadSelfAttention", "TransformerBlock",
    "log_likelihood", "classification", "temperature_scale",
)  # fmt: skip
# by what it defines, a notebook stands for a file of the course
STANDS_FOR = {
    "mixture_models.py": {"GMM", "UMM"},
    "transformer.py": {"CausalSelfAttention", "GPT"},
    "dataset.py": {"EuropeDataset", "ShakespeareDataset", "DataHandler"},
    "models.py": {"MySelfAttention", "MyLayerNorm"},
}
ASKED = set(ANYWHERE).union(*STANDS_FOR.values())


@dataclass(frozen=True)
class Source:
    """A file with definitions: its content, and its name for an import."""

    path: Path
    content: bytes
    name: str
    cells: list[str] | None = None  # of a notebook

    @cached_property
    def text(self) -> str:
        if self.cells is not None:
            return "\n".join(self.cells)
        return self.content.decode("utf-8-sig", errors="replace")

    @cached_property
    def defines(self) -> set[str]:
        """The names of its classes and functions, of those in broken code as well."""
        return set(notebooks.DEFINED.findall(self.text))

    def places(self) -> dict[str, str]:
        """A notebook's cells by where they stand, as Python's errors give a file."""
        return {f"{self.path} cell {i}": cell for i, cell in enumerate(self.cells, 1)}

    def is_module_of(self, folder: Path) -> bool:
        """Whether it runs as a whole or not at all: the first exercise's, a package."""
        name = self.path.name
        first = self.path.parent == folder and name in FILES
        return first or name == "__init__.py" or self.cells is not None

    @property
    def is_asked_for(self) -> bool:
        """Whether it defines something that is looked for in files of any name."""
        return bool(self.defines & (set(ANYWHERE) if self.cells is None else ASKED))


def is_left_out(folder: Path) -> bool:
    """Whether a folder is hidden, a cache or an environment."""
    hidden = folder.name.startswith((".", "__pycache__"))
    return hidden or folder.is_symlink() or (folder / "pyvenv.cfg").exists()


def scan(folder: Path, deepest: int = DEEPEST) -> list[Source]:
    """Return the sources of a folder and of those in it: nearest first, copies last.

    BadInput for a notebook that is damaged, or too large to be copied.
    """
    found = []
    for where, folders, files in os.walk(folder):
        here = Path(where)
        depth = len(here.relative_to(folder).parts)
        folders[:] = [
            name for name in folders if depth < deepest and not is_left_out(here / name)
        ]
        found += [here / name for name in files if not name.startswith(".")]
    found = [p for p in found if p.suffix in (".py", ".ipynb") and p.is_file()]
    found.sort(key=lambda path: order(path.relative_to(folder)))
    return [as_source(path, folder) for path in found]


def order(path: Path) -> tuple:
    aside = ASIDE.search(str(path.with_suffix(""))) is not None
    return aside, len(path.parts), path.suffix != ".py", path.name


def as_source(path: Path, folder: Path) -> Source:
    name, size = dotted(path, folder), path.stat().st_size
    if path.suffix == ".ipynb" and size > LARGEST_FILE:
        raise BadInput(
            f"{path.name} must have at most {LARGEST_FILE // 2**20} MB, got "
            f"{size / 2**20:.0f} MB: clear its outputs"
        )
    content = path.read_bytes()
    if path.suffix == ".py":
        return Source(path, content, name)
    return Source(path, content, name, notebooks.read(path, content))


def hint(folder: Path, sources: list[Source]) -> str:
    """What to do about a file of the course that lies deeper or has another name."""
    for source in sources:
        where = source.path.relative_to(folder)
        if where.name in JUDGED:
            return f": there is a {where.name} in {where.parent}: check that folder"
        for file, names in STANDS_FOR.items():
            if found := sorted(source.defines & names):
                return f": {where} defines {' and '.join(found)}: name it {file}"
    return ""


def dotted(path: Path, folder: Path) -> str:
    """The name by which a file of a folder is imported, and a notebook goes."""
    parts = path.relative_to(folder).with_suffix("").parts
    if path.suffix == ".ipynb":
        return re.sub(r"\W", "_", "_".join(parts)) + "_notebook"
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


def roads(folder: Path, sources: list[Source]) -> list[Path]:
    """Return the folders from which the sources in folders below import each other.

    Those are the folders on the way to them; and the one above, where they call their
    own folder by its name.
    """
    found: list[Path] = []
    own = re.compile(rf"^\s*(?:from|import)\s+{re.escape(folder.name)}\b", re.M)
    for source in sources:
        if not source.is_asked_for:
            continue
        here = source.path.parent
        while here != folder:
            found.append(here)
            here = here.parent
        if own.search(source.text):
            found.append(folder.parent)
    return list(dict.fromkeys(found))
