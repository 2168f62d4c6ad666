"""Which requests leave a span behind, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serai.domain.finished import PATH_LIMIT, FinishedRequest

from .record import RequestRecord

KeepSpan = Callable[[FinishedRequest], None]
_METHOD_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Tracing:
    """`share` (0 to 1) of the requests that begin a trace are sampled, and those whose caller's trace is.

    `keep` takes each sampled request when it has ended, and must neither wait nor raise.
    """

    share: float
    keep: KeepSpan


def make_finished(
    record: RequestRecord, method: str, path: str, scheme: str, protocol: str, error: str = ""
) -> FinishedRequest:
    """Return what a span is made of.

    `path` is as it came in, and cut; what is no text in it is replaced. A wall clock that was set back gives times
    below nothing, which are 0.
    """
    return FinishedRequest(
        record.deployment,
        record.version,
        record.replica,
        method[:_METHOD_LIMIT],
        path[:PATH_LIMIT].encode("utf-8", "replace").decode(),
        record.status,
        max(0.0, record.at - record.total_s),
        max(0.0, record.total_s),
        record.trace_id,
        record.span_id,
        record.parent_id,
        None if record.first_byte_s is None else max(0.0, record.first_byte_s),
        None if record.queue_s is None else max(0.0, record.queue_s),
        record.bytes_in,
        record.bytes_out,
        error,
        scheme,
        protocol,
        record.key_id,
    )
