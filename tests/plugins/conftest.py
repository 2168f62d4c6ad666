"""What the tests of the local scheduler share: a scheduler with short pauses, and a check that nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serai.domain.errors import NotFound
from serai_local.scheduler import LocalScheduler
from serai_local.settings import LocalSettings

FAST = LocalSettings(backoff_s=0.05, max_backoff_s=0.2, memory_check_s=0.1)


def no_bundle(digest: str) -> Path:
    raise NotFound(f"no bundle {digest}", code="bundle-missing")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalScheduler]:
    scheduler = LocalScheduler(tmp_path / "local", no_bundle, FAST)
    yield scheduler
    scheduler.close()
