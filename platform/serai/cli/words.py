"""Values of the API as people read them: states, times, reasons, and text that must not move the cursor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from serai.domain.quantity import format_duration

STATES = {
    "preparing": "Preparing",
    "running": "Running",
    "shutting_down": "Shutting Down",
    "stopped": "Stopped",
    "error": "Error",
}
# The colours of the web UI's states, by click's and rich's common names.
COLOURS = {
    "preparing": "blue",
    "running": "green",
    "shutting_down": "yellow",
    "stopped": "bright_black",
    "error": "red",
}
# Everything that steers a terminal but tab, newline and colours (ESC [ ... m).
_UNSAFE = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Return `text` without what could steer a terminal; colours stay."""
    return _UNSAFE.sub("�", text)


def state_word(state: str) -> str:
    return STATES.get(state, state)


def reason_text(reason: Mapping[str, Any] | None) -> str:
    """Return the sentence of a reason, "" for none."""
    return clean(str(reason.get("text") or reason.get("code") or "")) if reason else ""


def read_instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def format_age(text: str | None, now: datetime | None = None) -> str:
    """Return how long ago an RFC 3339 time was, such as `12s`; "-" for None."""
    if not text:
        return "-"
    return format_duration(max(0, round(((now or datetime.now(UTC)) - read_instant(text)).total_seconds())))


def format_local(text: str) -> str:
    """Return an RFC 3339 time as date and time of this machine's zone."""
    return read_instant(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def format_seconds(value: float | None) -> str:
    """Return a request's time with three figures, "-" for None."""
    if value is None:
        return "-"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def format_ready(value: Mapping[str, Any]) -> str:
    return f"{value.get('ready', 0)}/{value.get('wanted', 0)}"
