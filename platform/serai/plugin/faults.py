"""What went wrong in which plugin: logged once when it begins and once when it is over, counted always."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from .implementations import in_one_line

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Record:
    failing: bool = False
    count: int = 0
    last: str = ""


class Faults:
    """Faults by plugin and hook. Safe to use from several threads."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _Record] = {}
        self._lock = threading.Lock()

    def add(self, plugin: str, hook: str, error: BaseException) -> None:
        """Note that a hook failed; the first failure after a success is logged with its traceback."""
        with self._lock:
            record = self._records.setdefault((plugin, hook), _Record())
            is_new, record.failing = not record.failing, True
            record.count += 1
            record.last = f"{hook}: {in_one_line(error)}"
        if is_new:
            log.error("the plugin %s fails in %s; further failures are only counted", plugin, hook, exc_info=error)

    def clear(self, plugin: str, hook: str) -> None:
        """Note that a hook worked."""
        if (plugin, hook) not in self._records:  # the usual case costs no lock
            return
        with self._lock:
            record = self._records[plugin, hook]
            was_failing, record.failing = record.failing, False
        if was_failing:
            log.info("the plugin %s works again in %s", plugin, hook)

    def of(self, plugin: str) -> tuple[bool, int, str]:
        """Return (is anything of it failing now, faults so far, the last fault or "") of a plugin."""
        with self._lock:
            records = [record for (name, _), record in self._records.items() if name == plugin]
        failing = [record for record in records if record.failing]
        last = (failing or records)[-1].last if records else ""
        return bool(failing), sum(record.count for record in records), last
