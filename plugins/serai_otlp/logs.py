"""Lines of replicas as log records: the replica is the resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from serai.domain import attributes as names
from serai.domain.collected import CollectedLine

from .metrics import describe_replica
from .wire import SCOPE, Value, make_attributes, make_resource, to_ns


def pack_logs(lines: Sequence[CollectedLine], more: Mapping[str, str]) -> ExportLogsServiceRequest:
    """Return the message with these lines, each replica's in their order. `more` are the operator's attributes."""
    by_replica: dict[tuple[str, int, str], list[CollectedLine]] = {}
    for line in lines:
        by_replica.setdefault((line.deployment, line.version, line.line.replica), []).append(line)
    return ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=make_resource(_describe(*replica), more),
                scope_logs=[ScopeLogs(scope=SCOPE, log_records=[_make_record(line) for line in own])],
            )
            for replica, own in by_replica.items()
        ]
    )


def _describe(deployment: str, version: int, replica: str) -> Mapping[str, Value]:
    return {
        names.SERVICE_NAME: deployment,
        names.SERVICE_VERSION: str(version),
        names.SERVICE_INSTANCE: replica,
        **describe_replica(deployment, version, replica),
    }


def _make_record(collected: CollectedLine) -> LogRecord:
    line = collected.line
    return LogRecord(
        time_unix_nano=to_ns(line.at),
        observed_time_unix_nano=to_ns(collected.collected_at),
        body=AnyValue(string_value=line.text.encode("utf-8", "replace").decode()),
        attributes=make_attributes({"log.iostream": line.stream.value}),
    )
