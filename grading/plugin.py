"""A pytest plugin: the checks of tests/contract on a folder with a solution.

pytest tests/contract --solution=FOLDER     # without the option, on our own files
"""

import contextlib
import json
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from grading.classes import Blame, NotOffered
from grading.folder import TimeLimit
from grading.imports import ROOT
from grading.loader import Solution
from grading.sandbox import PATIENCE
from machinery.errors import BadInput

CONTRACT = ROOT / "tests" / "contract"
TICK = 0.5  # seconds
SHORT = 2.0  # seconds of the processor, once a solution was too slow
TOO_LONG = "takes longer than"


def pytest_addoption(parser) -> None:
    group = parser.getgroup("solution")
    add = group.addoption
    add("--solution", action="append", metavar="DIR", help="folder to check, not ours")
    add("--results", metavar="FILE", help="append a JSON line for every question")
    add("--check-seconds", type=float, default=0, help="limit of each question")
    add("--check-memory", type=float, default=0, help="limit in GiB beyond the start")


def pytest_configure(config) -> None:
    config.addinivalue_line(
        "markers", "question(title, file, needs): a question of the exercise"
    )
    config.stash[STATE] = State(config)


def pytest_ignore_collect(collection_path: Path, config) -> bool | None:
    """Leave out the tests of our own code where a solution is given."""
    ours = collection_path.name.startswith("test_")
    if config.getoption("--solution", None) and ours:
        return collection_path.parent != CONTRACT or None
    return None


def pytest_generate_tests(metafunc) -> None:
    if "solution" in metafunc.fixturenames:
        solutions = metafunc.config.stash[STATE].solutions
        metafunc.parametrize(
            "solution", solutions, ids=[s.folder.name for s in solutions]
        )


class State:
    """The solutions, what is known of them so far, and where it is written."""

    def __init__(self, config) -> None:
        # the options are unknown where the plugin comes in after the command line
        folders = config.getoption("--solution", None) or [ROOT]
        try:
            self.solutions = [Solution(Path(folder)) for folder in folders]
        except BadInput as error:
            raise pytest.UsageError(str(error)) from None
        self.file = config.getoption("--results", None)
        self.seconds = config.getoption("--check-seconds", 0)
        self.memory = config.getoption("--check-memory", 0)
        self.outcomes: dict[tuple[str, str], str] = {}
        self.reasons: dict[tuple[str, str], str] = {}  # of what was not checked
        self.slow: dict[str, str] = {}  # what took too long first, by the folder
        self.titles: dict[str, str] = {}
        if self.file and Path(self.file).exists():
            self.resume()

    def resume(self) -> None:
        """Take over what an earlier process found before it ended."""
        by_name = {str(solution.folder): solution for solution in self.solutions}
        for line in Path(self.file).read_text().splitlines():
            row = json.loads(line)
            if row["outcome"] in ("passed", "failed", "skipped"):
                self.note(row["solution"], row["key"], row["outcome"], row["text"])
            if row["outcome"] == "failed" and row["key"].endswith("_imports"):
                by_name[row["solution"]].give_up(row["file"], row["text"])

    def note(self, folder: str, key: str, outcome: str, text: str) -> None:
        self.outcomes[folder, key] = outcome
        if outcome == "skipped":
            self.reasons[folder, key] = text
        if outcome == "failed" and text.startswith(TOO_LONG):
            self.slow.setdefault(folder, key)

    def seconds_for(self, folder: str, key: str) -> float:
        """The limit of a question: short where another has used up a whole one."""
        short = folder in self.slow and not key.endswith("_imports")
        return min(self.seconds, SHORT) if short else self.seconds

    def write(self, item, outcome: str, **more) -> None:
        if not self.file:
            return
        marker = item.get_closest_marker("question")
        row = {
            "solution": str(item.callspec.params["solution"].folder),
            "key": key(item),
            "section": item.module.SECTION,
            "title": marker.args[0],
            "file": marker.kwargs["file"],
            "outcome": outcome,
        }
        with open(self.file, "a") as file:
            file.write(json.dumps(row | more) + "\n")


STATE = pytest.StashKey[State]()


def key(item) -> str:
    return item.originalname


def is_question(item) -> bool:
    return item.get_closest_marker("question") is not None


def pytest_collection_modifyitems(config, items) -> None:
    state = config.stash[STATE]
    done = []
    for item in filter(is_question, items[:]):
        state.titles[key(item)] = item.get_closest_marker("question").args[0]
        folder = str(item.callspec.params["solution"].folder)
        if (folder, key(item)) in state.outcomes:
            done.append(item)
            items.remove(item)
        else:
            state.write(item, "collected", text=absence(item))
    config.hook.pytest_deselected(items=done)


def pytest_sessionstart(session) -> None:
    torch.set_num_threads(1)
    limit_memory(session.config.stash[STATE].memory)


def limit_memory(gib: float) -> None:
    """Refuse more than this many GiB beyond what is in use now (on Linux)."""
    status = Path("/proc/self/status")
    if not gib or not status.exists():
        return
    import resource

    in_use = next(
        int(line.split()[1]) * 1024
        for line in status.read_text().splitlines()
        if line.startswith("VmData")
    )
    limit = in_use + int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit after so many seconds of the processor, or PATIENCE times those.

    The clock alone would blame a student for a busy machine. While it is stopped, none
    are counted.
    """
    if not seconds or not hasattr(signal, "SIGALRM"):
        yield
        return

    left = began = 0.0

    def renew():
        nonlocal left, began
        left, began = PATIENCE * seconds / TICK, time.process_time()

    def count(signum, frame):
        nonlocal left
        left -= 1
        # and at every tick from then on, where it is swallowed
        if left <= 0 or time.process_time() - began >= seconds:
            raise TimeLimit(seconds, renew)

    renew()
    before = signal.signal(signal.SIGALRM, count)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def remark(request):
    """Note a sentence that is no failure."""
    return lambda text: request.node.user_properties.append(("remark", text))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    if not is_question(pyfuncitem):
        return (yield)
    state = pyfuncitem.config.stash[STATE]
    solution = pyfuncitem.callspec.params["solution"]
    skip_where_pointless(pyfuncitem, state)
    state.write(pyfuncitem, "started")
    folder = str(solution.folder)
    seconds = state.seconds_for(folder, key(pyfuncitem))
    try:
        with solution.active(), warnings.catch_warnings(), time_limit(seconds):
            warnings.simplefilter("ignore")
            return (yield)
    except NotOffered as reason:
        pytest.skip(str(reason))
    except Blame as blame:
        problem = str(blame)
    except TimeLimit as limit:
        if seconds < state.seconds:  # no second one is blamed
            first = state.titles[state.slow[folder]]
            pytest.skip(f"{TOO_LONG} {limit} seconds: no more until {first!r} passes")
        place = solution.place(limit)
        problem = f"{TOO_LONG} {limit} seconds" + (f", at {place}" if place else "")
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if reason := solution.lacks(error):
            pytest.skip(reason)
        problem = explain(solution, error)
    pytest.fail(problem, pytrace=False)


def explain(solution: Solution, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "ends the program: " + solution.describe(error)
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "needs more memory than a check may use"
    return solution.describe(error)


def absence(item) -> str:
    """Why there is nothing to ask this question about, or nothing."""
    solution = item.callspec.params["solution"]
    file = item.get_closest_marker("question").kwargs["file"]
    there = any(solution.has(name) for name in file.split(" or "))
    return "" if there else f"no {file} in the folder"


def skip_where_pointless(item, state: State) -> None:
    """Skip what the folder lacks, and what builds upon something that failed."""
    if reason := absence(item):
        pytest.skip(reason)
    marker = item.get_closest_marker("question")
    solution = item.callspec.params["solution"]
    for need in marker.kwargs.get("needs", ()):
        name = str(solution.folder), need
        if state.outcomes.get(name, "passed") != "passed":  # the first cause is told
            pytest.skip(state.reasons.get(name, f"until {state.titles[need]!r} passes"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if is_question(item) and (call.when == "call" or report.failed):
        state = item.config.stash[STATE]
        folder = str(item.callspec.params["solution"].folder)
        text = getattr(call.excinfo.value, "msg", "") if call.excinfo else ""
        state.note(folder, key(item), report.outcome, text)
        remarks = [value for name, value in item.user_properties if name == "remark"]
        state.write(item, report.outcome, text=text, remarks=remarks)
    return report
