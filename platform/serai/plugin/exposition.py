"""The contract of an exposition: write the present figures in the format of those who scrape `/metrics`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serai.domain.status import State


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What the server knows of a version at the moment. `replicas` are the ids of those that live."""

    deployment: str
    version: int
    state: State
    wanted: int
    ready: int
    replicas: tuple[str, ...]


class Exposition(ABC):
    """Answers `/metrics`. Figures of requests and replicas come to the plugin's own sink."""

    @abstractmethod
    def render(self, versions: Sequence[VersionFacts], accept: str, now: datetime) -> tuple[bytes, str]:
        """Return the document and its content type; `accept` is the header of the caller, "" for none.

        Called from any thread, at each scrape.
        """

    def close(self) -> None:
        """Release what the exposition holds."""
