"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from hypothesis import settings

from serai.store import passwords
from tests.haproxies import end_haproxies

# How long an example takes says more of the machine's other work than of the code.
# The same examples in each run, so that a run tells of the change alone; SERAI_EXPLORE=1 looks for new ones.
settings.register_profile("serai", deadline=None, derandomize=not os.environ.get("SERAI_EXPLORE"))
settings.load_profile("serai")

# Let failed assertions of the published kit show their values; before any folder's tests import it.
pytest.register_assert_rewrite("serai.plugin.testing")

# Tests of whole processes, real agents and a real browser share a noisy machine. One that fails is run once more,
# and the run's last lines name it: a fault of the code fails twice, and a test that is named often is a bad one.
TRIED_TWICE = ("browser", "nomad", "slow")
TOLD = 4000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.get_closest_marker(name) for name in TRIED_TWICE):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how first tries failed: what needed a second one is to be understood, not only counted."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"first try of {report.nodeid}")
        terminalreporter.line(report.longreprtext[-TOLD:])


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """A hash takes a tenth of a second by design, and tests make hundreds; servers of their own hash at full cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_haproxy_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A HAProxy serves on when its gateway is killed; the test that kills it ends both."""
    yield
    left = end_haproxies(tmp_path_factory.getbasetemp())
    assert not left, f"HAProxies that some tests left running: {', '.join(map(str, left))}"
