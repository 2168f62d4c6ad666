"""What gateways send and read, and the figures that come of it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from serai.domain.routes import load_change
from serai.domain.window import Clock, SeriesKey, Summary, Window, dump_window
from tests.web.installation import Installation


def make_window(
    installation: Installation,
    sequence: int,
    count: int = 3,
    version: int = 1,
    status: str = "2xx",
    took_s: float = 0.5,
    ago_s: float = 60.0,
) -> dict[str, Any]:
    key = SeriesKey("m", version, f"m-v{version}.1", status, Clock.TOTAL)
    summary = Summary(count, count * took_s, took_s, took_s, ((took_s, float(count)),), 100 * count, 7)
    return dump_window(Window("gw", sequence, installation.clock().timestamp() - ago_s, 10.0, {key: summary}))


def test_windows_are_taken_once_and_counted(installation: Installation) -> None:
    installation.deploy()
    gateway = installation.caller("gateway")
    body = {"windows": [make_window(installation, 1), make_window(installation, 2)]}
    for _ in range(2):
        assert gateway.post("/telemetry", body).json == {"taken": 2}
    found = installation.caller("reader").get("/deployments/m/metrics/requests?from=1h&interval=5m").json
    assert found["total"]["count"] == 6
    assert found["total"]["avg"] == pytest.approx(0.5)
    assert found["total"]["p99"] == pytest.approx(0.5, rel=0.01)
    assert found["total"]["first_byte"]["count"] == 0
    assert (found["total"]["bytes_in"], found["total"]["bytes_out"]) == (600, 14)
    assert sum(bucket["bytes_in"] for bucket in found["buckets"]) == 600
    assert sum(bucket["count"] for bucket in found["buckets"]) == 6
    assert found["interval"] == 300
    other = installation.caller().get("/deployments/m/metrics/requests?version=2&interval=300&status=2xx").json
    assert other["total"] | {"first_byte": 0, "queue": 0} == dict.fromkeys(
        ["avg", "max", "p50", "p75", "p90", "p95", "p99"]
    ) | {"count": 0, "first_byte": 0, "queue": 0, "bytes_in": 0, "bytes_out": 0}


def test_what_a_gateway_sends_late_lands_where_it_belongs(installation: Installation) -> None:
    """One that was cut off for an hour: quarters are summed up by then, and only some were."""
    installation.deploy()
    gateway = installation.caller("gateway")
    installation.composition.clockwork.roll_up()
    gateway.post("/telemetry", {"windows": [make_window(installation, 100, ago_s=3600.0)]})
    installation.composition.clockwork.roll_up()
    late = [make_window(installation, number, ago_s=3600.0 - 60 * number) for number in range(60)]
    assert gateway.post("/telemetry", {"windows": late}).json == {"taken": 60}
    installation.composition.clockwork.roll_up()
    for interval, most in (("1m", 3), ("15m", 45)):
        found = installation.caller("reader").get(f"/deployments/m/metrics/requests?from=2h&interval={interval}").json
        counts = [bucket["count"] for bucket in found["buckets"]]
        assert (sum(counts), found["total"]["bytes_in"]) == (183, 18_300)
        assert sorted(counts)[-2] == most


def test_two_versions_beside_each_other(installation: Installation) -> None:
    installation.deploy()
    installation.deploy(image="model:2")
    sent = [
        make_window(installation, 1, 8),
        make_window(installation, 2, 2, status="5xx"),
        make_window(installation, 3, 5, version=2, took_s=0.25),
        make_window(installation, 4, 5, version=2, took_s=0.25, ago_s=1800.0),
    ]
    installation.caller("gateway").post("/telemetry", {"windows": sent})
    reader = installation.caller("reader")
    found = reader.get("/deployments/m/metrics/compare?versions=1,2&interval=5m&from=10m").json
    assert [one["version"] for one in found["versions"]] == [1, 2]
    one, other = found["total"]["versions"]
    assert (one["count"], one["error_share"], one["avg"]) == (10, 0.2, pytest.approx(0.5))
    assert (other["count"], other["error_share"], other["bytes_in"]) == (5, 0.0, 500)
    assert found["total"]["difference"]["avg"] == pytest.approx(-0.25)
    aligned = reader.get("/deployments/m/metrics/compare?versions=1,2&interval=5m&from=10m&align=start").json
    firsts = aligned["buckets"][0]["versions"]
    assert [each["count"] for each in firsts] == [10, 5]
    missing = reader.get("/deployments/m/metrics/compare?versions=1,9")
    assert (missing.status_code, missing.json["code"]) == (404, "version-not-found")
    same = reader.get("/deployments/m/metrics/compare?versions=2,2")
    assert (same.status_code, same.json["field"]) == (422, "versions")


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("2025-12-31T12:00:00%2B02:00", 200),
        ("2024-02-29T00:00:00Z", 200),
        ("2025-02-29T00:00:00Z", 422),
        ("2025-11-31T00:00:00Z", 422),
    ],
)
def test_instants_of_any_zone_and_only_of_days_that_there_are(
    installation: Installation, start: str, status: int
) -> None:
    installation.deploy()
    asked = f"/deployments/m/metrics/requests?from={start}&interval=1d"
    assert installation.caller().get(asked).status_code == status


def test_a_body_may_be_gzipped(installation: Installation) -> None:
    body = gzip.compress(json.dumps({"windows": [make_window(installation, 1)]}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    gateway = installation.caller("gateway")
    assert gateway.send("POST", "/telemetry", body, headers).json == {"taken": 1}
    for bad in (body[:-9], b"no gzip"):
        assert gateway.send("POST", "/telemetry", bad, headers).json["code"] == "malformed"
    bomb = gzip.compress(b" " * 2**27)
    assert gateway.send("POST", "/telemetry", bomb, headers).status_code == 413


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": True},
        {"sequence": "1"},
        {"start": -1},
        {"length": 0},
        {"gateway": ""},
        {"extra": 1},
        {"series": [{}]},
    ],
)
def test_a_window_that_is_none_is_refused(installation: Installation, change: dict[str, Any]) -> None:
    body = {"windows": [make_window(installation, 1) | change]}
    answer = installation.caller("gateway").post("/telemetry", body)
    assert answer.status_code == 422
    assert answer.json["field"].startswith("windows.0")


@pytest.mark.parametrize("query", ["from=2h&to=3h", "interval=7m", "from=yesterday", "from=900d&interval=1m"])
def test_a_question_that_makes_no_sense(installation: Installation, query: str) -> None:
    installation.deploy()
    assert installation.caller().get(f"/deployments/m/metrics/requests?{query}").status_code == 422


def test_routes_are_read_whole_and_then_what_changed(installation: Installation) -> None:
    installation.deploy()
    gateway = installation.caller("gateway")
    answer = gateway.get("/routes")
    whole = load_change(answer.json)
    assert whole.full
    assert answer.headers["X-Serai-Index"] == str(whole.index)
    assert [endpoint.version for endpoint in whole.routes["m"].endpoints] == [1]
    nothing = load_change(gateway.get(f"/routes?index={whole.index}").json)
    assert (nothing.index, nothing.full, nothing.routes) == (whole.index, False, {})
    installation.deploy("n")
    changed = load_change(gateway.get(f"/routes?index={whole.index}&wait=10s&gateway=gw-1&busy=m-v1.1,x").json)
    assert (changed.full, set(changed.routes)) == (False, {"n"})
    assert changed.index > whole.index


def test_what_replicas_use_is_kept_with_its_gaps(installation: Installation) -> None:
    installation.deploy(replicas=2)
    for seconds in (0, 60, 120):  # nothing between
        installation.clock.advance(seconds and 60)
        installation.composition.clockwork.sample_usage()
    installation.clock.advance(120)
    found = installation.caller("reader").get("/deployments/m/metrics/system?from=10m&interval=1m").json
    assert [one["replica"] for one in found["replicas"]] == ["m-v1.1", "m-v1.2"]
    curve = found["replicas"][0]["cpu_user"]
    assert len(curve) == len(found["times"]) == 11
    assert sum(value is not None for value in curve) == 3
    assert 0 not in curve
    assert found["versions"][0]["replicas"].count(2) == 3
    one = installation.caller().get("/deployments/m/metrics/system?from=10m&replica=m-v1.2&interval=10s").json
    assert [(each["replica"], each["version"]) for each in one["replicas"]] == [("m-v1.2", 1)]
    none = installation.caller().get("/deployments/m/metrics/system?version=2").json
    assert (none["replicas"], none["versions"]) == ([], [])


def test_samples_go_with_their_version(installation: Installation) -> None:
    installation.deploy()
    installation.composition.clockwork.sample_usage()
    installation.caller().post("/deployments/m/stop")
    installation.tick(4)
    assert installation.caller().delete("/deployments/m").status_code == 204
    installation.deploy()
    assert installation.caller().get("/deployments/m/metrics/system").json["replicas"] == []


@pytest.mark.parametrize("query", ["from=2h&to=3h", "interval=7m", "from=yesterday", "from=90d&interval=10s"])
def test_a_question_about_systems_that_makes_no_sense(installation: Installation, query: str) -> None:
    installation.deploy()
    assert installation.caller().get(f"/deployments/m/metrics/system?{query}").status_code == 422
