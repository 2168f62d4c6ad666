"""The plugin's table of serai.toml (`[plugin.otlp]`), typed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from serai.domain.errors import Invalid
from serai.domain.fields import Fields, read_enum, read_text, read_texts
from serai.domain.quantity import parse_duration

_PATH = "plugin.otlp"
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
# What the exporter itself says of a message.
_OWN = frozenset({"content-type", "content-encoding", "content-length", "host"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Signal(StrEnum):
    METRICS = "metrics"
    LOGS = "logs"
    SPANS = "spans"


class Temporality(StrEnum):
    """Whether a count is told since it began, or since it was last told."""

    CUMULATIVE = "cumulative"
    DELTA = "delta"


class Compression(StrEnum):
    GZIP = "gzip"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """What an operator decides; every key may be left out.

    `endpoint`: the receiver's address, to which `/v1/metrics`, `/v1/logs` and `/v1/traces` are added. `export`: which
    of `metrics`, `logs` and `spans` it gets. `headers`: sent with each message; `headers_env` names a variable of the
    environment, and `headers_file` a file (read at each use, so that it can be exchanged) with a header's value, for
    secrets. `compression`: `gzip` or `none`. `timeout`: how long a connection, and then each part of an answer, may
    take. `interval`: what comes within it is sent together. `temporality`: `cumulative`, or `delta` for receivers that
    add up themselves. `ca_file`: PEM file of authorities that the receiver's certificate is checked against.
    `resource`: attributes that are added to each resource, such as `deployment.environment.name`.
    """

    endpoint: str = "http://localhost:4318"
    export: frozenset[Signal] = frozenset(Signal)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers_env: Mapping[str, str] = field(default_factory=dict)
    headers_file: Mapping[str, str] = field(default_factory=dict)
    compression: Compression = Compression.GZIP
    timeout_s: float = 10.0
    interval_s: float = 5.0
    temporality: Temporality = Temporality.CUMULATIVE
    ca_file: str = ""
    resource: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_in_the_open(self) -> bool:
        """Return whether headers with secrets travel to another machine without TLS."""
        parts = urlsplit(self.endpoint)
        has_secrets = bool(self.headers_env or self.headers_file)
        return has_secrets and parts.scheme == "http" and parts.hostname not in _LOOPBACK

    def read_headers(self) -> dict[str, str]:
        """Return the headers as they are now. Raise Invalid for one that cannot be had; no message has a value."""
        found = dict(self.headers)
        for name, variable in self.headers_env.items():
            if variable not in os.environ:
                raise Invalid(f"{_PATH}.headers_env.{name}: the environment has no {variable}", f"{_PATH}.headers_env")
            found[name] = _check_value(os.environ[variable].strip(), f"{_PATH}.headers_env.{name}")
        for name, file in self.headers_file.items():
            found[name] = _check_value(_read_file(file, f"{_PATH}.headers_file.{name}"), f"{_PATH}.headers_file.{name}")
        return found


def load_settings(values: Mapping[str, object]) -> OtlpSettings:
    """Return the settings of a table. Raise Invalid naming the key for anything wrong."""
    keys = [key.removesuffix("_s") for key in OtlpSettings.__dataclass_fields__]
    fields, default = Fields(values, _PATH, keys), OtlpSettings()
    settings = OtlpSettings(
        endpoint=fields.get("endpoint", _read_endpoint, default.endpoint),
        export=fields.get("export", _read_signals, default.export),
        headers=fields.get("headers", _read_headers, {}),
        headers_env=fields.get("headers_env", _read_names, {}),
        headers_file=fields.get("headers_file", _read_names, {}),
        compression=fields.get("compression", read_enum(Compression), default.compression),
        timeout_s=fields.get("timeout", _read_seconds(0.1, 300), default.timeout_s),
        interval_s=fields.get("interval", _read_seconds(0, 3600), default.interval_s),
        temporality=fields.get("temporality", read_enum(Temporality), default.temporality),
        ca_file=fields.get("ca_file", _read_path, ""),
        resource=fields.get("resource", _read_attributes, {}),
    )
    _check_once(settings)
    settings.read_headers()
    return settings


def _check_once(settings: OtlpSettings) -> None:
    tables = (settings.headers, settings.headers_env, settings.headers_file)
    names = [name.lower() for table in tables for name in table]
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"{_PATH}: the header {name!r} is given more than once", f"{_PATH}.headers")


def _read_endpoint(value: object, field: str) -> str:
    text = read_text(value, field).rstrip("/")
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    # Not quoted where it may hold a secret.
    if is_good and (parts.username or parts.password or parts.query or parts.fragment):
        raise Invalid(f"{field} has to be a plain address; secrets go into headers_env or headers_file", field)
    if not is_good:
        raise Invalid(f"{field}: {text!r} has to be an address such as https://collector.example:4318", field)
    return text


def _read_signals(value: object, field: str) -> frozenset[Signal]:
    return frozenset(read_enum(Signal)(name, field) for name in read_texts(value, field))


def _read_headers(value: object, field: str) -> Mapping[str, str]:
    table = _read_table(value, field)
    return {_check_name(name, field): _check_value(text, f"{field}.{name}") for name, text in table.items()}


def _read_names(value: object, field: str) -> Mapping[str, str]:
    table = _read_table(value, field)
    return {_check_name(name, field): read_text(text, f"{field}.{name}") for name, text in table.items()}


def _read_attributes(value: object, field: str) -> Mapping[str, str]:
    return {str(name): read_text(text, f"{field}.{name}") for name, text in _read_table(value, field).items()}


def _read_table(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{field} has to be a table of names and texts", field)  # not quoted: it may hold a secret
    return value


def _check_name(name: str, field: str) -> str:
    if not _HEADER.fullmatch(name) or name.lower() in _OWN:
        raise Invalid(f"{field}: {name!r} cannot be given as a header", field)
    return name


def _check_value(value: object, field: str) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise Invalid(f"{field} has to be text of printable ASCII", field)  # not quoted: it may be a secret
    return value


def _read_file(file: str, field: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{field}: {file} cannot be read ({type(error).__name__})", field) from error


def _read_path(value: object, field: str) -> str:
    path = read_text(value, field)
    if not Path(path).is_file():
        raise Invalid(f"{field}: there is no file {path}", field)
    return path


def _read_seconds(least_s: float, most_s: float) -> Callable[[object, str], float]:
    def read(value: object, field: str) -> float:
        seconds = parse_duration(value, field)
        if not least_s <= seconds <= most_s:
            raise Invalid(f"{field}: {value!r} has to be from {least_s:g} to {most_s:g} seconds", field)
        return seconds

    return read
