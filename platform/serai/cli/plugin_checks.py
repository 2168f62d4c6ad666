"""What the server says of its plugins, in the words of `serai plugins` and `serai doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .checks import Check


def find_trouble(plugin: Mapping[str, Any]) -> str:
    """Return what is wrong with a plugin at the moment, "" for nothing."""
    if not plugin["healthy"]:
        return str(plugin["last_error"])
    failing = (sink for sink in plugin["sinks"] if sink["last_error"])
    return next((f"{sink['way']}: {sink['last_error']} ({sink['waiting']} wait)" for sink in failing), "")


def check_plugins(plugins: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """Yield a check for each plugin that fails or has lost something, and one for all where there is none."""
    found = list(_find(plugins))
    yield from found or [Check("plugins", "ok", ", ".join(plugin["name"] for plugin in plugins) or "none")]


def _find(plugins: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    for plugin in plugins:
        subject = f"plugin {plugin['name']}"
        if trouble := find_trouble(plugin):
            yield Check(subject, "warn", trouble, "see the server's log; what waits is sent when it works again")
        lost = [f"{sink['dropped']} of its {sink['way']}" for sink in plugin["sinks"] if sink["dropped"]]
        if lost:
            finding = f"did not get {', '.join(lost)} since the server's start"
            yield Check(subject, "warn", finding, "it was away for too long, too slow, or refused them: see the log")
