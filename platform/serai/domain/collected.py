"""A line of a replica as the server has collected it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .observation import LogLine


@dataclass(frozen=True, slots=True)
class CollectedLine:
    """`line.at` is when the replica's machine read it, `collected_at` when the server stored it."""

    deployment: str
    version: int
    line: LogLine
    collected_at: datetime
