"""What a line of Nomad's event stream has to say: which jobs and nodes have changed in a way that matters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serai_nomad.facts import Json


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job, one of its allocations or evaluations has changed."""

    job: str


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A node came or went, drains, is down, or has other devices, drivers or attributes, or healthier ones."""

    node: str


class NodeMemory:
    """Tells news of a node from its repetition: each change of an allocation repeats the whole node."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, ...]] = {}

    def take(self, event: Json) -> bool:
        """Take an event of the topic Node; return whether what matters has changed, or is seen for the first time."""
        id, node = str(event.get("Key") or ""), (event.get("Payload") or {}).get("Node") or {}
        if event.get("Type") == "NodeDeregistration":
            self._known.pop(id, None)
            return True
        summary = _summarise(node)
        was, self._known[id] = self._known.get(id), summary
        return was != summary


def derive_news(line: bytes, memory: NodeMemory) -> tuple[JobChanged | NodeChanged, ...]:
    """Return what a line says, each thing once; () for a heartbeat, and for a line that is none of Nomad's."""
    try:
        value = json.loads(line or b"{}")
    except ValueError:
        return ()
    events = (value.get("Events") if isinstance(value, dict) else None) or ()
    return tuple(dict.fromkeys(news for event in events for news in _read_event(event, memory)))


def _read_event(event: Json, memory: NodeMemory) -> Iterator[JobChanged | NodeChanged]:
    topic, key = event.get("Topic"), str(event.get("Key") or "")
    if topic == "Node":
        if memory.take(event):
            yield NodeChanged(key)
    elif topic == "Job":
        yield JobChanged(key)
    elif topic in {"Allocation", "Evaluation"} and (job := _job_of(event, topic)):
        yield JobChanged(job)


def _job_of(event: Json, topic: str) -> str:
    subject = (event.get("Payload") or {}).get(topic) or {}
    filters = event.get("FilterKeys") or ("",)
    return str(subject.get("JobID") or filters[0] or "")


def _summarise(node: Json) -> tuple[Any, ...]:
    """Return what of a node decides where Nomad may place something; its class stands for attributes and meta."""
    groups = (node.get("NodeResources") or {}).get("Devices") or ()
    devices = frozenset(
        (group.get("Vendor"), group.get("Type"), group.get("Name"), instance.get("ID"), bool(instance.get("Healthy")))
        for group in groups
        for instance in group.get("Instances") or ()
    )
    drivers = frozenset(name for name, driver in (node.get("Drivers") or {}).items() if driver.get("Healthy"))
    state = (
        node.get("Status"),
        node.get("SchedulingEligibility"),
        bool(node.get("Drain") or node.get("DrainStrategy")),
    )
    return (*state, node.get("ComputedClass"), devices, drivers)
