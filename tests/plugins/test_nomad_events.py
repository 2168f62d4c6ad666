"""The event stream: what its lines say, and what becomes of one that is denied, silent, cut or slow."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serai_nomad.agent import events
from serai_nomad.agent.event_news import NodeMemory, derive_news
from serai_nomad.agent.events import Connected, Disconnected, Event, EventStream, JobChanged, NodeChanged
from tests.plugins.nomad_stand_in import Heard, Said, StandIn, talking
from tests.waiting import eventually

RECORDING = Path(__file__).parent / "nomad_recordings" / "22-event-stream.json"


def make_line(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"Index": 1, "Events": list(rows)}).encode()


def make_node(**changes: Any) -> dict[str, Any]:
    devices = [{"Vendor": "nvidia", "Type": "gpu", "Name": "T4", "Instances": [{"ID": "g", "Healthy": True}]}]
    node = {"Status": "ready", "SchedulingEligibility": "eligible", "NodeResources": {"Devices": devices}} | changes
    return {"Topic": "Node", "Type": "AllocationUpdated", "Key": "n", "Payload": {"Node": node}}


JOB = {"Topic": "Job", "Key": "x", "Payload": {"Job": {"ID": "x"}}}
ALLOCATION = {"Topic": "Allocation", "Key": "a", "FilterKeys": ["y", ""], "Payload": {"Allocation": {"JobID": "y"}}}
EVALUATION = {"Topic": "Evaluation", "Key": "e", "FilterKeys": ["z", ""], "Payload": {}}

LINES = [
    (b"{}", ()),
    (b"", ()),
    (b"not json", ()),
    (b"[1]", ()),
    (b'{"Index": 3}', ()),
    (make_line(JOB, ALLOCATION, EVALUATION), (JobChanged("x"), JobChanged("y"), JobChanged("z"))),
    (make_line(JOB, JOB, JOB), (JobChanged("x"),)),
    (make_line(make_node(), make_node()), (NodeChanged("n"),)),
    (make_line({"Topic": "Deployment", "Key": "d", "FilterKeys": ["x"]}), ()),
]


@pytest.mark.parametrize(("line", "news"), LINES)
def test_what_a_line_says(line: bytes, news: tuple[Event, ...]) -> None:
    assert derive_news(line, NodeMemory()) == news


ILL = [{"Vendor": "nvidia", "Type": "gpu", "Name": "T4", "Instances": [{"ID": "g", "Healthy": False}]}]
NODE_CHANGES = [
    ({}, False),
    ({"ModifyIndex": 9, "Events": ["something"]}, False),
    ({"Status": "down"}, True),
    ({"SchedulingEligibility": "ineligible"}, True),
    ({"DrainStrategy": {"Deadline": 1}}, True),
    ({"ComputedClass": "v1:2"}, True),
    ({"NodeResources": {"Devices": ILL}}, True),
    ({"NodeResources": {"Devices": None}}, True),
    ({"Drivers": {"docker": {"Healthy": True}}}, True),
]


@pytest.mark.parametrize(("change", "is_news"), NODE_CHANGES)
def test_a_repeated_node_is_no_news(change: dict[str, Any], is_news: bool) -> None:
    memory = NodeMemory()
    assert derive_news(make_line(make_node()), memory) == (NodeChanged("n"),)
    assert bool(derive_news(make_line(make_node(**change)), memory)) is is_news


def test_a_node_that_leaves_and_comes_back_is_news() -> None:
    memory = NodeMemory()
    gone = {"Topic": "Node", "Type": "NodeDeregistration", "Key": "n", "Payload": {}}
    for row in (make_node(), gone, make_node()):
        assert derive_news(make_line(row), memory) == (NodeChanged("n"),)


def test_a_recorded_deploy_names_its_job_alone() -> None:
    rows = [row for row in json.loads(RECORDING.read_text())["events"] if row.get("Topic") and row["Topic"] != "Node"]
    found = {news for row in rows for news in derive_news(make_line(row), NodeMemory())}
    assert found == {JobChanged("rec-ev")} and len(rows) > 20


# the stream


class Script:
    """Connections in turn; each is a list of pieces to send, and what is left open until `end`."""

    def __init__(self, *connections: list[bytes] | Said) -> None:
        self.connections = list(connections)
        self.end = threading.Event()

    def __call__(self, heard: Heard) -> Said:
        connection = self.connections.pop(0) if len(self.connections) > 1 else self.connections[0]
        return connection if isinstance(connection, Said) else Said(stream=lambda: self._send(connection))

    def _send(self, pieces: list[bytes]) -> Iterator[bytes]:
        yield from pieces
        if pieces[-1:] != [b""]:  # b"" at the end: the connection is closed there
            self.end.wait(20)


def follow(script: Script, count: int) -> tuple[list[Event], list[Heard]]:
    """Return the first `count` events of a stream and the requests that were made for them."""
    with StandIn(script) as agent, talking(agent, namespace="models") as api:
        stream = EventStream(api)
        found: list[Event] = []
        for event in stream:
            found.append(event)
            if len(found) == count:
                stream.close()
                script.end.set()
        return found[:count], agent.heard


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FIRST_LINE_S", 0.2)
    monkeypatch.setattr(events, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(events, "SILENT_PAUSE_S", 0.05)


def test_lines_come_at_once_and_whole() -> None:
    """requests' own iter_lines would hold them back until 512 bytes have come."""
    line = make_line(JOB)
    found, heard = follow(Script([b"{}\n", line[:10], line[10:] + b"\n" + make_line(ALLOCATION) + b"\n"]), 3)
    assert found == [Connected(), JobChanged("x"), JobChanged("y")]
    assert heard[0].query == {"topic": ["Job", "Allocation", "Evaluation", "Node"], "namespace": ["models"]}
    assert heard[0].headers["Accept-Encoding"] == "identity"


def test_a_cut_stream_is_opened_again() -> None:
    script = Script([b"{}\n", b""], Said(500, "something new"), Said(cut=True), [b"{}\n", make_line(JOB) + b"\n"])
    found, _ = follow(script, 4)
    assert found == [Connected(), Disconnected(), Connected(), JobChanged("x")]


def test_a_stream_that_is_silent_about_nodes_does_without_them() -> None:
    found, heard = follow(Script([], [b"{}\n", make_line(JOB) + b"\n"]), 2)
    assert found == [Connected(has_nodes=False), JobChanged("x")]
    assert [heard_.query["topic"][-1] for heard_ in heard] == ["Node", "Evaluation"]


def test_a_denied_stream_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Denied is HTTP 200 without a byte, and the end of it after a while."""
    script = Script([], [b""], [], [b""], [], [b"{}\n"])
    with caplog.at_level(logging.INFO, "serai_nomad.agent.events"):
        found, heard = follow(script, 1)
    assert found == [Connected(has_nodes=False)] and len(heard) == 6
    assert sum("lacks list-jobs" in record.message for record in caplog.records) == 1
    assert "speaks again" in caplog.text


def test_an_agent_that_is_away_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    down = Said(503, "")
    with caplog.at_level(logging.INFO, "serai_nomad.agent.events"):
        found, heard = follow(Script(down, down, down, [b"{}\n"]), 1)
    assert found == [Connected()] and len(heard) == 4
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


WHERE = {
    "reading": [b"{}\n"],
    "waiting for the first line": [],
    "pausing": Said(503, ""),
}


@pytest.mark.parametrize("where", WHERE)
def test_close_ends_it_wherever_it_is(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FIRST_LINE_S", 10.0)
    monkeypatch.setattr(events, "FIRST_PAUSE_S", 10.0)
    script = Script(WHERE[where])  # type: ignore[arg-type]
    with StandIn(script) as agent, talking(agent) as api, ThreadPoolExecutor(1) as pool:
        stream = EventStream(api)
        reading = pool.submit(lambda: list(stream))
        eventually(lambda: agent.heard)
        time.sleep(0.1)
        begun = time.monotonic()
        stream.close()
        reading.result(5)
        assert time.monotonic() - begun < 1
        script.end.set()


def test_close_before_the_start() -> None:
    with StandIn(Script([])) as agent, talking(agent) as api:
        stream = EventStream(api)
        stream.close()
        assert list(stream) == [] and not agent.heard


def test_a_stream_without_heartbeats_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "READ_S", 0.3)
    script = Script([b"{}\n"], [b"{}\n", make_line(JOB) + b"\n"])
    found, _ = follow(script, 4)
    assert found == [Connected(), Disconnected(), Connected(), JobChanged("x")]
