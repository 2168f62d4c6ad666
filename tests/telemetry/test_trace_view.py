"""The order in which a trace is told: what belongs to a span right after it, whoever sent it."""

from __future__ import annotations

import pytest

from serai.domain.finished import FinishedRequest
from serai.telemetry.span_facts import Facts
from serai.telemetry.trace_store import KeptSpan
from serai.telemetry.trace_view import TraceSpan, view_trace
from tests.telemetry.otlp_spans import NOW, make_span

REQUEST = FinishedRequest(
    "digits", 1, "r", "POST", "/p", 200, NOW - 1, 1.0, "0" * 32, f"{1:016x}", key_id="k", first_byte_s=0.5
)


def kept(number: int, parent: int, began_s: float) -> KeptSpan:
    span = make_span(number, ended_at=NOW + began_s + 0.25, took_s=0.25, kind=1, rows=3, many=[1], odd=float("nan"))
    span.parent_span_id = parent.to_bytes(8) if parent else b""
    return KeptSpan(Facts("digits", 1, "r"), span.SerializeToString())


def ids(spans: list[TraceSpan]) -> list[int]:
    return [int(span.span_id, 16) for span in spans]


@pytest.mark.parametrize(
    ("links", "order"),
    [
        ([(2, 1, 0.0), (3, 2, 0.1), (4, 1, 0.05)], [2, 3, 4]),  # 1 is not there: its children stand at the top
        ([(4, 1, 0.3), (2, 1, 0.1), (1, 0, 0.0), (3, 2, 0.2)], [1, 2, 3, 4]),
        ([(2, 3, 0.0), (3, 2, 0.1), (4, 0, 0.2)], [4, 2, 3]),  # each other's parents: last
        ([(2, 2, 0.0)], [2]),
        ([], []),
    ],
)
def test_a_span_is_followed_by_what_belongs_to_it(links: list[tuple[int, int, float]], order: list[int]) -> None:
    assert ids(view_trace(kept(*link) for link in links)) == order


def test_a_request_and_a_span_are_told_alike() -> None:
    request, span = view_trace([kept(2, 1, -0.5), REQUEST])
    assert (request.name, request.kind, request.took_s, request.error) == ("POST digits", "server", 1.0, "")
    assert request.attributes["serai.clock.first_byte"] == 0.5
    assert "serai.clock.queue" not in request.attributes
    assert (span.name, span.kind, span.parent_id, span.took_s) == ("POST 2", "internal", request.span_id, 0.25)
    assert span.attributes["rows"] == 3
    assert span.attributes["odd"] == "nan"  # which JSON has no number for
    assert "many" not in span.attributes
    assert (span.deployment, span.version, span.replica) == ("digits", 1, "r")
