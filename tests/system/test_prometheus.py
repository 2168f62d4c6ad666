"""A real Prometheus scrapes a real server: what it counts is what was sent, and the alarms of the docs are valid."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.ports import free_port
from tests.system.installation import ROOT, Installation, make_model
from tests.waiting import eventually

SENT = 37

pytestmark = pytest.mark.slow


def require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program}: not on PATH (Debian's package prometheus)")
    return found


@pytest.fixture
def serai(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "serai", config='plugins = ["local", "apikey", "prometheus"]\n')
    try:
        yield installation.start()
    finally:
        installation.close()


def test_prometheus_counts_what_was_sent(serai: Installation, tmp_path: Path) -> None:
    program = require("prometheus")
    serai.deploy(make_model(tmp_path / "echo", "name: echo\n"))
    for _ in range(SENT):
        assert serai.get("/echo/").startswith("1 ")
    with running(program, serai, tmp_path / "prometheus") as url:
        counted = 'sum(serai_requests_total{deployment="echo",status="2xx"})'
        eventually(lambda: ask(url, counted) == SENT, 60, 0.5)
        assert ask(url, 'serai_version_state{deployment="echo",state="running"}') == 1
        assert ask(url, 'sum(serai_request_duration_seconds_bucket{deployment="echo",le="+Inf"})') == SENT
        used = 'sum(serai_replica_memory_used_bytes{deployment="echo"})'
        eventually(lambda: (ask(url, used) or 0) > 1e6, 30, 0.5)


@contextmanager
def running(program: str, serai: Installation, folder: Path) -> Iterator[str]:
    """Run Prometheus against an installation; yield its address."""
    folder.mkdir()
    listen = f"127.0.0.1:{free_port()}"
    scrape = {
        "job_name": "serai",
        "authorization": {"credentials_file": str(serai.data / "admin.token")},
        "static_configs": [{"targets": [serai.url.removeprefix("http://")]}],
    }
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={listen}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(20)


def ask(url: str, expression: str) -> float | None:
    """Return the value of an expression, None while it has none."""
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
    except OSError:  # it does not listen yet
        return None
    return float(result[0]["value"][1]) if result else None


def test_the_alarms_of_the_docs_are_valid(tmp_path: Path) -> None:
    promtool = require("promtool")
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "howto" / "prometheus.md").read_text(), re.DOTALL)
    scrape, rules, _ = blocks  # the last is for Grafana
    for name, command, text in (("scrape", "config", scrape), ("rules", "rules", rules)):
        path = tmp_path / f"{name}.yml"
        path.write_text(text.replace("/etc/prometheus/serai.token", str(tmp_path / "token")))
        (tmp_path / "token").touch()
        checked = subprocess.run([promtool, "check", command, str(path)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
