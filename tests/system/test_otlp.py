"""A whole installation tells a receiver of OTLP: what arrives is what happened, also after the receiver was away."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serai.gateway.haproxy.program import find_program
from tests.cli.conftest import Serai
from tests.plugins.otlp_receiver import Receiver, Refusal, read, running_receiver
from tests.system.installation import MODEL, Installation, make_model
from tests.waiting import eventually

pytestmark = pytest.mark.slow

FOUND = find_program()
LINES = 500
CONFIG = """
plugins = ["local", "apikey", "otlp"]
trace_sample = 0

[plugin.otlp]
endpoint = "{url}"
interval = "200ms"
timeout = "10s"
headers_file = {{ Authorization = "{secret}" }}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(params=["asyncio", "haproxy"])
def serai(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> Iterator[Installation]:
    if request.param == "haproxy" and FOUND.program is None:
        pytest.skip(FOUND.why_not)
    secret = tmp_path / "secret"
    secret.write_text("Bearer hunter2")
    config = CONFIG.format(url=receiver.url, secret=secret)
    installation = Installation(tmp_path / "serai", {"gateway_engine": request.param}, config)
    try:
        yield installation.start()
    finally:
        installation.close()


def call(serai: Installation, number: int, flags: str = "01") -> None:
    headers = {"traceparent": f"00-{number:032x}-{number + 1:016x}-{flags}"}
    request = urllib.request.Request(f"{serai.gateway}/echo/path?secret=hunter2", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200 and answer.read()


def counted(receiver: Receiver) -> int:
    """Return how many requests the newest points of all series tell of."""
    newest = {json.dumps(one.attributes, sort_keys=True): one.point.as_int for one in receiver.points("serai.requests")}
    return sum(newest.values())


def sinks(serai: Installation) -> dict[str, dict[str, Any]]:
    with serai.client() as client:
        [otlp] = [plugin for plugin in client.list_plugins() if plugin["name"] == "otlp"]
    return {sink["way"]: sink for sink in otlp["sinks"]}


def test_what_arrives_is_what_happened(serai: Installation, receiver: Receiver, tmp_path: Path) -> None:
    lines = f"for number in range({LINES}): print('line', number, flush=True)\n"
    serai.deploy(make_model(tmp_path / "echo", "name: echo\n", lines + MODEL))
    for number in range(1, 31):
        call(serai, number)
    for number in range(101, 108):
        call(serai, number, "00")
    eventually(lambda: counted(receiver) == 37, 40, 0.2)
    _check_spans(receiver, range(1, 31))
    points = receiver.points("http.server.request.duration")
    [replica] = {str(one.attributes["serai.replica"]) for one in points}
    assert {(one.attributes["serai.deployment"], one.attributes["serai.version"]) for one in points} == {("echo", 1)}
    _check_usage(receiver, replica)
    _check_lines(receiver, replica)
    assert {headers["authorization"] for headers in receiver.headers} == {"Bearer hunter2"}
    _be_away(serai, receiver)
    eventually(lambda: counted(receiver) == 47, 40, 0.2)
    eventually(lambda: not any(sink["waiting"] or sink["last_error"] for sink in sinks(serai).values()), 30, 0.2)
    _check_spans(receiver, [*range(1, 31), *range(201, 211)])
    assert not any(sink["dropped"] for sink in sinks(serai).values())
    assert "hunter2" not in serai.log.read_text()


def _be_away(serai: Installation, receiver: Receiver) -> None:
    """Have requests carried while the receiver takes nothing: it is seen, and nobody waits for it."""
    receiver.refusal = Refusal(503)
    for number in range(201, 211):
        call(serai, number)
    eventually(lambda: "answers 503" in sinks(serai)["figures"]["last_error"], 40, 0.2)
    token = (serai.data / "admin.token").read_text().strip()
    command = Serai({"SERAI_URL": serai.url, "SERAI_TOKEN": token})
    assert "answers 503" in command("doctor", "--data", serai.data).stdout
    assert "failing" in command("plugins").stdout
    began = time.monotonic()
    with serai.client() as client:
        client.list_events()
    assert time.monotonic() - began < 5, "somebody waits for the receiver"
    receiver.refusal = None


def _check_spans(receiver: Receiver, numbers: range | list[int]) -> None:
    eventually(lambda: len(receiver.spans()) == len(numbers), 20)
    spans = {int.from_bytes(span.trace_id): span for span in receiver.spans()}
    assert sorted(spans) == sorted(numbers)
    for number, span in spans.items():
        assert int.from_bytes(span.parent_span_id) == number + 1
        found = read(span.attributes)
        assert (found["http.request.method"], found["url.path"]) == ("GET", "/echo/path")
        assert (found["serai.deployment"], found["serai.version"]) == ("echo", 1)
        assert found["http.response.status_code"] == 200
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10e9


def _check_usage(receiver: Receiver, replica: str) -> None:
    def memory() -> list[int]:
        points = receiver.points("serai.replica.memory.usage")
        assert all(one.attributes["serai.deployment"] == "echo" for one in points)
        return [one.point.as_int for one in points if one.attributes["serai.replica"] == replica]

    assert eventually(memory, 30)[0] > 1e6


def _check_lines(receiver: Receiver, replica: str) -> None:
    def numbers() -> list[str]:
        lines = [record.body.string_value for _, record in receiver.lines()]
        return [line for line in lines if line.startswith("line ")]

    eventually(lambda: len(numbers()) >= LINES, 20)
    assert numbers() == [f"line {number}" for number in range(LINES)]
    resources = [resource for resource, record in receiver.lines() if record.body.string_value == "line 7"]
    assert [(one["service.name"], one["serai.version"], one["serai.replica"]) for one in resources] == [
        ("echo", 1, replica)
    ]
