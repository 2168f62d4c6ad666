"""Whose figures a page shows and which of them, as its address says: version, replica, status class, clock, curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serai.domain.window import Clock
from serai.store.metrics_answer import PERCENTILES

STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
MEASURES = ("avg", "max", *(f"p{percent}" for percent in PERCENTILES))
CLOCK_WORDS = {
    Clock.TOTAL: "whole request",
    Clock.FIRST_BYTE: "until the first byte",
    Clock.QUEUE: "held and queued",
}
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """0 and "" are all. `apart`: each replica for itself, by its `measure`; `against`: a version to compare with."""

    version: int = 0
    replica: str = ""
    status: str = ""
    clock: Clock = Clock.TOTAL
    apart: bool = False
    measure: str = "p95"
    against: int = 0

    @property
    def is_narrow(self) -> bool:
        """True if some of the requests are left out."""
        return bool(self.version or self.replica or self.status)

    def query(self) -> dict[str, object]:
        """Return the parameters of an address; None is one that need not be there."""
        return {
            "version": self.version or None,
            "replica": self.replica or None,
            "status": self.status or None,
            "clock": None if self.clock is Clock.TOTAL else self.clock.value,
            "replicas": "apart" if self.apart else None,
            "measure": None if self.measure == "p95" else self.measure,
            "against": self.against or None,
        }


def read_choice(args: Mapping[str, str]) -> Choice:
    """Return what an address chooses; what makes no sense chooses nothing."""
    status, clock, measure = args.get("status", ""), args.get("clock", ""), args.get("measure", "")
    version, against = _read_number(args, "version"), _read_number(args, "against")
    return Choice(
        version=version,
        replica=args.get("replica", "")[:_LONGEST_ID],
        status=status if status in STATUSES else "",
        clock=Clock(clock) if clock in set(Clock) else Clock.TOTAL,
        apart=args.get("replicas") == "apart",
        measure=measure if measure in MEASURES else "p95",
        against=against if against != version else 0,
    )


def _read_number(args: Mapping[str, str], name: str) -> int:
    text = args.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
