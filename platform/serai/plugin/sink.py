"""The contract of a metrics sink: take closed windows of request figures and samples of replicas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from serai.domain.observation import Usage
from serai.domain.window import Window


class Sink(ABC):
    """Takes figures and passes them on.

    Both verbs are called from one thread per sink, in the order of time, at least once: a batch whose call raised
    comes again later, after a growing pause, while newer ones wait in a bounded queue. A slow sink delays nobody.

        class Printing(Sink):
            def write_windows(self, windows): print(sum(s.count for w in windows for s in w.series.values()))
    """

    @abstractmethod
    def write_windows(self, windows: Sequence[Window]) -> None:
        """Take closed windows of requests."""

    def write_usage(self, samples: Sequence[Usage]) -> None:
        """Take one sample of each live replica."""

    def close(self) -> None:
        """Release what the sink holds."""
