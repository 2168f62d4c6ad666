"""`/metrics`: who may scrape, what it takes, what it tells of versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serai_prometheus.plugin import PrometheusPlugin
from tests.web.installation import Installation


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data", plugins={"prometheus": PrometheusPlugin()})
    yield made
    made.close()


def scrape(installed: Installation, who: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {installed.tokens[who]}"} if who else {}
    answer = installed.app.test_client().get("/metrics", headers=headers)
    return answer.status_code, answer.text


def test_who_may_read_may_scrape(installed: Installation) -> None:
    assert [scrape(installed, who)[0] for who in ("reader", "admin", "gateway", "")] == [200, 200, 403, 401]


def test_versions_are_told_but_those_that_are_stopped(installed: Installation) -> None:
    installed.deploy("digits", image="model:1")
    installed.deploy("digits", image="model:2")
    installed.tick(5)
    text = scrape(installed, "reader")[1]
    assert 'serai_version_state{deployment="digits",state="running",version="2"} 1.0' in text
    assert 'version="1"' not in text
    installed.caller().post("/deployments/digits/stop")
    installed.tick(5)
    assert 'deployment="digits"' not in scrape(installed, "reader")[1]


def test_without_a_plugin_it_says_so(tmp_path: Path) -> None:
    bare = Installation(tmp_path / "data")
    try:
        status, text = scrape(bare, "reader")
        assert status == 501 and "prometheus" in text
    finally:
        bare.close()
