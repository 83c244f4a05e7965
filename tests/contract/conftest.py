"""Bring in the plugin where the command line did not (-p grading.plugin)."""

from grading import plugin


def pytest_addoption(pluginmanager) -> None:
    if not pluginmanager.has_plugin(plugin.__name__):
        pluginmanager.register(plugin, plugin.__name__)
