"""How often in a row a replica has ended since it was last ready, over all allocations that had its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .cause import Cause
from .causes import asked_restarts, unserved_tries
from .rows import Row
from .task_states import LONG_AGO


@dataclass(frozen=True, slots=True)
class Chains:
    """Links allocations to those whose place they took."""

    by_id: Mapping[str, Row] = field(default_factory=dict)
    before: Mapping[str, Row] = field(default_factory=dict)
    served_since: datetime = LONG_AGO

    def count_crashes(self, row: Row) -> int:
        """Return the crashes in a row of an allocation that is not ready."""
        count, seen, oldest = self._own(row), {row.id}, row
        while not oldest.was_ready and (older := self._older(oldest)) and older.id not in seen:
            count += self._own(older)
            seen.add(older.id)
            oldest = older
        if oldest.was_ready:
            return count
        return count + sum(id not in self.by_id for id in oldest.before)  # their rows are gone: each ended once

    def newest_cause(self, row: Row, find: Callable[[Row], Cause | None]) -> Cause | None:
        """Return the newest cause that `find` finds, going back over the crashes that count."""
        seen: set[str] = set()
        at: Row | None = row
        while at is not None and at.id not in seen:
            if cause := find(at):
                return cause
            seen.add(at.id)
            at = None if at.was_ready else self._older(at)
        return None

    def _older(self, row: Row) -> Row | None:
        older = self.before.get(row.id)
        return older if older and older.digest == row.digest else None

    def _own(self, row: Row) -> int:
        """Return the ends since it was ready: each restart is one, and so is the end after which none followed."""
        since = row.memory.ready_at or LONG_AGO
        restarts = row.restarts - row.memory.restarts_when_ready - asked_restarts(row.tasks, since)
        if row.tasks.install is not None and not row.was_ready:
            restarts += row.tasks.install.restarts
        return max(0, max(0, restarts) + (row.client == "failed") - unserved_tries(row.tasks, self.served_since))


def make_chains(rows: Iterable[Row], served_since: datetime | None = None) -> Chains:
    """Return the chains; `served_since` is that of `JobFacts`."""
    rows = list(rows)
    before = {row.next: row for row in rows if row.next}
    return Chains({row.id: row for row in rows}, before, served_since or LONG_AGO)
