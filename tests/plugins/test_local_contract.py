"""The published contract of schedulers, kept by the local one."""

from __future__ import annotations

import pytest

from serai.plugin.testing.schedulers import SchedulerContract
from serai_local.scheduler import LocalScheduler
from tests.plugins.stage import Stage


class TestLocal(SchedulerContract):
    @pytest.fixture
    def scheduler(self, stage: Stage) -> LocalScheduler:
        stage.clear = stage.scheduler.close  # type: ignore[method-assign]  # the kit clears, and may close before
        return stage.scheduler
