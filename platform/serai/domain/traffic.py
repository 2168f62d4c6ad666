"""What a deployment lets its callers do: how many at once, how often, from which web sites, with which header."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` requests in `per_s` seconds, 1 to 3,600.

    Windows slide by two counts: that of the running one, and of the one before the share that lies within `per_s` of
    now. What comes evenly is held to the rate exactly; of bursts around a window's edge, some `per_s` seconds may see
    up to twice as many.
    """

    count: int
    per_s: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What one gateway lets through.

    `concurrency` is the number of requests a replica works on at once (0: any number); further ones wait for one to
    end, at most `queue` of them for one replica and none longer than `queue_s`, else 503. `per_key` and `per_client`
    (by address) are answered 429 when passed.
    """

    concurrency: int = 0
    queue: int = 100
    queue_s: float = 10.0
    per_key: Rate | None = None
    per_client: Rate | None = None


@dataclass(frozen=True, slots=True)
class Cors:
    """Which web pages' scripts may call. No `origins`: what the model itself answers stands, and no more is said.

    `origins` are `https://host[:port]`, or `*` alone for any, which excludes `credentials`. `headers` are those that
    may be sent and `exposed` those that may be read, beyond what the standard always allows; `methods` empty means
    all.
    """

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: float = 600.0
