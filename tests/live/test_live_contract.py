"""The contract of schedulers on a real Nomad agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from serai.domain.errors import NotFound
from serai.plugin import PluginContext, Scheduler
from serai.plugin.testing.schedulers import SchedulerContract
from serai_nomad.plugin import NomadPlugin
from tests.live.agent import Agent
from tests.live.serai_server import make_place
from tests.ports import free_port


@contextmanager
def open_scheduler(settings: Mapping[str, object], folder: Path) -> Iterator[Scheduler]:
    """Open a scheduler that has no bundles."""

    def refuse(digest: str) -> Path:
        raise NotFound(f"there is no bundle {digest} in this test")

    context = PluginContext(folder, settings, refuse, "http://127.0.0.1:1")
    with closing(NomadPlugin().serai_register_scheduler(context)) as scheduler:
        yield scheduler


QUICK = {"bundle_driver": "raw_exec", "shutdown_delay": "0s"}


class TestNomad(SchedulerContract):
    timeout_s = 60.0

    @pytest.fixture
    def scheduler(self, agent: Agent, namespace: str, tmp_path: Path) -> Iterator[Scheduler]:
        with open_scheduler(make_place(agent) | QUICK | {"namespace": namespace}, tmp_path) as made:
            yield made

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Iterator[Scheduler]:
        with open_scheduler({"address": f"http://127.0.0.1:{free_port()}"}, tmp_path / "nobody") as made:
            yield made
