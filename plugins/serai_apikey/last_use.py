"""When each secret was used last, as the gateways' windows tell: exact to the request, known some seconds later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from serai.domain.window import Window
from serai.plugin import PluginDatabase, Sink

from .tables import SecretRow


class LastUse(Sink):
    """Notes the last use of secrets. A window that comes twice changes nothing."""

    def __init__(self, database: PluginDatabase) -> None:
        self._database = database

    def write_windows(self, windows: Sequence[Window]) -> None:
        last: dict[int, float] = {}
        for window in windows:
            for key_id, at in window.keys.items():
                if key_id.isascii() and key_id.isdecimal():  # else a key of another plugin's
                    last[int(key_id)] = max(at, last.get(int(key_id), 0.0))
        if not last:
            return
        with self._database.write():
            for id, at in last.items():
                self._note(id, datetime.fromtimestamp(at, UTC))

    def _note(self, id: int, at: datetime) -> None:
        is_older = SecretRow.last_used_at.is_null() | (SecretRow.last_used_at < at)
        SecretRow.update(last_used_at=at).where((SecretRow.id == id) & is_older).execute(self._database.peewee)
