"""Run the checks on a copy of a folder, in a process of its own that may crash.

The process reports every question as it goes. Where it ends too early, the question it
was at is to blame, and a new process goes on with those that are left.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from machinery.errors import MachineError

ROOT = Path(__file__).resolve().parents[1]
FILES = ("mixture_models.py", "transformer.py", "dataset.py")  # the first exercise's
JUDGED = (*FILES, "models.py")  # and its siblings'
CHECK_SECONDS = 8.0  # of the processor, for one question
PATIENCE = 3  # times as long by the clock: machines are busy
CHECK_MEMORY = 2.0  # GiB
LARGEST_FILE, LARGEST_FOLDER = 20 * 2**20, 200 * 2**20  # bytes that are copied
KEPT_OUTPUT = 4000  # characters
PYTEST_BROKE = (3, 4)  # its exit status for errors that are not the solution's


class CheckError(MachineError):
    """The checks themselves could not run."""


@dataclass
class Row:
    """One question: passed, failed or skipped (that is, not checked)."""

    section: str
    title: str
    outcome: str = "collected"
    text: str = ""
    remarks: list[str] = field(default_factory=list)


def copy_folder(source: Path, target: Path) -> None:
    """Copy what a solution may need: no links, no hidden files, nothing large."""
    total = 0
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__pycache__"))
            and not (here / name).is_symlink()
            and not (here / name / "pyvenv.cfg").exists()
        ]
        (target / here.relative_to(source)).mkdir(parents=True, exist_ok=True)
        for name in files:
            file = here / name
            if name.startswith(".") or not file.is_file():
                continue
            size = file.stat().st_size
            total += size
            if size <= LARGEST_FILE and total <= LARGEST_FOLDER:
                shutil.copyfile(file, target / file.relative_to(source))


def command(folders: list[Path], results: Path) -> list[str]:
    options = ["-o", "addopts=", "-o", "filterwarnings=", "-p", "no:cacheprovider"]
    options += ["-p", "grading.plugin", "--rootdir", str(ROOT), "-q", "-s"]
    options += ["--confcutdir", str(ROOT / "tests" / "contract")]
    options += ["--check-seconds", str(CHECK_SECONDS)]
    options += ["--check-memory", str(CHECK_MEMORY), "--results", str(results)]
    options += ["--basetemp", str(results.with_name("pytest"))]
    for folder in folders:
        options += [f"--solution={folder}"]  # pytest takes a bare path for a test
    return [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        *options,
        str(ROOT / "tests/contract"),
    ]


def environment(home: Path) -> dict[str, str]:
    """One thread, no display, nothing compiled into the folder."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "PYTEST_ADDOPTS", "PYTHONSTARTUP")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": str(home),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT),
    }


class Clock:
    """Seconds since the start, without those in which this process was stopped."""

    def __init__(self) -> None:
        self.total, self.last = 0.0, time.monotonic()

    def now(self) -> float:
        moment = time.monotonic()
        self.total += min(moment - self.last, 1.0)
        self.last = moment
        return self.total


class Process:
    """A run of the checks; its output is drained, and only its end is kept."""

    def __init__(self, folders: list[Path], results: Path, home: Path) -> None:
        self.child = subprocess.Popen(
            command(folders, results),
            cwd=home,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.output = ""
        self.reader = threading.Thread(target=self.drain, daemon=True)
        self.reader.start()

    def drain(self) -> None:
        while piece := self.child.stdout.read1(65536):
            text = self.output + piece.decode(errors="replace")
            self.output = text[-KEPT_OUTPUT:]

    def end(self) -> None:
        """Kill the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.child.pid, signal.SIGKILL)
            self.child.kill()
        self.child.wait()
        self.reader.join(timeout=2)
        self.child.stdout.close()


def read_events(results: Path) -> list[dict]:
    events = []
    for line in results.read_text().splitlines() if results.exists() else []:
        with contextlib.suppress(ValueError):  # a line may be cut short by the end
            events.append(json.loads(line))
    return events


def run_once(
    folders: list[Path], results: Path, home: Path, clock: Clock, time_limit: float
) -> str:
    """Run until the end, or kill; return why it ended early, or nothing."""
    process = Process(folders, results, home)
    size, since = -1, clock.now()
    try:
        while process.child.poll() is None:
            time.sleep(0.05)
            now = clock.now()
            grown = results.stat().st_size if results.exists() else -1
            if grown != size:
                size, since = grown, now
            if now > time_limit:
                if grown < 0:
                    raise CheckError(f"no check did start within {time_limit:g} s")
                return "was still running when the time for the whole check was over"
            if grown >= 0 and now > since + PATIENCE * CHECK_SECONDS + 8:
                return "hangs, and cannot be interrupted"
    finally:
        process.end()
    status = process.child.returncode
    events = read_events(results)
    if not events or status in PYTEST_BROKE:
        raise CheckError(f"the checks did not start: {process.output.strip()[-300:]}")
    if not unfinished(events):
        return ""
    if status < 0:
        return f"the program was killed by {signal.Signals(-status).name}"
    return f"the program ended itself here, with exit status {status}"


def unfinished(events: list[dict]) -> list[dict]:
    """The first event of every question that has no outcome yet."""
    done = {
        (event["solution"], event["key"])
        for event in events
        if event["outcome"] in ("passed", "failed", "skipped")
    }
    left = {}
    for event in events:
        name = event["solution"], event["key"]
        if name not in done:
            left.setdefault(name, event)
    return list(left.values())


def run(folders: list[Path], time_limit: float) -> dict[Path, list[Row]]:
    """Check copies of these folders; every question of each, in order."""
    clock = Clock()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        home = Path(temporary).resolve()
        results = home / "results"
        copies = [home / str(i) / folder.name for i, folder in enumerate(folders)]
        going = True
        while going:
            for folder, target in zip(folders, copies, strict=True):
                copy_folder(
                    folder, target
                )  # anew: the last process may have deleted it
            going = False
            if reason := run_once(copies, results, home, clock, time_limit):
                blame_current(results, reason)
                left = unfinished(read_events(results))
                going = bool(left) and clock.now() < time_limit
        events = read_events(results)
        return {
            folder: rows_of(events, target)
            for folder, target in zip(folders, copies, strict=True)
        }


def blame_current(results: Path, reason: str) -> None:
    """Fail the question that was going on, or else the first one that is left."""
    events = read_events(results)
    left = unfinished(events)
    started = [e for e in events if e["outcome"] == "started"]
    names = {(e["solution"], e["key"]) for e in left}
    current = [e for e in started if (e["solution"], e["key"]) in names] or left[:1]
    with open(results, "a") as file:
        for event in current[-1:]:
            failed = event | {"outcome": "failed", "text": reason, "remarks": []}
            file.write(json.dumps(failed) + "\n")


def rows_of(events: list[dict], folder: Path) -> list[Row]:
    rows: dict[str, Row] = {}
    for event in events:
        if event["solution"] != str(folder):
            continue
        row = rows.setdefault(event["key"], Row(event["section"], event["title"]))
        row.outcome = event["outcome"]
        row.text = event.get("text", "")
        row.remarks = event.get("remarks", [])
    for row in rows.values():
        if row.outcome in ("collected", "started"):
            row.outcome, row.text = "skipped", row.text or "no time was left"
    return list(rows.values())
