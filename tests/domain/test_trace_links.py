"""Which trace a request is of, and where it can be looked at."""

from __future__ import annotations

import pytest

from serai.domain.trace_links import find_trace_id, make_link

A, B = 32 * "a", 32 * "b"
PARENT = f"00-{A}-{16 * 'c'}-01"


@pytest.mark.parametrize(
    ("sent", "answered", "trace_id"),
    [
        ([], [("X-Request-Id", B)], B),
        ([], [("x-request-id", f" {B} ")], B),
        ([], [], ""),
        ([("Traceparent", PARENT)], [("X-Request-Id", A)], A),
        ([("traceparent", PARENT), ("X-Request-Id", "mine")], [("X-Request-Id", "mine")], A),
        ([("X-Request-Id", B)], [("X-Request-Id", B)], ""),  # the caller's, whose trace is another
        ([("traceparent", "00-junk")], [("X-Request-Id", B)], B),
        ([("traceparent", PARENT), ("traceparent", PARENT)], [("X-Request-Id", B)], B),
        ([("traceparent", f"{PARENT}-more")], [("X-Request-Id", B)], B),
        ([("traceparent", f"01{PARENT[2:]}-more")], [], A),
        ([("traceparent", f"ff{PARENT[2:]}")], [("X-Request-Id", B)], B),
        ([], [("X-Request-Id", "0" * 32)], ""),
        ([], [("X-Request-Id", "3f2b-uuid")], ""),
    ],
)
def test_a_trace_is_found_by_headers(
    sent: list[tuple[str, str]], answered: list[tuple[str, str]], trace_id: str
) -> None:
    assert find_trace_id(sent, answered) == trace_id


@pytest.mark.parametrize(
    ("trace_url", "link"),
    [("", ""), ("https://t/{trace_id}", f"https://t/{A}"), ("https://t/{trace_id}#{trace_id}", f"https://t/{A}#{A}")],
)
def test_a_link_has_the_trace_in_it(trace_url: str, link: str) -> None:
    assert make_link(trace_url, A) == link
