"""One installation for each sentence of the security model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serai_apikey.plugin import ApiKeyPlugin
from tests.web.installation import Installation


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data", plugins={"apikey": ApiKeyPlugin()})
    yield made
    made.close()
