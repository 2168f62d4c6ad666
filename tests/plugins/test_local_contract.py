"""The published contract of schedulers, kept by the local one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serai.plugin.testing.schedulers import SchedulerContract
from serai_local.scheduler import LocalScheduler
from tests.plugins.stage import Stage


class TestLocal(SchedulerContract):
    @pytest.fixture
    def scheduler(self, tmp_path: Path) -> Iterator[LocalScheduler]:
        scheduler = Stage(tmp_path).scheduler
        yield scheduler
        scheduler.close()
