"""serai_tiny keeps the contract of schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serai_tiny.plugin import serai_register_scheduler

from serai.plugin import PluginContext, Scheduler
from serai.plugin.testing.schedulers import SchedulerContract


class TestTiny(SchedulerContract):
    @pytest.fixture
    def scheduler(self, tmp_path: Path) -> Iterator[Scheduler]:
        context = PluginContext(tmp_path, {}, bundle_path=lambda bundle: tmp_path / bundle, server_url="http://none")
        scheduler = serai_register_scheduler(context)
        yield scheduler
        scheduler.close()
