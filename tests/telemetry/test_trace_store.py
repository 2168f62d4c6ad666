"""Spans of traces are kept within bounds of age and size."""

from __future__ import annotations

from serai.plugin.testing.fakes import FakeClock
from serai.telemetry.span_facts import Facts
from serai.telemetry.trace_store import TraceStore

FACTS = Facts(deployment="digits")


def make_store(**limits: float) -> tuple[TraceStore, FakeClock]:
    clock = FakeClock()
    return TraceStore(clock=lambda: clock().timestamp(), **limits), clock  # type: ignore[arg-type]


def add(store: TraceStore, trace: bytes, span: bytes, encoded: bytes = b"x") -> None:
    store.add(FACTS, [(trace, span, encoded)])


def found(store: TraceStore, trace: bytes) -> list[bytes]:
    return [kept.encoded for kept in store.find(trace)]


def test_a_span_that_comes_again_is_one() -> None:
    store, _ = make_store()
    add(store, b"t", b"1", b"a")
    add(store, b"t", b"2", b"b")
    add(store, b"t", b"1", b"c")
    assert found(store, b"t") == [b"c", b"b"]
    assert found(store, b"u") == []


def test_a_trace_that_is_too_old_goes() -> None:
    store, clock = make_store(kept_s=60.0)
    add(store, b"t", b"1")
    clock.advance(59)
    add(store, b"u", b"1")
    assert found(store, b"t") == [b"x"]
    clock.advance(2)
    assert (found(store, b"t"), found(store, b"u")) == ([], [b"x"])


def test_the_trace_that_began_first_gives_way() -> None:
    store, _ = make_store(most_bytes=10_000)
    for number in range(20):
        add(store, bytes([number]), b"1", b"x" * 600)
    kept = [number for number in range(20) if found(store, bytes([number]))]
    assert kept == list(range(10, 20))


def test_one_trace_has_its_share() -> None:
    store, _ = make_store(most_spans=3)
    for number in range(9):
        add(store, b"t", bytes([number]), bytes([number]))
    add(store, b"t", b"\x01", b"new")
    assert found(store, b"t") == [b"\x00", b"new", b"\x02"]
