"""The store of figures is away for a while: requests are carried, their figures wait, and each counts once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, Unavailable, running_postgres
from tests.system.installation import Installation, make_model
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    try:
        with running_postgres() as server:
            yield server
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def serai(tmp_path: Path, postgres: PostgresServer) -> Iterator[Installation]:
    installation = Installation(tmp_path / "serai", {"metrics_database": postgres.make_url()})
    try:
        yield installation.start()
    finally:
        installation.close()


def counted(serai: Installation) -> int:
    with serai.client() as client:
        found = client.load_requests("echo", {"from": "1h", "interval": "1m"})
    return int(found["total"]["count"])


def test_figures_wait_for_their_store(serai: Installation, postgres: PostgresServer, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "echo", "name: echo\n"))
    for _ in range(20):
        assert serai.get("/echo/").startswith("1 ")
    eventually(lambda: counted(serai) == 20, 40, 0.5)
    postgres.stop()
    for _ in range(30):
        assert serai.get("/echo/").startswith("1 ")  # and nobody waits for a database
    spooled = serai.data / "gateway" / "journal"
    eventually(lambda: list(spooled.glob("*.json.gz")), 40, 0.2)
    with serai.client() as client:
        assert client.list_deployments()  # intent is elsewhere
    postgres.start()
    eventually(lambda: counted(serai) == 50, 60, 0.5)
    eventually(lambda: not list(spooled.glob("*.json.gz")), 30, 0.2)
    assert counted(serai) == 50
