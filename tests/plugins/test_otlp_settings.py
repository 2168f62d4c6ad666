"""The table `[plugin.otlp]`, and what becomes of its secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from serai.domain.errors import Invalid
from serai_otlp.post import read_retry_after
from serai_otlp.settings import Compression, OtlpSettings, Signal, Temporality, load_settings


def test_the_how_to_has_every_key_and_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "otlp.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE)
    keys = {name.removesuffix("_s") for name in OtlpSettings.__dataclass_fields__}
    assert {key for key, _ in rows} == keys
    told = {key: default.strip("`") for key, default in rows if default.startswith("`")}
    assert load_settings(told) == load_settings({})


def test_all_may_be_left_out() -> None:
    settings = load_settings({})
    assert (settings.endpoint, settings.export) == ("http://localhost:4318", frozenset(Signal))
    assert (settings.compression, settings.temporality) == (Compression.GZIP, Temporality.CUMULATIVE)


def test_all_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    settings = load_settings(
        {
            "endpoint": "https://collector.example:4318/base/",
            "export": ["metrics", "spans"],
            "headers": {"X-Tenant": "a"},
            "compression": "none",
            "timeout": "3s",
            "interval": "1m",
            "temporality": "delta",
            "ca_file": str(tmp_path / "ca.pem"),
            "resource": {"deployment.environment.name": "prod"},
        }
    )
    assert (settings.endpoint, settings.timeout_s, settings.interval_s) == (
        "https://collector.example:4318/base",
        3.0,
        60.0,
    )
    assert settings.export == {Signal.METRICS, Signal.SPANS}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"endpont": "http://a"}, "did you mean 'endpoint'"),
        ({"endpoint": "collector:4318"}, "has to be an address such as https://"),
        ({"endpoint": "ftp://collector"}, "has to be an address such as https://"),
        ({"endpoint": "http://collector:port"}, "has to be an address such as https://"),
        ({"endpoint": "https://ann:hunter2@collector"}, "secrets go into headers_env or headers_file"),
        ({"endpoint": "https://collector/?key=hunter2"}, "secrets go into headers_env or headers_file"),
        ({"export": ["traces"]}, "has to be one of metrics, logs, spans"),
        ({"export": "metrics"}, "has to be a list"),
        ({"compression": "zstd"}, "has to be one of gzip, none"),
        ({"temporality": "both"}, "has to be one of cumulative, delta"),
        ({"timeout": 0}, "has to be from 0.1 to 300 seconds"),
        ({"interval": "2h"}, "has to be from 0 to 3600 seconds"),
        ({"headers": "hunter2"}, "has to be a table"),
        ({"headers": {"a b": "hunter2"}}, "'a b' cannot be given as a header"),
        ({"headers": {"Content-Type": "x"}}, "cannot be given as a header"),
        ({"headers": {"X-Key": "hunter2\r\nX: y"}}, "printable ASCII"),
        ({"headers": {"X-Key": 7}}, "printable ASCII"),
        ({"headers": {"X-Key": "a"}, "headers_env": {"x-key": "PATH"}}, "'x-key' is given more than once"),
        ({"headers_env": {"X-Key": "NO_SUCH_VARIABLE"}}, "the environment has no NO_SUCH_VARIABLE"),
        ({"headers_file": {"X-Key": "/nowhere/secret"}}, "/nowhere/secret cannot be read"),
        ({"ca_file": "/nowhere/ca.pem"}, "there is no file"),
        ({"resource": {"a": 1}}, "has to be text"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_said(table: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=r"plugin\.otlp") as refused:
        load_settings(table)
    assert said in refused.value.message
    assert "hunter2" not in refused.value.message


def test_secrets_come_from_the_environment_and_files_as_they_are_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("Bearer one\n")
    monkeypatch.setenv("OTLP_KEY", "hunter2")
    settings = load_settings(
        {"headers": {"a": "b"}, "headers_env": {"X-Key": "OTLP_KEY"}, "headers_file": {"Authorization": str(file)}}
    )
    assert settings.read_headers() == {"a": "b", "X-Key": "hunter2", "Authorization": "Bearer one"}
    file.write_text("Bearer two")
    assert settings.read_headers()["Authorization"] == "Bearer two"
    assert "hunter2" not in repr(settings) and "Bearer" not in repr(settings)


@pytest.mark.parametrize(
    ("endpoint", "has_secrets", "is_open"),
    [
        ("http://collector:4318", True, True),
        ("http://collector:4318", False, False),
        ("https://collector:4318", True, False),
        ("http://localhost:4318", True, False),
        ("http://[::1]:4318", True, False),
    ],
)
def test_secrets_in_the_open(endpoint: str, has_secrets: bool, is_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTLP_KEY", "hunter2")
    settings = load_settings({"endpoint": endpoint, "headers_env": {"X-Key": "OTLP_KEY"} if has_secrets else {}})
    assert settings.is_in_the_open is is_open


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("-7", 0),
        ("soon", 0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 30),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert read_retry_after(text, 30.0) == seconds
