"""Figures for Prometheus: what is added up, what is told, what is forgotten."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from serai.domain.digest import Digest
from serai.domain.observation import GpuUsage, Usage
from serai.domain.status import State
from serai.domain.window import Clock, SeriesKey, Summary, Window
from serai.plugin import VersionFacts
from serai.plugin.testing.sinks import SinkContract
from serai_prometheus.figures import FRESH_S, KEPT_S, RECENT_S, Figures
from serai_prometheus.histogram import BOUNDS_S, Histogram
from serai_prometheus.page import PrometheusPage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = VersionFacts("digits", 3, State.RUNNING, 2, 1, ("r1", "r2"))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class TestContract(SinkContract):
    @pytest.fixture
    def sink(self) -> Figures:
        return Figures()


def summary_of(*times: float) -> Summary:
    digest = Digest()
    for seconds in times:
        digest.add(seconds)
    return digest.summary()


def window(
    *times: float, ago_s: float = 10.0, replica: str = "r1", status: str = "2xx", name: str = "digits", number: int = 1
) -> Window:
    key = SeriesKey(name, 3, replica, status, Clock.TOTAL)
    return Window("g", number, NOW.timestamp() - ago_s - 10, 10.0, {key: summary_of(*times)})


def told(figures: Figures, *facts: VersionFacts, now: datetime = NOW) -> Samples:
    text, content_type = PrometheusPage(figures).render(facts or (FACTS,), "", now)
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


REQUEST = {"deployment": "digits", "version": "3", "replica": "r1", "status": "2xx"}


def test_requests_are_added_up_exactly() -> None:
    figures = Figures()
    figures.write_windows([window(0.1, 0.2), window(0.3, status="5xx")])
    figures.write_windows([window(0.4)])
    samples = told(figures)
    assert value(samples, "serai_requests_total", **REQUEST) == 3
    assert value(samples, "serai_requests_total", **REQUEST | {"status": "5xx"}) == 1
    assert value(samples, "serai_request_duration_seconds_count", **REQUEST) == 3
    total = value(samples, "serai_request_duration_seconds_sum", **REQUEST)
    assert total is not None and math.isclose(total, 0.7)


def test_bytes_are_added_up_exactly() -> None:
    figures = Figures()
    first = window(0.1)
    (key,) = first.series
    for number in range(2):
        sized = replace(first.series[key], bytes_in=2**40 + 1, bytes_out=7)
        figures.write_windows([replace(first, sequence=number, series={key: sized})])
    samples = told(figures)
    assert value(samples, "serai_request_bytes_total", **REQUEST) == 2**41 + 2
    assert value(samples, "serai_response_bytes_total", **REQUEST) == 14


def test_buckets_are_those_of_an_exact_count_but_near_their_bounds() -> None:
    times = [random.Random(7).lognormvariate(-2, 1.5) for _ in range(5000)]
    histogram = Histogram()
    histogram.add(summary_of(*times))
    counted = dict(histogram.buckets())
    for bound in BOUNDS_S:
        low = sum(1 for seconds in times if seconds <= bound * 0.99)
        high = sum(1 for seconds in times if seconds <= bound * 1.01)
        assert low <= counted[str(bound)] <= high
    assert counted["+Inf"] == histogram.count == 5000


def test_requests_whose_time_was_lost_are_counted_where_the_others_are() -> None:
    histogram = Histogram()
    histogram.add(Summary(4, 0.8, 0.2, 0.2, ((0.2, 2.0),)))
    assert dict(histogram.buckets())["+Inf"] == 4
    assert dict(histogram.buckets())["0.25"] == 4 and dict(histogram.buckets())["0.1"] == 0


def test_percentiles_are_those_of_the_last_minutes() -> None:
    figures = Figures()
    figures.write_windows([window(9.0, ago_s=RECENT_S + 1), window(*(n / 1000 for n in range(1, 1002)))])
    samples = told(figures)
    for percentile, exact in (("50", 0.501), ("99", 0.991)):
        found = value(
            samples,
            "serai_request_duration_percentile_seconds",
            deployment="digits",
            version="3",
            percentile=percentile,
        )
        assert found is not None and abs(found - exact) < 0.01 * exact
    later = told(figures, now=NOW + timedelta(seconds=RECENT_S))
    assert not [name for name, _ in later if name == "serai_request_duration_percentile_seconds"]


def test_what_replicas_use_is_told_while_it_is_fresh_and_known() -> None:
    figures = Figures()
    gpu = GpuUsage("GPU-1", "H100", 50.0, 4 * 2**30, None, 61.0, 305.5)
    one = Usage("r1", NOW, 0.5, None, 2.0, 100, None, (gpu,), disk_used_bytes=300, restarts=2)
    figures.write_usage([one, Usage("gone", NOW, 1.0)])
    samples = told(figures)
    replica = {"deployment": "digits", "version": "3", "replica": "r1"}
    card = replica | {"gpu": "GPU-1", "model": "H100"}
    assert value(samples, "serai_replica_cpu_used_cores", **replica, mode="user") == 0.5
    assert value(samples, "serai_replica_cpu_used_cores", **replica, mode="system") is None
    assert value(samples, "serai_replica_memory_used_bytes", **replica) == 100
    assert value(samples, "serai_replica_memory_limit_bytes", **replica) is None
    assert value(samples, "serai_replica_gpu_utilization_ratio", **card) == 0.5
    assert value(samples, "serai_replica_gpu_memory_used_bytes", **card) == 4 * 2**30
    assert value(samples, "serai_replica_gpu_memory_total_bytes", **card) is None
    assert value(samples, "serai_replica_gpu_temperature_celsius", **card) == 61.0
    assert value(samples, "serai_replica_gpu_power_watts", **card) == 305.5
    assert value(samples, "serai_replica_disk_used_bytes", **replica) == 300
    assert value(samples, "serai_replica_disk_promised_bytes", **replica) is None
    assert value(samples, "serai_replica_restarts_total", **replica) == 2
    assert not [labels for _, labels in samples if ("replica", "gone") in labels]
    late = told(figures, now=NOW + timedelta(seconds=FRESH_S + 1))
    assert not [name for name, _ in late if name.startswith("serai_replica_")]


def test_versions_are_told_with_their_state() -> None:
    samples = told(Figures())
    version = {"deployment": "digits", "version": "3"}
    states = {state.value: value(samples, "serai_version_state", **version, state=state.value) for state in State}
    assert states == {state.value: float(state is State.RUNNING) for state in State}
    assert value(samples, "serai_version_replicas_wanted", **version) == 2
    assert value(samples, "serai_version_replicas_ready", **version) == 1


def test_counts_of_a_replica_that_is_gone_are_forgotten_in_time() -> None:
    figures = Figures()
    figures.write_windows([window(0.1, replica="old"), window(0.1, replica="r1"), window(0.1, replica="")])
    soon, late = NOW + timedelta(seconds=KEPT_S - 60), NOW + timedelta(seconds=KEPT_S + 60)
    assert value(told(figures, now=soon), "serai_requests_total", **REQUEST | {"replica": "old"}) == 1
    samples = told(figures, now=late)
    assert value(samples, "serai_requests_total", **REQUEST | {"replica": "old"}) is None
    assert value(samples, "serai_requests_total", **REQUEST) == 1
    assert value(samples, "serai_requests_total", **REQUEST | {"replica": ""}) == 1


def test_nothing_piles_up_where_nobody_scrapes() -> None:
    figures = Figures()
    for number in range(200):
        ago_s = 200 * RECENT_S - number * RECENT_S
        figures.write_windows([window(0.1, ago_s=ago_s, replica=f"r{number}", name=f"m{number}")])
        figures.write_usage([Usage(f"r{number}", NOW - timedelta(seconds=ago_s), 0.5)])
    kept = KEPT_S / RECENT_S + 2
    assert len(figures._last) == len(figures._histograms) <= kept
    assert len(figures._recent) <= 3 and len(figures._usage) <= kept


def test_all_is_told_to_who_scrapes_late() -> None:
    figures = Figures()
    for number in range(100):
        figures.write_windows([window(0.1, ago_s=1000 - 10 * number, number=number)])
    assert value(told(figures), "serai_requests_total", **REQUEST) == 100


def test_a_deleted_deployment_is_told_no_more() -> None:
    figures = Figures()
    figures.write_windows([window(0.1), window(0.2, name="other")])
    figures.forget("digits")
    names = {dict(labels)["deployment"] for name, labels in told(figures) if name == "serai_requests_total"}
    assert names == {"other"}


def test_who_prefers_openmetrics_gets_it() -> None:
    figures = Figures()
    figures.write_windows([window(0.1)])
    text, content_type = PrometheusPage(figures).render((FACTS,), "application/openmetrics-text; version=1.0.0", NOW)
    assert content_type.startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(text.decode())} >= {"serai_requests", "serai_build"}


def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool: not on PATH (Debian's package prometheus)")
    figures = Figures()
    figures.write_windows([window(0.1), window(0.3, status="5xx")])
    gpu = GpuUsage("GPU-1", "H100", 5.0, 1, 2, 61.0, 305.5)
    figures.write_usage(
        [Usage("r1", NOW, 0.5, 0.1, 2.0, 100, 200, (gpu,), disk_used_bytes=1, disk_total_bytes=2, restarts=3)]
    )
    text, _ = PrometheusPage(figures).render((FACTS,), "", NOW)
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
