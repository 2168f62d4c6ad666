"""Limits, CORS and the key's header, as they are written."""

from __future__ import annotations

import pytest

from serai.domain.deployment import Settings
from serai.domain.errors import Invalid
from serai.domain.manifest import parse_settings
from serai.domain.routes import Route, RouteChange, dump_change, load_change
from serai.domain.spec_text import dump_settings
from serai.domain.traffic import Cors, Limits, Rate
from serai.domain.traffic_text import dump_rate, read_cors, read_key_header, read_limits, read_rate


@pytest.mark.parametrize(
    ("text", "rate", "written"),
    [
        ("100/s", Rate(100, 1), "100/s"),
        ("600/min", Rate(600, 60), "600/min"),
        ("1 / 60s", Rate(1, 60), "1/min"),
        ("5/10s", Rate(5, 10), "5/10s"),
        ("7/1h", Rate(7, 3600), "7/h"),
        ("0", None, "0"),
        (0, None, "0"),
    ],
)
def test_a_rate_is_read_and_written(text: object, rate: Rate | None, written: str) -> None:
    assert read_rate(text, "f") == rate
    assert dump_rate(rate) == written
    assert read_rate(written, "f") == rate


@pytest.mark.parametrize("bad", ["", "100", "0/s", "-1/s", "1/d", "1/2h", "1/0s", "1.5/s", True, False, 3, ["1/s"]])
def test_what_is_no_rate_is_refused_by_name(bad: object) -> None:
    with pytest.raises(Invalid, match=r"limits\.per_key"):
        read_limits({"per_key": bad}, "limits", Limits())


def test_limits_change_one_by_one() -> None:
    base = Limits(4, 10, 2.0, Rate(5), None)
    assert read_limits({"queue": 3, "per_client": "9/min"}, "limits", base) == Limits(4, 3, 2.0, Rate(5), Rate(9, 60))
    assert read_limits({"per_key": 0, "queue_timeout": "1m"}, "limits", base) == Limits(4, 10, 60.0)
    for bad in ({"concurrency": -1}, {"queue": "many"}, {"queue_timeout": "11m"}, {"qeue": 1}):
        with pytest.raises(Invalid, match="limits"):
            read_limits(bad, "limits", base)


def test_origins_are_kept_as_browsers_send_them() -> None:
    cors = read_cors(
        {"origins": ["https://App.Example.org:443", "http://localhost:3000", "https://app.example.org"],
         "methods": ["post"], "headers": ["X-Trace"], "credentials": True, "max_age": "1h"},
        "cors",
        Cors(),
    )  # fmt: skip
    assert cors == Cors(("https://app.example.org", "http://localhost:3000"), ("POST",), ("x-trace",), (), True, 3600.0)
    assert read_cors({"origins": ["*"]}, "cors", Cors()).origins == ("*",)


@pytest.mark.parametrize(
    "bad",
    [
        {"origins": ["app.example.org"]},
        {"origins": ["https://app.example.org/"]},
        {"origins": ["https://app.example.org:99999"]},
        {"origins": ["https://a\r\nb"]},
        {"origins": ["*", "https://app.example.org"]},
        {"origins": ["*"], "credentials": True},
        {"origins": "https://app.example.org"},
        {"methods": ["GE T"]},
        {"headers": ["x y"]},
        {"exposed": [""]},
        {"max_age": "25h"},
        {"origins": [f"https://{n}.example.org" for n in range(51)]},
    ],
)
def test_what_is_no_cors_is_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="cors"):
        read_cors(bad, "cors", Cors())


def test_a_key_may_come_in_a_header_that_means_nothing_else() -> None:
    assert read_key_header("X-Api-Key", "key_header") == "x-api-key"
    assert read_key_header("", "key_header") == ""
    for bad in ("Authorization", "cookie", "X-Serai-Wait", "Content-Type", "a b", "x\ny", 7, "x" * 65):
        with pytest.raises(Invalid, match="key_header"):
            read_key_header(bad, "key_header")


def test_settings_and_routes_are_read_as_they_were_written() -> None:
    settings = Settings(
        limits=Limits(3, 7, 1.5, Rate(2, 60), Rate(9)),
        cors=Cors(("https://a.example",), ("GET",), ("x-a",), ("x-b",), True, 30.0),
        key_header="x-api-key",
    )
    assert parse_settings(dump_settings(settings), Settings()) == settings
    route = Route("digits", "ada", 1, limits=settings.limits, cors=settings.cors, key_header=settings.key_header)
    change = RouteChange(3, True, {"digits": route})
    assert load_change(dump_change(change)) == change


def test_a_table_of_an_earlier_release_is_read() -> None:
    dumped = dump_change(RouteChange(3, True, {"digits": Route("digits", "ada", 1)}))
    routes = dumped["routes"]
    assert isinstance(routes, dict)
    for key in ("limits", "cors", "key_header"):
        del routes["digits"][key]
    assert load_change(dumped).routes == {"digits": Route("digits", "ada", 1)}
