"""How pages write states, times and sizes: pure functions, used as template filters."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from markupsafe import Markup, escape

from serai.domain.deployment import Event
from serai.domain.quantity import format_bytes, format_duration
from serai.domain.status import State

STATE_WORDS = {
    State.PREPARING: "Preparing",
    State.RUNNING: "Running",
    State.SHUTTING_DOWN: "Shutting Down",
    State.STOPPED: "Stopped",
    State.ERROR: "Error",
}
_AGO = ((60.0, 1.0, "s"), (3600.0, 60.0, "min"), (86400.0, 3600.0, "h"), (float("inf"), 86400.0, "d"))


def state_word(state: State) -> str:
    return STATE_WORDS[state]


def state_class(state: State) -> str:
    """Return the state as a part of a class name."""
    return state.value.replace("_", "-")


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago `at` was: `now`, `12 s ago`, `3 min ago`. The page's clock writes the same words."""
    words = span(max(0.0, (now - at).total_seconds()))
    return "now" if words == "0 s" else f"{words} ago"


def age(at: datetime, now: datetime) -> str:
    """Return the time since `at` without the word ago."""
    return span(max(0.0, (now - at).total_seconds()))


def span(seconds: float) -> str:
    """Return seconds in the one unit that fits: `12 s`, `3 min`, `5 h`, `2 d`."""
    unit_s, unit = next((unit_s, unit) for limit, unit_s, unit in _AGO if seconds < limit)
    return f"{int(seconds / unit_s)} {unit}"


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock_time(at: datetime, now: datetime) -> str:
    """Return the time of day in UTC, with the day if it is not today's; the page turns it into the reader's own."""
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%b %d %H:%M")


def day_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def seconds(value: float | None) -> str:
    """Return a measured time to three digits: `1.24 ms`, `310 ms`, `2.5 s`."""
    if value is None:
        return "–"
    return f"{value * 1000:.3g} ms" if value < 0.9995 else f"{value:.3g} s"


def rate(per_second: float | None) -> str:
    """Return requests a second, short."""
    if per_second is None:
        return "–"
    return "0" if per_second == 0 else f"{per_second:.2g}" if per_second < 10 else f"{per_second:,.0f}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


_EVENT_WORDS = {
    "deployment.created": "deployment created",
    "deployment.scaled": "scaled",
    "deployment.idled": "idle",
    "deployment.woken": "woken",
    "deployment.changed": "settings changed:",
    "deployment.deleted": "deployment deleted",
    "version.created": "created",
    "version.started": "started",
    "version.stopped": "stopped",
    "version.deleted": "deleted",
    "version.ready": "",
    "version.failed": "failed:",
    "version.superseded": "superseded",
    "version.returned": "",
    "version.handed-over": "",
    "workload.changed": "",
}


def event_words(event: Event) -> str:
    """Return an event as a phrase that follows its deployment and version: `ready after 12 s`, `scaled 2 → 4`."""
    words = _EVENT_WORDS.get(event.kind, event.kind.replace(".", " "))
    return f"{words} {event.text}".strip().rstrip(":").replace("->", "→")


def short_replica(replica: str, workload: str) -> str:
    """Return what tells a replica from others of its workload: `3g4i` of `digits-v1-3g4i`."""
    return replica.removeprefix(workload).lstrip("-._") or replica


def prose(text: str) -> Markup:
    """Return text with what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


FILTERS: dict[str, Callable[..., str]] = {
    "state_word": state_word,
    "state_class": state_class,
    "ago": ago,
    "age": age,
    "span": span,
    "iso": iso,
    "clock_time": clock_time,
    "day_time": day_time,
    "seconds": seconds,
    "event_words": event_words,
    "rate": rate,
    "percent": percent,
    "plural": plural,
    "short_replica": short_replica,
    "prose": prose,
    "bytes": format_bytes,
    "duration": format_duration,
}
