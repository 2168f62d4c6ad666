"""The contract of a key store: keep keys, hand a secret out once, and say by `serai_grants` who is let in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from serai.domain.keys import Key, KeyWish


class KeyStore(ABC):
    """Keeps keys for the API, the CLI and the pages, which check first who may do it and what is asked for.

    The verbs may be called from any thread, one writing verb at a time, inside of a transaction of the server's
    database: a store whose tables are there is undone together with the line of the timeline. After it `refresh` is
    called; what `serai_grants` answers from then on is published to the gateways at once. A store whose keys change
    by other means is asked for its grants every `tick`, 3 s by default.

    A store hands out secrets of its own making and keeps no more of them than a hash.
    """

    @abstractmethod
    def create(self, wish: KeyWish, now: datetime, actor: str) -> tuple[Key, str]:
        """Return a new key and its secret, which nobody can read again."""

    @abstractmethod
    def list_keys(self) -> Sequence[Key]:
        """Return all keys, expired ones too, oldest first."""

    @abstractmethod
    def get(self, id: int) -> Key:
        """Return a key; raise NotFound(code="key-not-found")."""

    @abstractmethod
    def change(self, id: int, wish: KeyWish) -> Key:
        """Make a key what is wished and return it, its secrets as they were; raise NotFound."""

    @abstractmethod
    def rotate(self, id: int, now: datetime, overlap_s: float) -> tuple[Key, str]:
        """Give a key a new secret and return both; the old ones end after `overlap_s` seconds. Raise NotFound."""

    @abstractmethod
    def revoke(self, id: int) -> Key:
        """Forget a key with all its secrets and return what it was; raise NotFound."""

    def refresh(self) -> None:
        """Decide by what is written now: the transaction of the last verb has ended, well or not."""

    def close(self) -> None:
        """Release what the store holds."""
