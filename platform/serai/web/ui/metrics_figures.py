"""What the page of figures shows of a range, read from the store in one consistent state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from serai.store.database import Database
from serai.store.metrics import RequestMetrics, load_requests
from serai.store.metrics_compared import load_comparison
from serai.store.metrics_split import count_by_status, list_replicas
from serai.store.usage import SystemMetrics, load_usage

from .metrics_comparison import Compared, make_compared
from .metrics_parts import Part
from .metrics_range import Asked
from .metrics_requests import make_request_charts, make_split_charts
from .metrics_systems import make_system_charts, name_replica

MOST_APART = 24
"""Most replicas whose requests are drawn each for itself: more could not be told apart, nor read in time."""
Owner = tuple[int, str]  # version, replica


@dataclass(frozen=True, slots=True)
class Figures:
    """`all_requests` are those of the choice together; `replicas` those that were reached, chosen or not."""

    all_requests: RequestMetrics
    statuses: Mapping[str, int]
    requests: Part
    system: Part
    replicas: tuple[Owner, ...]
    compared: Compared | None = None


class Figurer:
    """Reads the figures of one deployment for what an address asks."""

    def __init__(self, db: Database, name: str, asked: Asked) -> None:
        self._db, self._name, self._asked, self._choice = db, name, asked, asked.choice

    def load(self, shown: int) -> Figures:
        """Return all figures; `shown` is the version to compare with another where none is chosen."""
        with self._db.read():
            found, by_status = self._load_requests(*self._chosen), self._count(*self._chosen)
            return Figures(
                found,
                {status: sum(counts) for status, counts in by_status.items()},
                self._make_request_part(found, by_status),
                self.load_system(),
                tuple(self._list_replicas()),
                self.compare(shown),
            )

    def load_part(self, part: str, shown: int) -> Part | None:
        """Return a part alone, None if there is none of that name."""
        with self._db.read():
            match part:
                case "requests":
                    return self._make_request_part(self._load_requests(*self._chosen), self._count(*self._chosen))
                case "system":
                    return self.load_system()
                case "comparison":
                    compared = self.compare(shown)
                    return compared.part if compared else None
        return None

    def load_system(self) -> Part:
        found = self._load_usage()
        charts = make_system_charts(found, self._name, apart=self._choice.apart)
        return Part(found.times, found.interval_s, charts)

    def compare(self, shown: int) -> Compared | None:
        """Return the later version beside the earlier one; None where none is asked for, or a version beside itself."""
        earlier, later = sorted((self._choice.version or shown, self._choice.against))
        if not earlier or earlier == later:
            return None
        return make_compared(load_comparison(self._db, self._name, (earlier, later), *self._span), self._choice)

    def _make_request_part(self, found: RequestMetrics, by_status: Mapping[str, tuple[int, ...]]) -> Part:
        times = [at for at, _ in found.buckets]
        if not self._choice.apart:
            return Part(times, found.interval_s, make_request_charts(found, by_status, self._choice.clock))
        owners = [owner for owner in self._list_replicas() if self._choice.replica in {"", owner[1]}]
        split = {name_replica(self._name, *owner): self._load_requests(*owner) for owner in owners[:MOST_APART]}
        note = f"{MOST_APART} of {len(owners)} replicas are drawn; choose a version or a replica to see the others."
        charts = make_split_charts(split, self._choice)
        return Part(times, found.interval_s, charts, note if len(owners) > MOST_APART else "")

    def _load_requests(self, version: int | None, replica: str | None) -> RequestMetrics:
        """Return the requests of a version and a replica, None being all, of the chosen status."""
        status = self._choice.status or None
        return load_requests(self._db, self._name, *self._span, version=version, replica=replica, status=status)

    def _count(self, version: int | None, replica: str | None) -> dict[str, tuple[int, ...]]:
        found = count_by_status(self._db, self._name, *self._span, version=version, replica=replica)
        return {status: counts for status, counts in found.items() if self._choice.status in {"", status}}

    def _load_usage(self) -> SystemMetrics:
        asked = self._asked
        span = (asked.start_at, asked.end_at, asked.sample_interval_s)
        version, replica = self._chosen
        return load_usage(self._db, self._name, *span, version=version, replica=replica)

    def _list_replicas(self) -> list[Owner]:
        return list_replicas(self._db, self._name, self._asked.start_at, self._asked.end_at, self._chosen[0])

    @property
    def _chosen(self) -> tuple[int | None, str | None]:
        return self._choice.version or None, self._choice.replica or None

    @property
    def _span(self) -> tuple[datetime, datetime, int]:
        return self._asked.start_at, self._asked.end_at, self._asked.interval_s
