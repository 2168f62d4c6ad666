"""The public keys with which a Nomad cluster signs workload identities: fetched when needed, kept while it is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import jwt

from serai.domain.errors import SchedulerUnavailable, SeraiError

from .facts import Json

log = logging.getLogger(__name__)

# A key that is not known may be new; strangers who invent ids must not have Nomad asked each time.
ASK_AGAIN_AFTER = timedelta(seconds=5)
# A key that Nomad has withdrawn is believed no longer than this, unless Nomad cannot be asked.
BELIEVE_FOR = timedelta(minutes=10)
_TYPES = {"RS256": "RSA", "EdDSA": "OKP"}


class SigningKeys:
    """Keys by id. May be used by many threads; one of them asks Nomad, the others wait for it.

    `fetch` returns the answer of `/.well-known/jwks.json` and raises SeraiError where there is none.
    """

    def __init__(self, fetch: Callable[[], Json], clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at: datetime | None = None
        self._answered_at: datetime | None = None
        self._trouble = ""

    def find(self, id: str) -> jwt.PyJWK | None:
        """Return the key, or None if the cluster has none of this id.

        Raise SchedulerUnavailable where it is not known here and Nomad could not be asked.
        """
        with self._lock:
            if self._should_ask(id):
                self._ask()
            key = self._keys.get(id)
            if key is None and self._trouble:
                raise SchedulerUnavailable(f"the keys of Nomad's workload identities cannot be read: {self._trouble}")
            return key

    def _should_ask(self, id: str) -> bool:
        now = self._clock()
        if self._asked_at is not None and timedelta() <= now - self._asked_at < ASK_AGAIN_AFTER:
            return False
        return id not in self._keys or self._answered_at is None or now - self._answered_at > BELIEVE_FOR

    def _ask(self) -> None:
        self._asked_at = self._clock()
        try:
            answer = self._fetch()
        except SeraiError as error:
            self._trouble = error.message
            log.warning(
                "Nomad's signing keys cannot be read, %d known ones are kept: %s", len(self._keys), self._trouble
            )
            return
        self._trouble, self._answered_at = "", self._asked_at
        self._keys = _read_keys(answer)


def _read_keys(answer: Json) -> dict[str, jwt.PyJWK]:
    """Return the keys that can verify; others (of a newer Nomad, or broken) are left out."""
    keys: dict[str, jwt.PyJWK] = {}
    for entry in answer.get("keys") or ():
        try:
            key = jwt.PyJWK(dict(entry))
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            log.warning("one of Nomad's signing keys cannot be used: %s", error)
            continue
        if key.key_id and _TYPES.get(key.algorithm_name) == key.key_type:
            keys[key.key_id] = key
    return keys
