"""Lines of replicas as log records: the replica is the resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from serai.domain import attributes as names
from serai.domain.collected import CollectedLine
from serai.domain.observation import Stream

from .metrics import describe_replica
from .wire import SCOPE, clean_text, make_attributes, make_resource, to_ns

# Else a record would belong to whatever trace this thread is in.
_NO_TRACE = set_span_in_context(INVALID_SPAN, Context())
_STREAMS = {stream: make_attributes({"log.iostream": stream.value}) for stream in Stream}

_Replica = tuple[str, int, str]


def pack_logs(lines: Sequence[CollectedLine], more: Mapping[str, str]) -> ExportLogsServiceRequest:
    """Return the message with these lines, each replica's in their order. `more` are the operator's attributes."""
    resources: dict[_Replica, Resource] = {}
    records = []
    for line in lines:
        replica = (line.deployment, line.version, line.line.replica)
        if replica not in resources:
            resources[replica] = _make_resource(replica, more)
        records.append(ReadableLogRecord(_make_record(line), resources[replica], SCOPE))
    return encode_logs(records)


def _make_resource(whose: _Replica, more: Mapping[str, str]) -> Resource:
    deployment, version, replica = whose
    service = {
        names.SERVICE_NAME: deployment,
        names.SERVICE_VERSION: str(version),
        names.SERVICE_INSTANCE: replica,
    }
    return make_resource({**service, **describe_replica(deployment, version, replica)}, more)


def _make_record(collected: CollectedLine) -> LogRecord:
    line = collected.line
    return LogRecord(
        timestamp=to_ns(line.at),
        observed_timestamp=to_ns(collected.collected_at),
        context=_NO_TRACE,
        body=clean_text(line.text),
        attributes=_STREAMS[line.stream],
    )
