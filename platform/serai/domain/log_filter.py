"""Which lines of a log are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .observation import LogLine, Stream


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted; None is all. `text` is found in capitals or not; `until` is not included."""

    replica: str | None = None
    stream: Stream | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None

    def has(self, line: LogLine) -> bool:
        return (
            (self.stream is None or line.stream is self.stream)
            and (self.since is None or line.at >= self.since)
            and (self.until is None or line.at < self.until)
            and self.may_be_in(line.text)
        )

    def meets(self, first: datetime, last: datetime) -> bool:
        """Return whether any instant from `first` to `last`, both included, is wanted."""
        return (self.since is None or last >= self.since) and (self.until is None or first < self.until)

    def may_be_in(self, text: str) -> bool:
        """Return whether the wanted text is in `text`, which may be many lines at once."""
        return self.text is None or self.text.casefold() in text.casefold()


ALL_LINES = LogFilter()
