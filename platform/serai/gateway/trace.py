"""W3C trace context: the request's place in its caller's trace, or a new trace (https://www.w3.org/TR/trace-context)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Version ff is forbidden, all-zero ids are invalid; a version above 00 may append fields that are not known here.
_PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """`span_id` is this request's own; `parent_id` "" starts a trace, whose caller's tracestate is not passed on."""

    trace_id: str
    span_id: str
    parent_id: str
    flags: str

    @property
    def is_sampled(self) -> bool:
        """Whether the lowest bit of the flags says so: spans of it are kept, here and by those who it is sent on to."""
        return self.flags[1] in "13579bdf"

    @property
    def header(self) -> bytes:
        """The traceparent to send on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()


def read_trace(header: str) -> Trace | None:
    """Return the trace of a traceparent that this gateway wrote itself; None if it is none."""
    match = _PARENT.fullmatch(header.encode())
    return Trace(match[2].decode(), match[3].decode(), "", match[4].decode()) if match else None


def derive_trace(parents: Sequence[bytes], make_hex: Callable[[int], str], share: float = 1.0) -> Trace:
    """Return the trace of a request with these traceparent headers; `make_hex(n)` gives n random bytes in hexadecimal.

    One valid parent is joined, flags included. None, several or a broken one start a trace, `share` (0 to 1) of which
    are sampled.
    """
    match = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if match is None or (match[1] == b"00" and match[5]):
        ids = make_hex(24)
        is_sampled = share >= 1.0 or int(ids[16:32], 16) < share * 2**64  # as OpenTelemetry's samplers decide
        return Trace(ids[:32], ids[32:], "", "01" if is_sampled else "00")
    return Trace(match[2].decode(), make_hex(8), match[3].decode(), match[4].decode())
