"""What is installed: every package pinned, and `all` the extras of all rooms."""

import re
import tomllib

from tests.helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TOOLS = {"test", "dev", "report", "mutants"}  # of make test, reproduce, mutants
CHOICES = {"hub"}  # what needs a network


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in requirements}


def test_all_holds_every_extra_but_the_tools():
    rooms = EXTRAS.keys() - TOOLS - CHOICES - {"all"}
    assert set(EXTRAS["all"]) == {f"{PROJECT['name']}[{room}]" for room in rooms}


def test_every_package_is_pinned_to_one_version():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()[1:]
    pinned = [normal(line.partition("==")[0]) for line in lines]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert len(set(pinned)) == len(pinned)
    needed = names(PROJECT["dependencies"])
    for extra in EXTRAS.keys() - {"all"}:
        needed |= names(EXTRAS[extra])
    assert needed <= set(pinned)
