"""What is said of plugins that are in trouble."""

from __future__ import annotations

from typing import Any

import pytest

from serai.cli.plugin_checks import check_plugins, find_trouble


def plugin(name: str = "otlp", last_error: str = "", **sinks: tuple[int, int, str]) -> dict[str, Any]:
    return {
        "name": name,
        "healthy": not last_error,
        "last_error": last_error,
        "sinks": [
            {"way": way, "waiting": waiting, "dropped": dropped, "last_error": error}
            for way, (waiting, dropped, error) in sinks.items()
        ],
    }


WELL = plugin(figures=(3, 0, ""))
FAILING = plugin(figures=(0, 0, ""), logs=(12, 0, "Busy: it answers 503"))
LOSSY = plugin(figures=(0, 3, ""), logs=(0, 40, ""))


@pytest.mark.parametrize(
    ("one", "trouble"),
    [
        (WELL, ""),
        (LOSSY, ""),
        (FAILING, "logs: Busy: it answers 503 (12 wait)"),
        (plugin(last_error="serai_admit: no"), "serai_admit: no"),
    ],
)
def test_trouble_of_a_plugin(one: dict[str, Any], trouble: str) -> None:
    assert find_trouble(one) == trouble


def test_all_is_well() -> None:
    [check] = check_plugins([plugin("local"), WELL])
    assert (check.level, check.finding) == ("ok", "local, otlp")


def test_what_fails_and_what_was_lost_is_told() -> None:
    failing, lossy = check_plugins([plugin("local"), FAILING, LOSSY])
    assert (failing.subject, failing.level, failing.finding) == (
        "plugin otlp",
        "warn",
        "logs: Busy: it answers 503 (12 wait)",
    )
    assert lossy.finding == "did not get 3 of its figures, 40 of its logs since the server's start"
