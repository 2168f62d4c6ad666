"""Replicas as cards: where each runs, since when, and how busy it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from serai.domain.observation import GpuUsage, Phase, Replica, Usage
from serai.domain.quantity import format_bytes
from serai.reconcile.views import DeploymentView, VersionView

from .charts import make_meter
from .words import percent

PHASE_WORDS = {
    Phase.PLACED: "Placed",
    Phase.FETCHING: "Fetching",
    Phase.INSTALLING: "Installing",
    Phase.LOADING: "Loading",
    Phase.CHECKING: "Checking",
    Phase.READY: "Ready",
    Phase.BACKING_OFF: "Restarting",
    Phase.STOPPING: "Stopping",
    Phase.ENDED: "Ended",
}
_STATE_OF_PHASE = {
    Phase.READY: "running",
    Phase.BACKING_OFF: "error",
    Phase.STOPPING: "shutting-down",
    Phase.ENDED: "stopped",
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure of a card: a name, a value in words, and a bar. `text` is a dash where nothing is known."""

    name: str
    text: str
    meter: Markup


@dataclass(frozen=True, slots=True)
class Card:
    """A replica for people. `state` is the part of a class name that gives it its colour.

    `note` says why there are no gauges, "" for a replica that has ended.
    """

    replica: Replica
    version: int
    word: str
    state: str
    gauges: tuple[Gauge, ...]
    note: str = ""


def make_cards(view: DeploymentView, usage: Mapping[tuple[str, str], Usage]) -> list[Card]:
    """Return a card for each live replica of a deployment, of the newest version first."""
    return [card for version in view.versions for card in make_version_cards(version, usage) if card.replica.live]


def make_version_cards(version: VersionView, usage: Mapping[tuple[str, str], Usage]) -> list[Card]:
    """Return a card for each replica of a version, kept ended ones too."""
    workload = version.version.workload
    return [make_card(r, version.version.number, usage.get((workload, r.id))) for r in version.replicas]


def make_card(replica: Replica, version: int, usage: Usage | None) -> Card:
    state = "running" if replica.ready else _STATE_OF_PHASE.get(replica.phase, "preparing")
    gauges = make_gauges(usage) if replica.live else ()
    note = _explain_gap(usage) if replica.live and not gauges else ""
    return Card(replica, version, PHASE_WORDS[replica.phase], state, gauges, note)


def _explain_gap(usage: Usage | None) -> str:
    if usage is None or usage.missing is None:
        return "No CPU and memory figures yet."
    return f"No CPU and memory figures: {usage.missing.text} {usage.missing.help}"


def make_gauges(usage: Usage | None) -> tuple[Gauge, ...]:
    """Return CPU, memory and each GPU. What is not known says so and is never shown as zero."""
    if usage is None or usage.missing is not None:
        return ()
    return (_cpu(usage), _memory(usage), *(gauge for gpu in usage.gpus for gauge in _gpu(gpu)))


def _cpu(usage: Usage) -> Gauge:
    if usage.cpu_user is None:
        return Gauge("CPU", "no data", make_meter(None, "CPU: no data"))
    busy = usage.cpu_user + (usage.cpu_system or 0.0)
    of = f" of {usage.cpu_cores:g} cores" if usage.cpu_cores else ""
    text = f"{busy:.2f}{of}"
    return Gauge("CPU", text, make_meter(busy / usage.cpu_cores if usage.cpu_cores else None, f"CPU: {text}"))


def _memory(usage: Usage) -> Gauge:
    return _of_total("Memory", usage.memory_used_bytes, usage.memory_total_bytes)


def _gpu(gpu: GpuUsage) -> tuple[Gauge, Gauge]:
    name = f"GPU {gpu.id}"
    meter = make_meter(None if gpu.util is None else gpu.util / 100, f"{name}: {percent(gpu.util)}")
    util = Gauge(name, f"{percent(gpu.util)} {gpu.model}".strip(), meter)
    return util, _of_total("VRAM", gpu.vram_used_bytes, gpu.vram_total_bytes)


def _of_total(name: str, used: int | None, total: int | None) -> Gauge:
    if used is None:
        return Gauge(name, "no data", make_meter(None, f"{name}: no data"))
    text = format_bytes(used) + (f" of {format_bytes(total)}" if total else "")
    return Gauge(name, text, make_meter(used / total if total else None, f"{name}: {text}"))
