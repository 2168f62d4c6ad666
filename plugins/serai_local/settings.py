"""The plugin's table of serai.toml (`[plugin.local]`), typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serai.domain.errors import Invalid
from serai.domain.fields import Fields, read_int, read_texts
from serai.domain.quantity import parse_bytes, parse_duration

_KEYS = (
    "ports", "backoff", "max_backoff", "log_file_size", "log_files", "keep_ended", "memory_check", "inherit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What an administrator may change; every key is optional.

    `ports`: first and last of the ports handed out. `backoff`, `max_backoff`: the pause after a crash, doubled with
    each. `log_file_size`, `log_files`: what is kept of a replica's log. `keep_ended`: ended replicas kept per
    version, with their logs. `memory_check`: how often a memory limit is looked at. `inherit`: names of the server's
    environment variables that models get beside the usual (PATH, HOME, LANG, ...).
    """

    first_port: int = 20000
    last_port: int = 29999
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0
    log_file_bytes: int = 10_000_000
    log_files: int = 5
    keep_ended: int = 10
    memory_check_s: float = 2.0
    inherit: tuple[str, ...] = ()


def load_settings(values: Mapping[str, object]) -> LocalSettings:
    """Return the settings of a table; raise Invalid naming the key for anything wrong."""
    fields, default = Fields(values, "plugin.local", _KEYS), LocalSettings()
    first, last = fields.get("ports", _read_range, (default.first_port, default.last_port))
    return LocalSettings(
        first_port=first,
        last_port=last,
        backoff_s=fields.get("backoff", parse_duration, default.backoff_s),
        max_backoff_s=fields.get("max_backoff", parse_duration, default.max_backoff_s),
        log_file_bytes=fields.get("log_file_size", parse_bytes, default.log_file_bytes),
        log_files=fields.get("log_files", read_int(1, 1000), default.log_files),
        keep_ended=fields.get("keep_ended", read_int(0, 10_000), default.keep_ended),
        memory_check_s=fields.get("memory_check", parse_duration, default.memory_check_s),
        inherit=fields.get("inherit", read_texts, default.inherit),
    )


def _read_range(value: object, field: str) -> tuple[int, int]:
    read = read_int(1, 65535)
    first, _, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise Invalid(f"{field}: {value!r} is not a range of ports; write 20000-29999", field)
    return read(int(first), field), read(int(last), field)
