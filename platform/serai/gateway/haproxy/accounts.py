"""Compare the requests on record with those that HAProxy has counted, and count the ones whose records were lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from serai.gateway.record import RequestRecord

from .ledger import CLASSES, Ledger
from .names import slot_number
from .parting import Parting, is_done, part, sum_entered
from .reader import Records
from .runtime import Runtime, parse_pairs, parse_stat

log = logging.getLogger(__name__)

_SETTLE_S, _LOOK_S = 5.0, 0.02
_COLUMNS = ("hrsp_other", "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx")
# What a request is kept as whose connection was closed without a word: its replica died under it.
_SILENT = 502


class Accounts:
    """HAProxy's counts are exact; its records can be lost, when nobody reads them for long or a reader is killed."""

    def __init__(
        self, runtime: Runtime, records: Records, ledger: Ledger, keep: Callable[[RequestRecord], None]
    ) -> None:
        self._runtime = runtime
        self._records = records
        self._ledger = ledger
        self._keep = keep
        self._owners: dict[str, str] = {}
        self._partings: list[Parting] = []
        self.untimed = 0

    async def begin(self) -> None:
        """Count for the worker that runs now."""
        worker = int(parse_pairs(await self._runtime.ask("show info"))["Pid"])
        for parting in self._partings:
            if parting.worker == self._ledger.worker != worker:
                parting.known = self._ledger.copy()
        self._records.begin(worker)

    async def part(self) -> None:
        """The worker that runs now is about to be told to end: keep in touch, as it has no way to send records then."""
        parting = await part(self._runtime, self._ledger.worker)
        if parting is not None:
            self._partings.append(parting)

    async def settle_parted(self, is_last: bool = False) -> None:
        """Enter what is missing of workers that have ended all but, or of all that are there, if this `is_last`."""
        for parting in list(self._partings):
            rows = await parting.ask()
            if rows is not None and not is_last and not is_done(rows):
                continue
            if rows is not None and parting.known is not None:
                entered = sum_entered(parting.known, self._records.strangers, parting.worker)
                for slot, hundreds, count, about_s in find_missing(rows, entered, {}):
                    self._keep_lost(slot, hundreds, count, about_s)
            parting.close()
            self._partings.remove(parting)

    async def settle(self, owners: Mapping[str, str]) -> None:
        """Enter what is missing. `owners` are deployments by slot.

        Counts are asked for before records are waited for: what is missing then is lost, and what is on its way is not
        taken for it. A request that ends in between may be, as late, taken for an earlier one: never the other way.
        Where another worker has come meanwhile, what this one had counted is compared with nothing any more.
        """
        self._owners |= owners
        info, stat = await self._runtime.run(["show info", "show stat -1 2 -1"])
        worker, rows = int(parse_pairs(info)["Pid"]), parse_stat(stat)
        self._records.expect(int(time.time() * 1e6))
        until = time.monotonic() + _SETTLE_S
        while worker == self._ledger.worker:
            missing = list(find_missing(rows, self._ledger.get, self._records.late))
            if not missing or self._records.has_all():
                for slot, hundreds, count, about_s in missing:
                    self._enter(slot, hundreds, count, about_s)
                return
            if time.monotonic() > until:
                return
            await asyncio.sleep(_LOOK_S)

    def _enter(self, slot: int, hundreds: int, count: int, about_s: float) -> None:
        if not self._keep_lost(slot, hundreds, count, about_s, self._ledger.add):
            self._ledger.add(slot, hundreds, count)

    def _keep_lost(
        self, slot: int, hundreds: int, count: int, about_s: float, enter: Callable[[int, int], None] | None = None
    ) -> bool:
        """Keep requests without times, and `enter` each; return whether it is known whose they were."""
        deployment = self._owners.get(f"p{slot}")
        if deployment is None:
            return False
        self.untimed += count
        log.warning("the records of %d requests of %s were lost: counted without their times", count, deployment)
        status = hundreds * 100 or _SILENT
        for _ in range(count):
            self._keep(
                RequestRecord(
                    time.time(), deployment, 0, "", status, about_s, None, None, 0, 0, "", "", "", "", is_timed=False
                )
            )
            if enter is not None:
                enter(slot, hundreds)
        return True


def find_missing(
    rows: Sequence[Mapping[str, str]], entered: Callable[[int, int], int], late: Mapping[tuple[int, int], int]
) -> Iterator[tuple[int, int, int, float]]:
    """Yield slot, hundreds of the status, count and usual seconds of what HAProxy counted and nobody entered.

    `late` is what was entered for requests that ended after the counts were taken.
    """
    for row in rows:
        slot = slot_number(row["pxname"])
        if slot is None:
            continue
        for hundreds in range(CLASSES):
            known = entered(slot, hundreds) - late.get((slot, hundreds), 0)
            missing = int(row[_COLUMNS[hundreds]] or 0) - known
            if missing > 0:
                yield slot, hundreds, missing, int(row["ttime"] or 0) / 1000
