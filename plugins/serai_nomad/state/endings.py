"""The reasons of replicas that have ended, are about to, or cannot be seen."""

from __future__ import annotations

from serai.domain.reasons import Reason, make_reason

from .cause import Cause
from .rows import Row

_MOVED = "alloc is being migrated"
_LOST = "alloc is lost since its node is down"
_RECONNECTED = "alloc not needed due to disconnected client reconnect"


def say_ended(row: Row, cause: Cause | None) -> Reason:
    """Return why a replica ended: by itself, or because it was told to."""
    if row.client == "failed":
        return (cause or Cause("", "the process ended")).say("failed-replica")
    if row.desired == "run":
        return (cause or Cause("", "the process ended by itself, but a model has to go on running")).say(
            "failed-replica"
        )
    if row.description == _LOST:
        return make_reason("node-lost", f"Node {row.node} was down; the process was ended when it came back.")
    if row.desired == "evict":
        return make_reason("preempted", f"It was ended on {row.place} to make room for a job of a higher priority.")
    if row.description == _MOVED and row.is_drained:
        return make_reason("node-drained", f"Node {row.node} was drained; another replica takes its place.")
    if row.description == _MOVED:
        return make_reason("not-needed", "Somebody stopped it in Nomad; another replica takes its place.")
    if row.description == _RECONNECTED:
        return make_reason("not-needed", "It stood in for a replica whose node came back.")
    return make_reason("not-needed", "It was stopped; fewer are wanted, or another one has taken its place.")


def say_stopping(row: Row) -> Reason:
    if row.desired == "evict":
        return make_reason("preempted", f"It is ended on {row.place} to make room for a job of a higher priority.")
    if row.description == _MOVED and row.is_drained:
        return make_reason("node-drained", f"Node {row.node} is being drained; another replica takes its place.")
    if row.description == _MOVED:
        return make_reason("stopping", "Somebody stopped it in Nomad; another replica takes its place.")
    return make_reason("stopping")


def say_lost(row: Row) -> Reason:
    return make_reason("node-lost", f"Node {row.node} is down; the process may still run there.")


def say_unreachable(row: Row, is_to_stop: bool) -> Reason:
    if is_to_stop:
        text = f"Node {row.node} cannot be reached; if the process still runs there, it is ended when the node is back."
        return make_reason("node-unreachable", text)
    what_follows = "; another replica stands in for it" if row.next else ""
    return make_reason(
        "node-unreachable", f"Node {row.node} cannot be reached; the process may still run there{what_follows}."
    )
