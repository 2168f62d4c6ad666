"""Following logs: each line once, in order, however often the connection breaks."""

from __future__ import annotations

import json
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.client.client import Client, LogQuery
from serai.client.events import ServerEvent, read_events
from serai.client.logs import follow_logs
from serai.domain.errors import NotFound, ServerUnavailable
from tests.client.scripted import Reply, ScriptedServer, Seen, hang_up, reply_json

END = b"event: end\ndata: {}\n\n"


def make_event(number: int) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (number, json.dumps({"text": f"line {number}"}).encode())


class Log:
    """A log of `size` lines that hands out at most `at_once` a connection, torn in the middle of the next."""

    def __init__(self, size: int, at_once: int) -> None:
        self.size, self.at_once = size, at_once

    def __call__(self, seen: Seen) -> Reply:
        start = int(seen.headers.get("last-event-id", "0"))
        lines = list(range(start + 1, min(self.size, start + self.at_once) + 1))
        body = b": hello\n\n" + b"".join(make_event(line) for line in lines)
        if start + self.at_once > self.size:
            return Reply(body=body + END, headers={"Content-Type": "text/event-stream"})
        return Reply(
            body=body + make_event(lines[-1] + 1)[:15], cut=True, headers={"Content-Type": "text/event-stream"}
        )


def test_nothing_is_lost_or_doubled_over_broken_connections(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = Log(20, at_once=3)
    texts = [line["text"] for line in follow_logs(client, "digits", 1)]
    assert texts == [f"line {number}" for number in range(1, 21)]
    assert len(scripted.seen) == 7


def test_tail_holds_for_the_first_connection_only(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = Log(5, at_once=3)
    list(follow_logs(client, "digits", 1, LogQuery(tail=10, replica="r1")))
    assert ["tail=10" in seen.path for seen in scripted.seen] == [True, False]
    assert all("replica=r1" in seen.path for seen in scripted.seen)


def test_a_server_that_stays_away_ends_it(client: Client, scripted: ScriptedServer) -> None:
    scripted.script.append(Log(20, at_once=3))
    scripted.fallback = hang_up
    lines = follow_logs(client, "digits", 1, patience_s=0.3)
    assert len(list(islice(lines, 3))) == 3
    with pytest.raises(ServerUnavailable):
        next(lines)


def test_an_unknown_version_ends_it_at_once(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = Reply(404, b"{}", {"Content-Type": "application/problem+json"})
    with pytest.raises(NotFound):
        next(follow_logs(client, "digits", 1))


def test_kept_lines_are_read_page_by_page(client: Client, scripted: ScriptedServer) -> None:
    scripted.script.append(reply_json({"lines": [{"text": str(n)} for n in range(3)], "next": "c3"}))
    scripted.script.append(reply_json({"lines": [{"text": "3"}], "next": "c4"}))
    lines = list(client.list_logs("digits", 1, LogQuery(since="5m", page=3)))
    assert [line["text"] for line in lines] == ["0", "1", "2", "3"]
    assert "after=c3" in scripted.seen[1].path
    assert "since=5m" in scripted.seen[1].path


EVENTS = (
    b": comment\n\nid: 1\r\ndata: one\r\n\r\nevent: end\ndata: two\ndata: lines\n\n"
    b"retry: 5\nid\ndata:no space\n\ndata: torn"
)
READ = [
    ServerEvent("message", "one", "1"),
    ServerEvent("end", "two\nlines", "1"),
    ServerEvent("message", "no space", ""),
]


@given(st.lists(st.integers(0, len(EVENTS)), max_size=20))
def test_events_do_not_depend_on_how_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(EVENTS)]
    chunks = [EVENTS[start:end] for start, end in pairwise(places)]
    assert list(read_events(chunks)) == READ


def test_only_newlines_end_lines() -> None:
    text = "a\u2028b\x0bc\x85d"
    assert [event.data for event in read_events([f"data: {text}\n\n".encode()])] == [text]
