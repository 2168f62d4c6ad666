"""What a browser keeps while it is away to sign in: a signed, short-lived cookie that is taken once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer

from serai.domain.errors import Unauthenticated

COOKIE = "serai_journey"
LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Journey:
    """A sign-in under way: by whom, with which state, what the plugin keeps, where it comes back and goes on to."""

    way: str
    state: str = field(repr=False)
    kept: Mapping[str, str] = field(repr=False)
    callback_url: str
    target: str
    ends_at: datetime


class Journeys:
    """Writes the cookie, and takes each once. Safe from any thread.

    What was taken is remembered until it would have ended anyway, in memory alone: after a restart within that time
    the provider's own check (a code is worth something once) is what is left.
    """

    def __init__(self, secret_key: bytes) -> None:
        self._serializer = URLSafeSerializer(
            secret_key, salt="serai-journey", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._lock = threading.Lock()
        self._taken: dict[str, datetime] = {}

    def dump(self, journey: Journey) -> str:
        """Return the cookie's value."""
        words = [journey.way, journey.state, dict(journey.kept), journey.callback_url, journey.target]
        return self._serializer.dumps([*words, int(journey.ends_at.timestamp())])

    def take(self, cookie: str | None, now: datetime) -> Journey:
        """Return the journey of a cookie. Raise Unauthenticated for none, a forged, an old, and a taken one."""
        journey = self._load(cookie or "")
        if journey is None or journey.ends_at < now or not self._is_first(journey, now):
            raise Unauthenticated(
                "This browser has begun no sign-in of which this would be the end, or began it more than"
                f" {LIFETIME.seconds // 60} minutes ago; sign in again.",
                "sign-in-state",
            )
        return journey

    def _load(self, cookie: str) -> Journey | None:
        try:
            way, state, kept, callback_url, target, ends = self._serializer.loads(cookie)
            return Journey(way, state, kept, callback_url, target, datetime.fromtimestamp(ends, tz=UTC))
        except (BadData, ValueError, TypeError):
            return None

    def _is_first(self, journey: Journey, now: datetime) -> bool:
        with self._lock:
            self._taken = {state: until for state, until in self._taken.items() if until >= now}
            is_first = journey.state not in self._taken
            self._taken[journey.state] = journey.ends_at
            return is_first
