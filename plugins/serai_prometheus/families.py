"""Figures as metric families, named by Prometheus' conventions: base units, `_total` for what only grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

import serai
from serai.domain.digest import count_buckets, find_quantiles
from serai.domain.observation import GpuUsage, Usage
from serai.domain.status import State
from serai.domain.window import Clock, SeriesKey, Summary
from serai.plugin import VersionFacts

from .figures import RECENT_S, Figures

VERSION = ("deployment", "version")
REPLICA = (*VERSION, "replica")
GPU = (*REPLICA, "gpu", "model")
REQUEST = (*REPLICA, "status")
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
_CLOCKS = {
    Clock.TOTAL: ("serai_request_duration_seconds", "From the first byte of a request to the last of its answer."),
    Clock.FIRST_BYTE: ("serai_request_first_byte_seconds", "From the first byte of a request to that of its answer."),
    Clock.QUEUE: ("serai_request_queue_seconds", "Waiting for a replica at the gateway."),
}


def make_families(figures: Figures, versions: Sequence[VersionFacts], now: datetime) -> Iterator[Metric]:
    """Yield all families. A figure that is not known has no sample."""
    living = {replica: facts for facts in versions for replica in facts.replicas}
    ids = frozenset(living)
    yield InfoMetricFamily("serai_build", "The release of the server.", value={"version": serai.__version__})
    yield from _make_versions(versions)
    yield from _make_requests(figures, now, ids)
    yield _make_quantiles(figures.recent(now))
    yield from _make_usage(figures.usage(now, ids), living)


def _make_versions(versions: Sequence[VersionFacts]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "serai_version_state", "1 for the state that a version is in, 0 for the others.", labels=(*VERSION, "state")
    )
    wanted = GaugeMetricFamily("serai_version_replicas_wanted", "Replicas that a version is to have.", labels=VERSION)
    ready = GaugeMetricFamily("serai_version_replicas_ready", "Replicas that take requests.", labels=VERSION)
    for facts in versions:
        labels = (facts.deployment, str(facts.version))
        for one in State:
            state.add_metric((*labels, one.value), float(facts.state is one))
        wanted.add_metric(labels, facts.wanted)
        ready.add_metric(labels, facts.ready)
    yield from (state, wanted, ready)


def _make_requests(figures: Figures, now: datetime, living: frozenset[str]) -> Iterator[Metric]:
    requests = CounterMetricFamily("serai_requests", "Requests that were answered or given up.", labels=REQUEST)
    taken = CounterMetricFamily("serai_request_bytes", "Bytes of the bodies of requests.", labels=REQUEST)
    given = CounterMetricFamily("serai_response_bytes", "Bytes of the bodies of answers.", labels=REQUEST)
    for clock, (name, about) in _CLOCKS.items():
        family = HistogramMetricFamily(name, about, labels=REQUEST)
        for key, histogram in figures.counts(clock, now, living):
            family.add_metric(_labels_of(key), list(histogram.buckets()), histogram.sum_s)
            if clock is Clock.TOTAL:
                requests.add_metric(_labels_of(key), histogram.count)
                taken.add_metric(_labels_of(key), histogram.bytes_in)
                given.add_metric(_labels_of(key), histogram.bytes_out)
        yield family
    yield from (requests, taken, given)


def _make_quantiles(recent: dict[tuple[str, int], Summary]) -> Metric:
    about = f"Time that this part of a version's requests of the last {RECENT_S / 60:.0f} minutes took at most."
    family = GaugeMetricFamily("serai_request_duration_percentile_seconds", about, labels=(*VERSION, "percentile"))
    for (deployment, version), summary in recent.items():
        counts = count_buckets(summary.centroids)
        buckets = sorted(counts)
        found = find_quantiles(buckets, [counts[b] for b in buckets], summary.min_s, summary.max_s, QUANTILES)
        for quantile, seconds in zip(QUANTILES, found or (), strict=False):
            family.add_metric((deployment, str(version), f"{quantile:.0%}".rstrip("%")), seconds)
    return family


def _labels_of(key: SeriesKey) -> tuple[str, ...]:
    return key.deployment, str(key.version), key.replica, key.status


def _make_usage(usage: dict[str, Usage], living: dict[str, VersionFacts]) -> Iterator[Metric]:
    cpu = GaugeMetricFamily("serai_replica_cpu_used_cores", "Cores that are busy.", labels=(*REPLICA, "mode"))
    cores = GaugeMetricFamily("serai_replica_cpu_cores", "Cores that a replica may use.", labels=REPLICA)
    memory = GaugeMetricFamily("serai_replica_memory_used_bytes", "Memory in use.", labels=REPLICA)
    limit = GaugeMetricFamily("serai_replica_memory_limit_bytes", "Memory that a replica may use.", labels=REPLICA)
    disk = GaugeMetricFamily("serai_replica_disk_used_bytes", "What a replica's own files take.", labels=REPLICA)
    promised = GaugeMetricFamily("serai_replica_disk_promised_bytes", "Disk kept for a replica.", labels=REPLICA)
    restarts = CounterMetricFamily(
        "serai_replica_restarts", "How often a replica's process was started again.", labels=REPLICA
    )
    gpu = [GaugeMetricFamily(name, about, labels=GPU) for name, about, _ in _GPU]
    for id, sample in sorted(usage.items()):
        labels = (living[id].deployment, str(living[id].version), id)
        _add(cpu, (*labels, "user"), sample.cpu_user)
        _add(cpu, (*labels, "system"), sample.cpu_system)
        _add(cores, labels, sample.cpu_cores)
        _add(memory, labels, sample.memory_used_bytes)
        _add(limit, labels, sample.memory_total_bytes)
        _add(disk, labels, sample.disk_used_bytes)
        _add(promised, labels, sample.disk_total_bytes)
        _add(restarts, labels, sample.restarts)
        for one in sample.gpus:
            for family, (_, _, read) in zip(gpu, _GPU, strict=True):
                _add(family, (*labels, one.id, one.model), read(one))
    yield from (cpu, cores, memory, limit, disk, promised, restarts, *gpu)


def _share(gpu: GpuUsage) -> float | None:
    return None if gpu.util is None else gpu.util / 100


_GPU: tuple[tuple[str, str, Callable[[GpuUsage], float | None]], ...] = (
    ("serai_replica_gpu_utilization_ratio", "Part of the time that the GPU worked, 0 to 1.", _share),
    ("serai_replica_gpu_memory_used_bytes", "Memory of the GPU in use.", lambda gpu: gpu.vram_used_bytes),
    ("serai_replica_gpu_memory_total_bytes", "Memory of the GPU.", lambda gpu: gpu.vram_total_bytes),
    ("serai_replica_gpu_temperature_celsius", "Temperature of the GPU.", lambda gpu: gpu.temperature_c),
    ("serai_replica_gpu_power_watts", "Power that the whole card takes.", lambda gpu: gpu.power_w),
)


def _add(family: GaugeMetricFamily | CounterMetricFamily, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)
