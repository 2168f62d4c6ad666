"""What the page of figures makes of an address and of figures, without a browser: tables."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from serai.domain.window import Clock
from serai.store.metrics import RequestMetrics
from serai.store.metrics_answer import Times
from serai.store.metrics_comparison import Align, Comparison, Side
from serai.store.usage_answer import Curves, GpuCurves, ReplicaCurves, SystemMetrics
from serai.store.usage_figures import GPU_MEASURES, REPLICA_MEASURES
from serai.web.ui.metrics_choice import Choice, read_choice
from serai.web.ui.metrics_comparison import make_compared, word_change
from serai.web.ui.metrics_curves import Chart, Curve, find_gaps
from serai.web.ui.metrics_range import fit_interval, read_asked
from serai.web.ui.metrics_requests import make_request_charts, make_split_charts
from serai.web.ui.metrics_systems import make_system_charts, name_replica
from serai.web.ui.metrics_table import make_header, make_rows, write_csv

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 2.0**30
NOTHING = (None, None)


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
    assert (asked.interval_s, asked.sample_interval_s, asked.choice) == (interval_s, sample_s, Choice())
    again = read_asked({name: str(value) for name, value in asked.query().items()}, NOW)
    assert again == asked


@pytest.mark.parametrize(
    ("args", "choice"),
    [
        ({}, Choice()),
        ({"version": "3", "status": "5xx", "replica": "m-v3.1"}, Choice(3, "m-v3.1", "5xx")),
        (
            {"clock": "queue", "replicas": "apart", "measure": "max"},
            Choice(clock=Clock.QUEUE, apart=True, measure="max"),
        ),
        ({"version": "3", "against": "2"}, Choice(3, against=2)),
        ({"version": "3", "against": "3"}, Choice(3)),
        ({"clock": "wall", "measure": "p42", "version": "-1", "against": "²", "replicas": "yes"}, Choice()),
    ],
)
def test_an_address_chooses(args: dict[str, str], choice: Choice) -> None:
    assert read_choice(args) == choice
    again = {name: str(value) for name, value in choice.query().items() if value is not None}
    assert read_choice(again) == choice


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
    own = dict.fromkeys(REPLICA_MEASURES, (cpu, None)) | dict.fromkeys(("disk_used", "disk_total", "restarts"), NOTHING)
    device = dict.fromkeys(GPU_MEASURES, (40.0, None))
    curves = Curves(device, device)
    return ReplicaCurves(version, name, Curves(own, own), tuple(GpuCurves(str(n), "A100", curves) for n in range(gpus)))


def make_system(*replicas: ReplicaCurves) -> SystemMetrics:
    return SystemMetrics(NOW, NOW + 2 * HOUR, 3600, (NOW, NOW + HOUR), replicas)


def names_of(chart: Chart) -> list[str]:
    return [curve.name for curve in chart.curves]


def test_replicas_together_and_apart() -> None:
    found = make_system(make_replica(1, "m-v1.1", 1.0, 2), make_replica(1, "m-v1.2", 0.5))
    cpu, memory, share, gpu, vram, heat, power = make_system_charts(found, "m", apart=False)
    assert [(curve.name, curve.shown) for curve in cpu.curves] == [("user", True), ("system", True), ("cores", True)]
    assert cpu.curves[0].values == (1.5, None)
    assert names_of(memory) == ["used", "limit"]
    assert (names_of(share), share.curves[0].values) == (["used"], (100.0, None))
    assert (names_of(gpu), gpu.curves[0].values) == (["all GPUs"], (40.0, None))
    assert vram.curves[0].values == power.curves[0].values == (80.0, None)
    assert (heat.unit, heat.curves[0].values) == ("celsius", (40.0, None))
    cpu, memory, share, gpu, vram, heat, power = make_system_charts(found, "m", apart=True)
    assert names_of(cpu)[:4] == ["v1 1 user", "v1 1 system", "v1 1 cores", "v1 2 user"]
    assert [curve.shown for curve in cpu.curves[:3]] == [True, True, False]
    assert names_of(share) == ["v1 1 used", "v1 2 used"]
    assert names_of(gpu) == names_of(heat) == names_of(power) == ["v1 1 GPU 0", "v1 1 GPU 1"]
    assert names_of(vram)[:2] == ["v1 1 GPU 0 used", "v1 1 GPU 0 total"]
    two = make_system(make_replica(1, "m-v1.1", 1.0), make_replica(2, "m-v2.1", 1.0))
    assert names_of(make_system_charts(two, "m", apart=False)[0])[::3] == ["v1 user", "v2 user"]
    assert len(make_system_charts(two, "m", apart=True)) == 3  # no GPU, no chart of GPUs
    assert all(chart.is_empty for chart in make_system_charts(make_system(), "m", apart=True))


def test_what_not_every_scheduler_tells_has_a_chart_where_it_is_told() -> None:
    replica = make_replica(1, "m-v1.1", 1.0)
    more = {"disk_used": (GIB, 2 * GIB), "disk_total": (8 * GIB, 8 * GIB), "restarts": (0.0, 2.0)}
    curves = {**replica.curves.avg, **more}
    *_, disk, restarts = make_system_charts(
        make_system(ReplicaCurves(1, "m-v1.1", Curves(curves, curves))), "m", apart=False
    )
    assert (disk.id, names_of(disk), disk.curves[0].values) == ("disk", ["used", "promised"], (GIB, 2 * GIB))
    assert (restarts.id, names_of(restarts), restarts.curves[0].values) == ("restarts", ["restarts"], (0.0, 2.0))
    curves["restarts"] = (0.0, 0.0)
    calm = make_system_charts(make_system(ReplicaCurves(1, "m-v1.1", Curves(curves, curves))), "m", apart=False)
    assert calm[-1].id == "disk"


@pytest.mark.parametrize(
    ("owner", "name"),
    [((3, "m-v3.2"), "v3 2"), ((3, ""), "v3 no replica"), ((0, ""), "no replica"), ((1, "odd"), "v1 odd")],
)
def test_replicas_have_short_names(owner: tuple[int, str], name: str) -> None:
    assert name_replica("m", *owner) == name


def make_requests(*counts: int, time_s: float = 0.1, bytes_out: int = 0) -> RequestMetrics:
    """Return requests by the hour, each of which took as long in all, and half as long until its first byte."""

    def clocks(count: int) -> dict[Clock, Times]:
        def times(part: float) -> Times:
            value = time_s * part
            return Times(count, value, value, (value,) * 5, 0, bytes_out * count) if count else Times()

        return {Clock.TOTAL: times(1), Clock.FIRST_BYTE: times(0.5), Clock.QUEUE: Times()}

    buckets = tuple((NOW + place * HOUR, clocks(count)) for place, count in enumerate(counts))
    return RequestMetrics(NOW, NOW + len(counts) * HOUR, 3600, clocks(sum(counts)), buckets)


def test_requests_together_are_stacked_by_status() -> None:
    count, time = make_request_charts(make_requests(5, 0), {"2xx": (4, 0), "5xx": (1, 0)})
    assert (count.kind, names_of(count)) == ("bars", ["2xx", "5xx"])
    assert [curve.values for curve in count.curves] == [(4.0, 0.0), (1.0, 0.0)]
    assert names_of(time) == ["avg", "max", "p50", "p75", "p90", "p95", "p99"]
    assert [curve.name for curve in time.curves if not curve.shown] == ["max"]
    assert time.curves[0].values == (0.1, None)
    first = make_request_charts(make_requests(5, 0), {}, Clock.FIRST_BYTE)[1]
    assert (first.title, first.curves[0].values) == ("Time until the first byte", (0.05, None))
    assert make_request_charts(make_requests(5, 0), {}, Clock.QUEUE)[1].is_empty
    sizes = make_request_charts(make_requests(5, 0, bytes_out=10), {})[2]
    assert [(curve.name, curve.values) for curve in sizes.curves] == [("received", (0.0, 0.0)), ("sent", (50.0, 0.0))]


def test_requests_of_each_replica_are_stacked_and_timed_by_one_curve() -> None:
    found = {"v1 1": make_requests(5, 2, bytes_out=1), "v1 2": make_requests(0, 3, time_s=0.3)}
    count, time, size = make_split_charts(found, Choice(apart=True, measure="max"))
    assert [(curve.name, curve.values) for curve in count.curves] == [("v1 1", (5.0, 2.0)), ("v1 2", (0.0, 3.0))]
    assert len({curve.dash for curve in count.curves}) == 2
    assert (time.title, [curve.values for curve in time.curves]) == (
        "Time, max of each replica",
        [(0.1, 0.1), (None, 0.3)],
    )
    assert size.curves[0].values == (5.0, 2.0)
    many = {f"v1 {number}": make_requests(1) for number in range(12)}
    looks = [(curve.hue % 8, curve.dash % 4) for curve in make_split_charts(many, Choice())[1].curves]
    assert len(set(looks)) == 12


def test_two_versions_beside_each_other() -> None:
    one = Side(2, make_requests(8, 2), (0, 1), NOW)
    other = Side(3, make_requests(0, 20, time_s=0.05), (0, 0), NOW)
    found = make_compared(Comparison(Align.CLOCK, 3600, (one, other)), Choice(measure="p99"))
    count, failed, time = found.part.charts
    assert [(curve.name, curve.values) for curve in count.curves] == [("v2", (8.0, 2.0)), ("v3", (None, 20.0))]
    assert [curve.values for curve in failed.curves] == [(0.0, 50.0), (None, 0.0)]
    assert (time.title, [curve.values for curve in time.curves]) == ("Time, p99", [(0.1, 0.1), (None, 0.05)])
    assert all(len({(curve.hue, curve.dash) for curve in chart.curves}) == 2 for chart in found.part.charts)
    rows = {row.name: (row.one, row.other, row.change) for row in found.rows}
    assert rows["requests"] == ("10", "20", "+100 %")
    assert rows["failed (5xx)"] == ("10.00 %", "0.00 %", "−10.00 points")
    assert rows["p95"] == ("100 ms", "50 ms", "−50 %")
    nothing = make_requests(0, 0)
    empty = make_compared(
        Comparison(Align.CLOCK, 3600, (Side(1, nothing, (0, 0), None), Side(2, nothing, (0, 0), None))), Choice()
    )
    assert empty.is_empty
    assert {row.change for row in empty.rows} == {"–"}


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (None, 1.0, "–"),
        (1.0, None, "–"),
        (0.0, 3.0, "–"),
        (2.0, 2.001, "the same"),
        (2.0, 3.0, "+50 %"),
        (2.0, 1.9, "−5 %"),
    ],
)
def test_a_change_is_said_in_words(one: float | None, other: float | None, words: str) -> None:
    assert word_change(one, other) == words


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
    [
        ("seconds", 0.0215, "21.5 ms"),
        ("percent", 61.4, "61 %"),
        ("percent", 0.25, "0.25 %"),
        ("celsius", 61.4, "61 °C"),
        ("watts", 280.0, "280 W"),
        ("requests", 1234.0, "1,234"),
        ("cores", 2.0, "2.00"),
    ],
)
def test_cells_are_words(unit: str, value: float, word: str) -> None:
    charts = [Chart("one", "One", unit, (Curve("a", (value,), 0),))]
    assert list(make_rows([NOW], charts)) == [(NOW, [word])]
