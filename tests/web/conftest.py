"""A whole server without its socket: real store, real reconciler, scripted scheduler, and callers of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serai_apikey.plugin import ApiKeyPlugin
from tests.web.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installed = Installation(tmp_path / "data", plugins={"apikey": ApiKeyPlugin()})
    yield installed
    installed.close()
