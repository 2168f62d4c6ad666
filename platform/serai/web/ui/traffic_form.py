"""The parts of a deployment's settings page about its callers: how many at once, and which web pages."""

from __future__ import annotations

from collections.abc import Mapping

from serai.domain.deployment import Settings
from serai.domain.traffic_text import dump_cors, dump_limits

from .manifest_text import write_value

LIMITS = (
    ("concurrency", "At once", "requests that a replica works on, for each gateway; 0 is any number"),
    ("queue", "Queue", "requests that wait for one replica; further ones are refused with 503"),
    ("queue_timeout", "Longest wait", "in the queue; then 503 with Retry-After"),
    ("per_key", "Each key", "how often it may call: 100/s, 600/min, 5/10s; then 429 with Retry-After; 0 is no limit"),
    ("per_client", "Each address", "the same for each client address, whatever its key"),
)
CORS = (
    ("origins", "Pages", "https://app.example.org, separated by commas, or *; none leaves CORS to the model"),
    ("methods", "Methods", "none named: all"),
    ("headers", "Headers sent", "beyond Content-Type and those for keys"),
    ("exposed", "Headers read", "of answers, beyond the gateway's own"),
    ("max_age", "Remembered", "how long a browser need not ask again"),
)
_LISTS = frozenset({"origins", "methods", "headers", "exposed"})


def read_traffic(form: Mapping[str, str]) -> dict[str, object]:
    """Return the fields of the form as a part of a PATCH's body."""
    limits = {key: _read(form[f"limits.{key}"]) for key, _, _ in LIMITS if f"limits.{key}" in form}
    cors: dict[str, object] = {
        key: _split(text) if key in _LISTS else _read(text)
        for key, _, _ in CORS
        if (text := form.get(f"cors.{key}")) is not None
    }
    if cors:
        cors["credentials"] = "cors.credentials" in form  # a box that is not ticked is not sent
    values: dict[str, object] = {"limits": limits, "cors": cors}
    return {name: value for name, value in values.items() if value}


def traffic_texts(settings: Settings) -> dict[str, str]:
    """Return the values as they would be typed, exactly: saving the form unread changes nothing."""
    limits, cors = dump_limits(settings.limits), dump_cors(settings.cors)
    texts = {"limits.concurrency": str(limits["concurrency"]), "limits.queue": str(limits["queue"])}
    texts |= {f"limits.{key}": str(limits[key]) for key in ("per_key", "per_client")}
    texts["limits.queue_timeout"] = str(write_value("timeout", limits["queue_timeout"]))
    texts["cors.max_age"] = str(write_value("timeout", cors["max_age"]))
    lists = {f"cors.{key}": getattr(settings.cors, key) for key in _LISTS}
    return texts | {name: ", ".join(values) for name, values in lists.items()}


def _read(text: str) -> object:
    """Return a bare number as such, as a manifest has it, and any other text as it stands."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    return float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else text


def _split(text: str) -> list[str]:
    return text.replace(",", " ").split()
