"""Failed sign-ins are bounded: for each login from one address, for each address, and for each login."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime, timedelta

from serai.domain.errors import TooManyTries

WINDOW = timedelta(minutes=10)
PER_LOGIN_AND_CLIENT = 10
PER_CLIENT = 50
# Guesses that are spread over many addresses; so high that somebody else does not easily shut a person out.
PER_LOGIN = 200
_MOST = 20_000  # names that are remembered; who was quiet for longest is forgotten first

_Name = tuple[str, str]


class Attempts:
    """Failures of the last `WINDOW`, in the memory of this server; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[_Name, deque[datetime]] = OrderedDict()

    def check(self, login: str, client: str, now: datetime) -> None:
        """Raise TooManyTries while as many have failed as may."""
        with self._lock:
            waits = [self._wait_s(name, limit, now) for name, limit in _names(login, client)]
        if wait_s := max(waits):
            minutes = max(1, round(wait_s / 60))
            raise TooManyTries(f"too many sign-ins have failed; try again in {minutes} min", retry_after_s=wait_s)

    def note_failure(self, login: str, client: str, now: datetime) -> bool:
        """Count a failure; True if it was the last that may be, so that it is told once."""
        with self._lock:
            for name, _ in _names(login, client):
                self._failures.setdefault(name, deque(maxlen=PER_LOGIN)).append(now)
                self._failures.move_to_end(name)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)
            return any(self._wait_s(name, limit, now) > 0 for name, limit in _names(login, client))

    def forget(self, login: str, client: str) -> None:
        """Somebody has signed in: what failed before from there were typing errors."""
        with self._lock:
            self._failures.pop((login, client), None)

    def _wait_s(self, name: _Name, limit: int, now: datetime) -> float:
        """Return the seconds until one more may fail, 0 for at once."""
        times = self._failures.get(name, deque())
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if len(times) < limit:
            return 0.0
        return (times[len(times) - limit] + WINDOW - now).total_seconds()


def _names(login: str, client: str) -> Iterator[tuple[_Name, int]]:
    yield (login, client), PER_LOGIN_AND_CLIENT
    yield ("", client), PER_CLIENT
    yield (login, ""), PER_LOGIN
