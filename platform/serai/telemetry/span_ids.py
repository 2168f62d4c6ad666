"""The ids of a trace and of a span in one piece, as they are on the wire, so that none has to be cut out."""

from __future__ import annotations


def join_ids(trace_id: bytes, span_id: bytes) -> bytes:
    """Return ids of 16 and 8 bytes as the two fields with which an encoded span begins."""
    return b"\x0a\x10%b\x12\x08%b" % (trace_id, span_id)


def split_ids(ids: bytes) -> tuple[bytes, bytes]:
    """Return what was joined."""
    return ids[2:18], ids[20:]
