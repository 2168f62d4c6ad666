"""Settings with their defaults and meaning. docs/reference/settings.md is generated from this class."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from serai.domain.errors import Invalid
from serai.domain.fields import check_known, read_bool, read_int, read_text, read_texts
from serai.domain.quantity import format_duration, parse_bytes, parse_duration
from serai.domain.traffic import Rate
from serai.domain.traffic_text import read_rate

ENV_PREFIX = "SERAI_"
# Environment variables of clients, and of models, that share the prefix.
NOT_SETTINGS = ("SERAI_URL", "SERAI_TOKEN", "SERAI_DEPLOYMENT", "SERAI_VERSION", "SERAI_REPLICA")


def _setting(default: object, about: str, kind: str = "text") -> Any:
    metadata = {"about": about, "kind": kind}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


LEVELS = {
    10: "keep_samples",
    60: "keep_minutes",
    900: "keep_quarter_hours",
    3600: "keep_hours",
    86400: "keep_days",
}
"""Settings of how long figures are kept, by the seconds that each stands for."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One installation's settings. A name `x` is `x` in serai.toml and `SERAI_X` in the environment."""

    data: Path = _setting(lambda: Path(".serai"), "Folder of the database, bundles, logs and tokens.", "path")
    host: str = _setting("127.0.0.1", "Address the server listens on.")
    port: int = _setting(8080, "Port of the server (API and web UI); 0 takes a free one.", "port")
    gateway_host: str = _setting("127.0.0.1", "Address the gateway listens on.")
    gateway_port: int = _setting(8000, "Port of the gateway; 0 takes a free one.", "port")
    gateway_url: str = _setting("", "Address under which callers reach the gateway, if it is another one.")
    server_url: str = _setting("", "Address under which people and gateways reach the server, if it is another one.")
    gateway_engine: str = _setting(
        "auto",
        "What carries requests: haproxy, asyncio, or auto: HAProxy 2.8 or newer where there is one, else asyncio.",
        "engine",
    )
    gateway_tls_cert: str = _setting("", "PEM file of the certificate and its chain: callers come in by TLS, too.")
    gateway_tls_key: str = _setting("", "PEM file of the certificate's key, if the other file does not hold it.")
    gateway_tls_host: str = _setting("", "Address the gateway listens on for TLS, if it is not gateway_host.")
    gateway_tls_port: int = _setting(8443, "Port of the gateway for TLS; 0 takes a free one.", "port")
    gateway_keys_last: float = _setting(
        86400.0, "How long a gateway that has lost the server goes by the keys it knows.", "duration"
    )
    gateway_keys_then: str = _setting(
        "keep", "What it does then: keep on, or refuse requests that need a key (503).", "keys_then"
    )
    gateway_wrong_keys: Rate | None = _setting(
        Rate(20, 10),
        "How many wrong keys a client address may send before they are answered 429; 0 is no limit.",
        "rate",
    )
    trace_sample: float | None = _setting(
        None,
        "Of which part of the requests that begin a trace gateways keep spans, 0 to 1, beside those whose callers ask "
        "for it in `traceparent`; off keeps none.",
        "share",
    )
    trace_url: str = _setting(
        "",
        "Address of a trace in your tracer, with {trace_id} in it: https://tracer.example/trace/{trace_id}.",
        "trace_url",
    )
    domain: str = _setting("localhost", "Requests to the host <deployment>.<domain> are routed by host.")
    database: str = _setting("", "sqlite:///path or postgresql://...; by default a file in the data folder.")
    metrics_database: str = _setting("", "The same for request figures, which never block intent.")
    plugins: tuple[str, ...] = _setting(("local", "apikey"), "Plugins in order of precedence.", "texts")
    scheduler: str = _setting("local", "The plugin whose scheduler runs the models.")
    tick: float = _setting(3.0, "Seconds between two looks at everything.", "duration")
    max_bundle: int = _setting(8 * 2**30, "The largest bundle that is taken.", "bytes")
    threads: int = _setting(64, "Threads that answer requests; half of them may wait for changes.", "threads")
    keep_events: float = _setting(90 * 86400.0, "How long the timeline is kept.", "duration")
    keep_samples: float = _setting(86400.0, "How long single samples of replicas, 10 s apart, are kept.", "duration")
    keep_minutes: float = _setting(
        7 * 86400.0, "How long figures of requests and replicas are kept by the minute.", "duration"
    )
    keep_quarter_hours: float = _setting(60 * 86400.0, "The same by the quarter of an hour.", "duration")
    keep_hours: float = _setting(400 * 86400.0, "The same by the hour.", "duration")
    keep_days: float = _setting(3650 * 86400.0, "The same by the day; what is older is gone.", "duration")
    keep_logs: float = _setting(30 * 86400.0, "How long lines of replicas are kept.", "duration")
    max_replica_logs: int = _setting(64 * 2**20, "How much of a replica's log is kept, compressed.", "bytes")
    max_logs: int = _setting(10 * 2**30, "How much of all logs together is kept, compressed.", "bytes")
    log_level: str = _setting("info", "debug, info, warning or error.", "level")
    plugin_settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'serai.db'}"

    @property
    def metrics_url(self) -> str:
        return self.metrics_database or f"sqlite:///{self.data / 'metrics.db'}"

    @property
    def keep_figures_s(self) -> Mapping[int, float]:
        """How long figures are kept, by the seconds that each stands for."""
        return {step_s: getattr(self, name) for step_s, name in LEVELS.items()}


def load_configuration(
    file: Path | None, env: Mapping[str, str], overrides: Mapping[str, object] | None = None
) -> Configuration:
    """Return the configuration of `file` (None: ./serai.toml if it exists), `SERAI_*` and options, in rising order.

    Options that are None are not given. Raise Invalid naming the setting and where it was set.
    """
    values = _read_file(file)
    plugin_settings = _read_plugin_settings(values.pop("plugin", {}))
    values |= _read_env(env)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    settings = {setting.name: setting for setting in fields(Configuration) if setting.name != "plugin_settings"}
    check_known(values, "", tuple(settings))
    read: dict[str, Any] = {
        name: _READERS[settings[name].metadata["kind"]](value, name) for name, value in values.items()
    }
    configuration = Configuration(**read, plugin_settings=plugin_settings)
    _check_levels(configuration)
    if configuration.scheduler not in configuration.plugins:
        raise Invalid(
            f"scheduler {configuration.scheduler!r} is not among plugins {configuration.plugins}", "scheduler"
        )
    return configuration


def _check_levels(configuration: Configuration) -> None:
    """Raise Invalid where sums would go before what they are made of, and a span of time had no figures at all."""
    for finer, coarser in pairwise(LEVELS.values()):
        least, kept = getattr(configuration, finer), getattr(configuration, coarser)
        if kept < least:
            raise Invalid(
                f"{coarser} ({format_duration(kept)}) is less than {finer} ({format_duration(least)}): the coarser"
                f" figures have to be kept for at least as long; raise {coarser} or lower {finer}",
                coarser,
            )


def _read_file(file: Path | None) -> dict[str, object]:
    path = file or Path("serai.toml")
    if file is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", "config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}", "config") from error


def _read_env(env: Mapping[str, str]) -> dict[str, object]:
    known = {setting.name for setting in fields(Configuration)}
    names = {key: key.removeprefix(ENV_PREFIX).lower() for key in env if key.startswith(ENV_PREFIX)}
    return {name: env[key] for key, name in names.items() if key not in NOT_SETTINGS and name in known}


def _read_plugin_settings(value: object) -> Mapping[str, Mapping[str, object]]:
    if not isinstance(value, Mapping) or not all(isinstance(table, Mapping) for table in value.values()):
        raise Invalid("[plugin.<name>] has to be a table of settings for each plugin", "plugin")
    return value


def _read_path(value: object, name: str) -> Path:
    return value if isinstance(value, Path) else Path(read_text(value, name))


def _read_port(value: object, name: str) -> int:
    return read_int(0, 65535)(_as_number(value), name)


def _read_threads(value: object, name: str) -> int:
    return read_int(4, 4096)(_as_number(value), name)


def _read_list(value: object, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return read_texts(value, name)


def _read_level(value: object, name: str) -> str:
    if str(value).lower() not in {"debug", "info", "warning", "error"}:
        raise Invalid(f"{name}: {value!r} has to be debug, info, warning or error", name)
    return str(value).lower()


def _read_engine(value: object, name: str) -> str:
    if str(value).lower() not in {"auto", "haproxy", "asyncio"}:
        raise Invalid(f"{name}: {value!r} has to be auto, haproxy or asyncio", name)
    return str(value).lower()


def _read_keys_then(value: object, name: str) -> str:
    if str(value).lower() not in {"keep", "refuse"}:
        raise Invalid(f"{name}: {value!r} has to be keep or refuse", name)
    return str(value).lower()


def _read_share(value: object, name: str) -> float | None:
    """Return a part of 1; None for `off`."""
    if str(value).lower() == "off":
        return None
    try:
        share = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise Invalid(f"{name}: {value!r} has to be a number from 0 to 1, such as 0.01, or off", name)
    return share


def _read_trace_url(value: object, name: str) -> str:
    text = read_text(value, name)
    if text and not (text.startswith(("http://", "https://")) and "{trace_id}" in text and text.isprintable()):
        raise Invalid(f"{name}: {value!r} has to begin with http:// or https:// and to hold {{trace_id}}", name)
    return text


def _as_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _read_seconds(value: object, name: str) -> float:
    return parse_duration(_as_number(value), name)


def _read_size(value: object, name: str) -> int:
    return parse_bytes(_as_number(value), name)


_READERS = {
    "text": read_text,
    "path": _read_path,
    "port": _read_port,
    "threads": _read_threads,
    "texts": _read_list,
    "duration": _read_seconds,
    "bytes": _read_size,
    "level": _read_level,
    "engine": _read_engine,
    "keys_then": _read_keys_then,
    "rate": read_rate,
    "share": _read_share,
    "bool": read_bool,
    "trace_url": _read_trace_url,
}
