"""What the page of figures makes of an address and of figures, without a browser: tables."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from serai.store.usage_answer import Curves, GpuCurves, ReplicaCurves, SystemMetrics
from serai.web.ui.metrics_curves import Chart, Curve, find_gaps, make_system_charts
from serai.web.ui.metrics_range import fit_interval, read_asked
from serai.web.ui.metrics_table import make_header, make_rows, write_csv

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 2.0**30


@pytest.mark.parametrize(
    ("args", "start", "end", "preset", "interval_s", "sample_s"),
    [
        ({}, NOW - HOUR, NOW, "1h", 60, 60),
        ({"from": "15m"}, NOW - HOUR / 4, NOW, "15m", 60, 10),
        ({"from": "15m", "interval": "1m"}, NOW - HOUR / 4, NOW, "15m", 60, 60),
        ({"from": "1d"}, NOW - 24 * HOUR, NOW, "1d", 900, 900),
        ({"from": "30d"}, NOW - 720 * HOUR, NOW, "30d", 21600, 21600),
        ({"from": "2026-01-31T10:00", "to": "2026-01-31T11:00"}, NOW - 2 * HOUR, NOW - HOUR, "", 60, 60),
        ({"from": "2026-01-31T10:00:00+02:00", "to": "2026-01-31T09:00Z"}, NOW - 4 * HOUR, NOW - 3 * HOUR, "", 60, 60),
        ({"from": "2026-01-31T11:00:00-00:30"}, NOW - HOUR / 2, NOW, "", 60, 10),
        ({"interval": "7m", "version": "x", "status": "9xx"}, NOW - HOUR, NOW, "1h", 60, 60),
    ],
)  # fmt: skip
def test_an_address_is_a_range(
    args: dict[str, str], start: datetime, end: datetime, preset: str, interval_s: int, sample_s: int
) -> None:
    asked = read_asked(args, NOW)
    assert (asked.start_at, asked.end_at, asked.preset, asked.problem) == (start, end, preset, "")
    assert (asked.interval_s, asked.sample_interval_s, asked.version, asked.status) == (interval_s, sample_s, 0, "")
    again = read_asked({name: str(value) for name, value in asked.query().items()}, NOW)
    assert again == asked


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"from": "2026-01-31T11:00", "to": "2026-01-31T10:00"}, "before it starts"),
        ({"from": "2026-01-31T11:00", "to": "2026-01-31T11:00"}, "before it starts"),
        ({"from": "yesterday"}, "This is the last hour."),
        ({"from": "2026-13-31T11:00"}, "This is the last hour."),
        ({"from": "-5m"}, "This is the last hour."),
        ({"from": "30d", "interval": "1m"}, "43,200 intervals of 1m are too many"),
    ],
)
def test_what_makes_no_sense_is_told_and_something_shown(args: dict[str, str], words: str) -> None:
    asked = read_asked(args, NOW)
    assert words in asked.problem
    assert asked.end_at == NOW
    assert asked.interval == ""


@pytest.mark.parametrize(
    ("length_s", "interval_s"),
    [(60, 60), (10800, 60), (10801, 300), (86400, 900), (604800, 3600), (2592000, 21600), (1e9, 86400)],
)
def test_an_interval_fits(length_s: float, interval_s: int) -> None:
    assert fit_interval(length_s) == interval_s


def make_replica(version: int, name: str, cpu: float | None, gpus: int = 0) -> ReplicaCurves:
    own = dict.fromkeys(("cpu_user", "cpu_system", "cpu_cores", "memory_used", "memory_total"), (cpu, None))
    device = dict.fromkeys(("util", "vram_used", "vram_total", "temperature", "power"), (40.0, None))
    curves = Curves(device, device)
    return ReplicaCurves(version, name, Curves(own, own), tuple(GpuCurves(str(n), "A100", curves) for n in range(gpus)))


def make_system(*replicas: ReplicaCurves) -> SystemMetrics:
    return SystemMetrics(NOW, NOW + 2 * HOUR, 3600, (NOW, NOW + HOUR), replicas)


def names_of(chart: Chart) -> list[str]:
    return [curve.name for curve in chart.curves]


def test_replicas_together_and_apart() -> None:
    found = make_system(make_replica(1, "m-v1.1", 1.0, 2), make_replica(1, "m-v1.2", 0.5))
    cpu, memory, share, gpu, vram = make_system_charts(found, "m", apart=False)
    assert names_of(cpu) == ["user", "system", "cores"]
    assert cpu.curves[0].values == (1.5, None)
    assert names_of(memory) == ["used", "total"]
    assert (names_of(share), share.curves[0].values) == (["used"], (100.0, None))
    assert (names_of(gpu), gpu.curves[0].values) == (["all GPUs"], (40.0, None))
    assert vram.curves[0].values == (80.0, None)
    cpu, memory, share, gpu, vram = make_system_charts(found, "m", apart=True)
    assert names_of(cpu)[:4] == ["v1 1 user", "v1 1 system", "v1 1 cores", "v1 2 user"]
    assert names_of(share) == ["v1 1 used", "v1 2 used"]
    assert names_of(gpu) == ["v1 1 GPU 0", "v1 1 GPU 1"]
    assert names_of(vram)[:2] == ["v1 1 GPU 0 used", "v1 1 GPU 0 total"]
    two = make_system(make_replica(1, "m-v1.1", 1.0), make_replica(2, "m-v2.1", 1.0))
    assert names_of(make_system_charts(two, "m", apart=False)[0])[::3] == ["v1 user", "v2 user"]
    assert len(make_system_charts(two, "m", apart=True)) == 3  # no GPU, no chart of GPUs
    assert all(chart.is_empty for chart in make_system_charts(make_system(), "m", apart=True))


@pytest.mark.parametrize(
    ("values", "gaps"),
    [((None, None), 0), ((1.0, None), 0), ((None, 0.0, None, None, 2.0, None), 2), ((), 0)],
)
def test_gaps_are_counted_inside_only(values: tuple[float | None, ...], gaps: int) -> None:
    times = [NOW] * len(values)
    assert find_gaps(times, [Chart("cpu", "CPU", "cores", (Curve("user", values, 0),))]) == gaps


def test_tables_and_files_keep_gaps_and_zeros_apart() -> None:
    charts = [
        Chart("cpu", "CPU", "cores", (Curve("user", (0.0, None, 1.5), 0),)),
        Chart("memory", "Memory", "bytes", (Curve("used", (GIB, None, None), 0),)),
    ]
    times = [NOW, NOW + HOUR, NOW + 2 * HOUR]
    assert make_header(charts) == ["CPU user", "Memory used"]
    assert list(make_rows(times, charts)) == [(times[2], ["1.50", "–"]), (times[0], ["0.00", "1 GiB"])]
    head, *rows = csv.reader(io.StringIO(write_csv(times, charts)))
    assert head == ["time", "CPU user (cores)", "Memory used (bytes)"]
    assert [row[1:] for row in rows] == [["0", "1073741824"], ["", ""], ["1.5", ""]]
    assert rows[0][0].startswith("2026-01-31T12:00:00")


@pytest.mark.parametrize(
    ("unit", "value", "word"),
    [("seconds", 0.0215, "21.5 ms"), ("percent", 61.4, "61 %"), ("requests", 1234.0, "1,234"), ("cores", 2.0, "2.00")],
)
def test_cells_are_words(unit: str, value: float, word: str) -> None:
    charts = [Chart("one", "One", unit, (Curve("a", (value,), 0),))]
    assert list(make_rows([NOW], charts)) == [(NOW, [word])]
