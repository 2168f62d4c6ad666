"""The shapes of the API's answers. Times are RFC 3339 in UTC; keys that are not listed may come along."""

from __future__ import annotations

from typing import Any, TypedDict

JsonObject = dict[str, Any]


class ReasonAnswer(TypedDict, total=False):
    code: str
    text: str
    help: str
    log: list[str]
    exit_code: int | None


class ReplicaAnswer(TypedDict, total=False):
    id: str
    phase: str
    live: bool
    ready: bool
    since: str
    started_at: str
    reason: ReasonAnswer | None
    node: str
    gpus: list[str]


class VersionAnswer(TypedDict, total=False):
    number: int
    state: str
    reason: ReasonAnswer | None
    wanted: int
    ready: int
    replicas: list[ReplicaAnswer]
    spec: JsonObject
    created_at: str
    created_by: str
    started_at: str | None


class LimitsAnswer(TypedDict, total=False):
    concurrency: int
    queue: int
    queue_timeout: float
    per_key: str
    per_client: str


class DeploymentAnswer(TypedDict, total=False):
    name: str
    owner: str
    active: int | None
    incumbent: int | None
    count: int
    idle: bool
    access: str
    key_header: str
    limits: LimitsAnswer
    url: str
    state: str
    reason: ReasonAnswer | None
    versions: list[VersionAnswer]


class LogLineAnswer(TypedDict, total=False):
    at: str
    replica: str
    stream: str
    text: str
    cursor: str


class EventAnswer(TypedDict, total=False):
    id: int
    at: str
    kind: str
    deployment: str
    version: int | None
    replica: str
    text: str
    actor: str
