"""The contract of a sink: take closed windows of request figures, samples and lines of replicas, sampled requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from serai.domain.collected import CollectedLine
from serai.domain.finished import FinishedRequest
from serai.domain.observation import Usage
from serai.domain.window import Window


class Busy(Exception):
    """Raised by a verb: not now. What the call brought comes again, after `after_s` at the earliest."""

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message)
        self.after_s = after_s


class Rejected(Exception):
    """Raised by a verb: `count` of what the call brought (None: all) will never be taken. It does not come again."""

    def __init__(self, message: str, count: int | None = None) -> None:
        super().__init__(message)
        self.count = count


class Sink(ABC):
    """Takes what is measured and passes it on.

    There are three ways in: figures (`write_windows`, `write_usage`), lines (`write_logs`, where `wants_logs`) and
    sampled requests (`write_spans`, where `wants_spans`). Each is called from one thread of its own, in the order of
    time, at least once: a batch whose call raised comes again later, after a growing pause (Busy names one, Rejected
    gives the batch up), while newer ones wait in a bounded queue. A slow sink delays nobody. What comes within
    `gather_s` of the last call comes together.

        class Printing(Sink):
            def write_windows(self, windows): print(sum(s.count for w in windows for s in w.series.values()))
    """

    wants_logs: bool = False
    wants_spans: bool = False
    gather_s: float = 0.0

    @abstractmethod
    def write_windows(self, windows: Sequence[Window]) -> None:
        """Take closed windows of requests."""

    def write_usage(self, samples: Sequence[Usage]) -> None:
        """Take one sample of each live replica."""

    def write_logs(self, lines: Sequence[CollectedLine]) -> None:
        """Take lines of replicas, as they were stored; those of one replica in their order."""

    def write_spans(self, requests: Sequence[FinishedRequest]) -> None:
        """Take requests whose traces are sampled."""

    def close(self) -> None:
        """Release what the sink holds."""


@dataclass(frozen=True, slots=True)
class SinkState:
    """How one way into a sink is doing.

    `way` is figures, logs or spans. `waiting` and `dropped` count entries: windows, samples, lines, requests.
    `last_error`: why the last call failed, "" when it did not.
    """

    name: str
    way: str
    waiting: int
    dropped: int
    last_error: str
