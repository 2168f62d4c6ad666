"""The sink: each call becomes a message, or several where one is too large, and their outcome is the call's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics.export import Metric

from serai.domain.collected import CollectedLine
from serai.domain.finished import FinishedRequest
from serai.domain.observation import Usage
from serai.domain.window import SeriesKey, Window
from serai.plugin import Rejected, Sink

from .logs import pack_logs
from .metrics import make_request_metrics, pack
from .portions import Portions
from .post import Post
from .settings import OtlpSettings, Signal
from .spans import pack_spans
from .tally import Tally
from .totals import Totals
from .usage import make_usage_metrics
from .wire import make_resource, make_service

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=Message)


class OtlpSink(Sink):
    """Sends what the settings say. `instance` names this server among others that send to the same receiver."""

    def __init__(self, settings: OtlpSettings, instance: str = "", clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._totals = Totals(settings.temporality, clock())
        self._resource = make_resource(make_service("serai", instance), settings.resource)
        self._posts = {signal: Post(settings, signal) for signal in settings.export}
        self._series = Portions[tuple[SeriesKey, Tally]]()
        self._samples = Portions[Usage]()
        self._lines = Portions[CollectedLine]()
        self._requests = Portions[FinishedRequest]()
        self._is_warned = False
        self.wants_logs = Signal.LOGS in settings.export
        self.wants_spans = Signal.SPANS in settings.export
        self.gather_s = settings.interval_s

    def write_windows(self, windows: Sequence[Window]) -> None:
        if Signal.METRICS not in self._settings.export:
            return
        told, now = self._totals.plus(windows), self._clock()
        way = self._settings.temporality
        try:
            self._series.send(
                list(told.items()), lambda some: self._send_metrics(make_request_metrics(dict(some), way, now))
            )
        except Rejected:
            self._totals.commit(told, now)
            raise
        self._totals.commit(told, now)

    def write_usage(self, samples: Sequence[Usage]) -> None:
        if Signal.METRICS in self._settings.export:
            self._totals.note_alive((sample.replica for sample in samples), self._clock())
            self._samples.send(samples, lambda some: self._send_metrics(make_usage_metrics(some)))

    def write_logs(self, lines: Sequence[CollectedLine]) -> None:
        if self.wants_logs:
            self._lines.send(lines, self._send_lines)

    def write_spans(self, requests: Sequence[FinishedRequest]) -> None:
        if self.wants_spans:
            self._requests.send(requests, self._send_spans)

    def forget(self, deployment: str) -> None:
        """Count from nothing for a deployment that was deleted, should one of its name come again."""
        self._totals.forget(deployment)

    def close(self) -> None:
        for post in self._posts.values():
            post.close()

    def _send_metrics(self, metrics: Sequence[Metric]) -> None:
        if metrics:
            message = pack(self._resource, metrics)
            taken = _read(self._send(Signal.METRICS, message), ExportMetricsServiceResponse()).partial_success
            self._check(taken.rejected_data_points, taken.error_message)

    def _send_lines(self, lines: Sequence[CollectedLine]) -> None:
        message = pack_logs(lines, self._settings.resource)
        taken = _read(self._send(Signal.LOGS, message), ExportLogsServiceResponse()).partial_success
        self._check(taken.rejected_log_records, taken.error_message)

    def _send_spans(self, requests: Sequence[FinishedRequest]) -> None:
        message = pack_spans(requests, self._settings.resource)
        taken = _read(self._send(Signal.SPANS, message), ExportTraceServiceResponse()).partial_success
        self._check(taken.rejected_spans, taken.error_message)

    def _send(self, signal: Signal, message: Message) -> bytes:
        return self._posts[signal].send(message.SerializeToString())

    def _check(self, rejected: int, said: str) -> None:
        """Raise Rejected for what a receiver has not taken of a message; what it only says is passed on once."""
        if rejected > 0:
            why = said[:200] or "it does not say why"
            raise Rejected(f"{self._settings.endpoint} has not taken {rejected} entries: {why}", rejected)
        if said and not self._is_warned:
            self._is_warned = True
            log.warning("%s has taken all, and says: %s", self._settings.endpoint, said[:200])


def _read(content: bytes, answer: Answer) -> Answer:
    """Return the answer; one that cannot be read says nothing of entries that were not taken."""
    try:
        answer.ParseFromString(content)
    except DecodeError:
        answer.Clear()
    return answer
