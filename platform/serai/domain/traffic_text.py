"""Limits and CORS as the manifest's `limits`, `cors` and `key_header` have them, read and written.

>>> read_rate("100/s", "f"), dump_rate(read_rate("600/min", "f"))
(Rate(count=100, per_s=1), '600/min')
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from .errors import Invalid
from .fields import Fields, read_bool, read_int, read_text, read_texts
from .quantity import parse_duration
from .traffic import Cors, Limits, Rate

JsonObject = dict[str, object]

_UNITS = {"s": 1, "min": 60, "h": 3600}
_RATE = re.compile(r"([1-9][0-9]{0,8})\s*/\s*(?:([1-9][0-9]{0,3})\s*)?(s|min|h)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 9110, 5.6.2
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
# What callers and gateways need for themselves; a key in one of these would be lost or leaked.
_TAKEN_HEADERS = re.compile(
    r"(x-serai-|x-forwarded-|proxy-|sec-).*|authorization|connection|content-.*|cookie|expect|forwarded|host|keep-alive"
    r"|te|trailer|traceparent|tracestate|transfer-encoding|upgrade|x-real-ip|x-request-id",
    re.IGNORECASE,
)
MAX_LIST = 50


def read_rate(value: object, field: str) -> Rate | None:
    """Return the rate of `100/s`, `600/min`, `5/10s`; None for 0, which is no limit. Raise Invalid for the rest."""
    if value in (0, "0", None) and value is not False:
        return None
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    per_s = int(match[2] or 1) * _UNITS[match[3]] if match else 0
    if match is None or not 1 <= per_s <= 3600:
        text = f"{field}: {value!r} is not a rate; write 100/s, 600/min, 5/10s (at most an hour), or 0 for no limit"
        raise Invalid(text, field)
    return Rate(int(match[1]), per_s)


def dump_rate(rate: Rate | None) -> str:
    """Return what `read_rate` reads: `0` for no limit."""
    if rate is None:
        return "0"
    for unit, size in reversed(_UNITS.items()):
        if rate.per_s == size:
            return f"{rate.count}/{unit}"
    return f"{rate.count}/{rate.per_s}s"


def read_limits(value: object, field: str, base: Limits) -> Limits:
    """Return `base` with what is given changed. Raise Invalid."""
    fields = Fields(value, field, ("concurrency", "queue", "queue_timeout", "per_key", "per_client"))
    return Limits(
        concurrency=fields.get("concurrency", read_int(0, 100_000), base.concurrency),
        queue=fields.get("queue", read_int(0, 100_000), base.queue),
        queue_s=fields.get("queue_timeout", _read_wait, base.queue_s),
        per_key=fields.get("per_key", read_rate, base.per_key),
        per_client=fields.get("per_client", read_rate, base.per_client),
    )


def dump_limits(limits: Limits) -> JsonObject:
    return {
        "concurrency": limits.concurrency,
        "queue": limits.queue,
        "queue_timeout": limits.queue_s,
        "per_key": dump_rate(limits.per_key),
        "per_client": dump_rate(limits.per_client),
    }


def read_cors(value: object, field: str, base: Cors) -> Cors:
    """Return `base` with what is given changed. Raise Invalid."""
    fields = Fields(value, field, ("origins", "methods", "headers", "exposed", "credentials", "max_age"))
    cors = Cors(
        origins=fields.get("origins", _read_list(_read_origin), base.origins),
        methods=fields.get("methods", _read_list(_read_method), base.methods),
        headers=fields.get("headers", _read_list(_read_name), base.headers),
        exposed=fields.get("exposed", _read_list(_read_name), base.exposed),
        credentials=fields.get("credentials", read_bool, base.credentials),
        max_age_s=fields.get("max_age", _read_age, base.max_age_s),
    )
    if "*" in cors.origins and (cors.credentials or len(cors.origins) > 1):
        raise Invalid(f"{field}.origins: * stands alone and without credentials; name the origins", f"{field}.origins")
    return cors


def dump_cors(cors: Cors) -> JsonObject:
    return {
        "origins": list(cors.origins),
        "methods": list(cors.methods),
        "headers": list(cors.headers),
        "exposed": list(cors.exposed),
        "credentials": cors.credentials,
        "max_age": cors.max_age_s,
    }


def read_key_header(value: object, field: str) -> str:
    """Return the name of a header that may carry keys beside `Authorization`; empty for none. Raise Invalid."""
    text = value.strip() if isinstance(value, str) else read_text(value, field)
    if not text:
        return ""
    if not _TOKEN.fullmatch(text):
        raise Invalid(f"{field}: {value!r} is not the name of a header, such as X-Api-Key", field)
    if _TAKEN_HEADERS.fullmatch(text):
        raise Invalid(f"{field}: {text} has a meaning of its own; take another name, such as X-Api-Key", field)
    return text.lower()


def _read_wait(value: object, field: str) -> float:
    seconds = parse_duration(value, field)
    if not 0 <= seconds <= 600:
        raise Invalid(f"{field}: {value!r} is too long; callers wait 10m at most", field)
    return seconds


def _read_age(value: object, field: str) -> float:
    seconds = parse_duration(value, field)
    if seconds > 86400:
        raise Invalid(f"{field}: {value!r} is too long; browsers keep such an answer for a day at most (24h)", field)
    return seconds


def _read_list(read: Callable[[str, str], str]) -> Callable[[object, str], tuple[str, ...]]:
    def read_all(value: object, field: str) -> tuple[str, ...]:
        texts = read_texts(value, field)
        if len(texts) > MAX_LIST:
            raise Invalid(f"{field}: {len(texts)} are too many; {MAX_LIST} at most", field)
        return tuple(dict.fromkeys(read(text, f"{field}[{index}]") for index, text in enumerate(texts)))

    return read_all


def _read_origin(text: str, field: str) -> str:
    origin = text.strip().lower()
    if origin == "*":
        return origin
    match = _ORIGIN.fullmatch(origin)
    if match is None or int((match[2] or ":1")[1:]) > 65535:
        raise Invalid(f"{field}: {text!r} is not an origin; write https://app.example.org (no path), or *", field)
    return _without_default_port(origin)


def _without_default_port(origin: str) -> str:
    """Return it as browsers send it: without the port that the scheme has anyway."""
    parts = urlsplit(origin)
    default = {"http": 80, "https": 443}[parts.scheme]
    return origin.rpartition(":")[0] if parts.port == default else origin


def _read_method(text: str, field: str) -> str:
    if not re.fullmatch(r"[A-Z]{1,20}", method := text.strip().upper()):
        raise Invalid(f"{field}: {text!r} is not a method, such as POST", field)
    return method


def _read_name(text: str, field: str) -> str:
    if not _TOKEN.fullmatch(name := text.strip()):
        raise Invalid(f"{field}: {text!r} is not the name of a header", field)
    return name.lower()
