"""Bring in solution_plugin where the command line did not (-p solution_plugin)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from grading import plugin as solution_plugin


def pytest_addoption(pluginmanager) -> None:
    if not pluginmanager.has_plugin("solution_plugin"):
        pluginmanager.register(solution_plugin, "solution_plugin")
