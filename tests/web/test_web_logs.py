"""Logs: merged in the order of time, filtered, paged by cursor, followed and resumed without loss or doubling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from serai.domain.observation import Stream
from serai.web.app import edge_of
from tests.web.installation import Installation

PATH = "/deployments/m/versions/1/logs"


@pytest.fixture
def two(installation: Installation) -> Installation:
    """Two replicas that wrote by turns."""
    installation.deploy(replicas=2)
    for number in range(6):
        installation.say("m", 1, f"line {number}", replica=number % 2)
    return installation


def texts(answer: Any) -> list[str]:
    return [line["text"] for line in answer.json["lines"] if line["text"].startswith("line")]


def test_replicas_are_merged_in_the_order_of_time(two: Installation) -> None:
    answer = two.caller("reader").get(PATH)
    assert texts(answer) == [f"line {number}" for number in range(6)]
    assert len({line["replica"] for line in answer.json["lines"]}) == 2
    at = [line["at"] for line in answer.json["lines"]]
    assert at == sorted(at)


def test_filters(two: Installation) -> None:
    caller = two.caller()
    replica = caller.get(PATH).json["lines"][-1]["replica"]
    assert texts(caller.get(f"{PATH}?replica={replica}")) == ["line 1", "line 3", "line 5"]
    assert texts(caller.get(f"{PATH}?grep=LINE%203")) == ["line 3"]
    assert texts(caller.get(f"{PATH}?since=2s")) == ["line 3", "line 4", "line 5"]
    assert texts(caller.get(f"{PATH}?tail=2")) == ["line 4", "line 5"]
    assert texts(caller.get(f"{PATH}?tail=0")) == []
    two.scheduler.say("m-v1", replica, "line err", Stream.STDERR)
    assert texts(caller.get(f"{PATH}?stream=stderr")) == ["line err"]
    at = caller.get(f"{PATH}?grep=line%204").json["lines"][0]["at"]
    assert texts(caller.get(f"{PATH}?since={at}&stream=stdout")) == ["line 4", "line 5"]
    assert texts(caller.get(f"{PATH}?since=2099-01-01T00:00:00%2B02:00")) == []


def test_pages_by_cursor_lose_and_double_nothing(two: Installation) -> None:
    found, after = [], ""
    while True:
        page = two.caller().get(f"{PATH}?limit=1{after}").json
        if not page["lines"]:
            break
        found += [line["text"] for line in page["lines"] if line["text"].startswith("line")]
        after = f"&after={page['next']}"
    assert found == [f"line {number}" for number in range(6)]
    two.say("m", 1, "line 6")
    assert texts(two.caller().get(f"{PATH}?x".removesuffix("?x") + f"?{after[1:]}")) == ["line 6"]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "eJyrVlBKU7JSUEpSslJQqgUAHCgD3A"])
def test_a_cursor_that_was_never_given_out(two: Installation, cursor: str) -> None:
    answer = two.caller().get(f"{PATH}?after={cursor}")
    assert answer.status_code == 404 or answer.json["lines"]


def test_an_unknown_replica(two: Installation) -> None:
    assert two.caller().get(f"{PATH}?replica=nobody").status_code == 404
    assert two.caller().get(f"{PATH}?replica=nobody&follow=1").status_code == 404


def read_events(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_following_a_version_that_has_ended_says_all_and_ends(two: Installation) -> None:
    two.caller().post("/deployments/m/stop")
    two.tick(10)
    answer = two.caller().get(f"{PATH}?follow=1")
    assert answer.mimetype == "text/event-stream"
    events = read_events(answer.text)
    assert events[-1]["event"] == "end"
    lines = [json.loads(event["data"]) for event in events[:-1]]
    assert [line["text"] for line in lines if line["text"].startswith("line")] == [f"line {n}" for n in range(6)]
    middle = next(event for event in events if "line 3" in event["data"])
    for headers, query in (({"Last-Event-ID": middle["id"]}, ""), ({}, f"&after={middle['id']}")):
        rest = read_events(two.caller().get(f"{PATH}?follow=1{query}", headers).text)
        said = [json.loads(event["data"]).get("text", "") for event in rest]
        assert [text for text in said if text.startswith("line")] == ["line 4", "line 5"]


def test_streams_have_places_and_give_them_back(two: Installation) -> None:
    edge = edge_of(two.app)
    open_streams = [two.caller().get(f"{PATH}?follow=1") for _ in range(edge.limits.streams)]
    refused = two.caller().get(f"{PATH}?follow=1")
    assert (refused.status_code, refused.json["code"]) == (503, "too-many-streams")
    assert int(refused.headers["Retry-After"]) > 0
    open_streams[0].close()
    again = two.caller().get(f"{PATH}?follow=1")
    assert again.status_code == 200
    for response in [*open_streams, again]:
        response.close()
    edge.waiting.close()


def test_events_are_followed(installation: Installation) -> None:
    installation.deploy()
    edge_of(installation.app).waiting.close()  # the stream ends after what there is
    answer = installation.caller().get("/events?follow=1&after=0")
    assert answer.mimetype == "text/event-stream"


def test_a_stream_goes_on_when_its_scheduler_comes_back_and_ends_with_what_it_is_about(two: Installation) -> None:
    def follow() -> Iterator[bytes]:
        response = two.caller().get(f"{PATH}?follow=1&grep=line")
        assert response.status_code == 200
        return iter(response.response)

    events = follow()
    assert next(events).startswith(b": hello")
    two.scheduler.reachable = False
    kept = [next(events) for _ in range(6)]  # read when the stream was opened
    assert [b"line" in event for event in kept] == [True] * 6
    assert texts(two.caller().get(PATH)) == [f"line {number}" for number in range(6)]
    two.scheduler.reachable = True
    two.say("m", 1, "line 6")
    assert any(b"line 6" in event for event in islice(events, 100))
    two.caller().post("/deployments/m/stop")
    two.tick(10)
    assert two.caller().delete("/deployments/m").status_code == 204
    assert b"".join(events).endswith(b"event: end\ndata: {}\n\n")


def test_until_and_past_replicas(two: Installation) -> None:
    caller = two.caller()
    at = caller.get(f"{PATH}?grep=line%204").json["lines"][0]["at"]
    assert texts(caller.get(f"{PATH}?until={at}")) == ["line 0", "line 1", "line 2", "line 3"]
    assert texts(caller.get(f"{PATH}?until=2s")) == ["line 0", "line 1", "line 2"]
    replica = caller.get(f"{PATH}?grep=line%200").json["lines"][0]["replica"]
    two.scheduler.lose("m-v1")
    two.tick(4)
    assert replica not in {one.id for one in two.core.cluster.view("m").versions[0].replicas}
    assert texts(caller.get(PATH)) == [f"line {number}" for number in range(6)]
    asked = len(two.scheduler.calls)
    assert texts(caller.get(f"{PATH}?replica={replica}")) == ["line 0", "line 2", "line 4"]
    assert len(two.scheduler.calls) == asked  # it is known to be gone


def test_replicas_that_there_is_a_log_of(two: Installation) -> None:
    """Live ones, and those that neither the scheduler nor a reader has seen for long."""
    path = f"{PATH}/replicas"
    before = two.caller("reader").get(path).json["replicas"]
    assert [(one["presence"], one["size"], one["last_at"]) for one in before] == [("live", None, None)] * 2
    two.caller().get(PATH)  # which collects
    collected = two.caller().get(path).json["replicas"]
    assert all(one["size"] > 0 and one["last_at"].endswith("Z") for one in collected)
    two.scheduler.lose("m-v1")
    two.tick(4)
    after = two.caller().get(path).json["replicas"]
    gone = {one["replica"] for one in after if one["presence"] == "gone"}
    assert gone == {one["replica"] for one in before}
    assert [one["presence"] for one in after] == ["live"] * (len(after) - 2) + ["gone"] * 2
    for replica in gone:
        assert texts(two.caller().get(f"{PATH}?replica={replica}"))
    assert two.caller().get("/deployments/m/versions/9/logs/replicas").status_code == 404


def test_logs_are_gone_with_their_version(two: Installation) -> None:
    assert texts(two.caller().get(PATH))
    two.caller().post("/deployments/m/stop")
    two.tick(10)
    assert two.caller().delete("/deployments/m").status_code == 204
    assert list((two.core.data_dir / "logs").glob("*/*")) == []
