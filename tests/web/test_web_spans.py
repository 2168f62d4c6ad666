"""Requests of sampled traces on their way from gateways to sinks, and how those are doing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from serai.domain.finished import FinishedRequest, dump_finished
from serai.domain.window import Window
from serai.plugin import Rejected, Sink, hookimpl
from tests.waiting import eventually
from tests.web.installation import Installation

SPAN = FinishedRequest(
    "m", 1, "m-v1.1", "POST", "/m/\u00e4", 200, 1_800_000_000.0, 0.5, "a" * 32, "b" * 16, "c" * 16, 0.25, None,
    error="timeout-idle", scheme="https", protocol="2.0", key_id="k1",
)  # fmt: skip


class Keeping(Sink):
    """Keeps what it is given, and takes no windows."""

    wants_spans = True

    def __init__(self) -> None:
        self.kept: list[FinishedRequest] = []

    def write_windows(self, windows: Sequence[Window]) -> None:
        raise Rejected("no figures here")

    def write_spans(self, requests: Sequence[FinishedRequest]) -> None:
        self.kept += requests


class KeepingPlugin:
    def __init__(self) -> None:
        self.sink = Keeping()

    @hookimpl
    def serai_register_sink(self) -> Sink:
        return self.sink


@pytest.fixture
def plugin() -> KeepingPlugin:
    return KeepingPlugin()


@pytest.fixture
def installation(tmp_path: Path, plugin: KeepingPlugin) -> Iterator[Installation]:
    installed = Installation(tmp_path / "data", plugins={"keeping": plugin})
    yield installed
    installed.close()


def sinks(installation: Installation) -> dict[str, dict[str, Any]]:
    found = installation.caller("reader").get("/plugins").json
    [keeping] = [plugin for plugin in found if plugin["name"] == "keeping"]
    return {sink["way"]: sink for sink in keeping["sinks"]}


def test_sampled_requests_reach_the_sinks_as_they_were(installation: Installation, plugin: KeepingPlugin) -> None:
    least = FinishedRequest("m", 0, "", "GET", "/", 0, 0.0, 0.0, "d" * 32, "e" * 16)
    body = {"gateway": "gw", "spans": [dump_finished(SPAN), dump_finished(least)]}
    assert installation.caller("gateway").post("/telemetry/spans", body).json == {"taken": 2}
    eventually(lambda: plugin.sink.kept == [SPAN, least])
    assert sinks(installation)["spans"] == {"way": "spans", "waiting": 0, "dropped": 0, "last_error": ""}
    assert installation.caller("gateway").post("/telemetry/spans", body | {"spans": [], "lost": 7}).json["taken"] == 0
    assert sinks(installation)["spans"]["dropped"] == 7


def test_a_sink_that_fails_is_seen(installation: Installation) -> None:
    installation.core.take_windows([Window("gw", 1, 1_800_000_000.0, 10.0, {})])
    eventually(lambda: sinks(installation)["figures"]["last_error"] == "Rejected: no figures here")
    assert sinks(installation)["figures"]["dropped"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": "A" * 32},
        {"span_id": ""},
        {"parent_id": "c"},
        {"total_s": -1},
        {"status": "200"},
        {"path": "x" * 513},
        {"method": ""},
        {"deployment": "No Name"},
        {"extra": 1},
    ],
)
def test_what_is_no_request_is_refused(installation: Installation, change: dict[str, Any]) -> None:
    body = {"gateway": "gw", "spans": [dump_finished(SPAN) | change]}
    answer = installation.caller("gateway").post("/telemetry/spans", body)
    assert answer.status_code == 422 and answer.json["field"].startswith("spans.0")


def test_only_gateways_tell_of_requests(installation: Installation) -> None:
    for who in ("reader", "writer"):
        assert installation.caller(who).post("/telemetry/spans", {"gateway": "gw", "spans": []}).status_code == 403
