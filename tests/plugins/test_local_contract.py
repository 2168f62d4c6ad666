"""The published contract of schedulers, kept by the local one."""

from __future__ import annotations

import pytest

from serai.plugin.testing.schedulers import SchedulerContract
from serai_local.scheduler import LocalScheduler


class TestLocal(SchedulerContract):
    @pytest.fixture
    def scheduler(self, local: LocalScheduler) -> LocalScheduler:
        return local
