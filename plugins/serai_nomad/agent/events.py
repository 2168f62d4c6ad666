"""Nomad's event stream as a source of hints: which jobs and nodes to look at again. Sweeps are the truth.

The stream drops events without a word, says nothing of checks or of rows that are collected, and where a right is
missing it answers with silence. So nothing here is relied on but for speed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto

import requests

from serai.domain.errors import SeraiError

from .calls import Calls
from .event_lines import cut, read_lines
from .event_news import JobChanged, NodeChanged, NodeMemory, derive_news

__all__ = ["Connected", "Disconnected", "Event", "EventStream", "JobChanged", "NodeChanged"]

log = logging.getLogger(__name__)

# A permitted stream says `{}` at once and then each 30 s.
FIRST_LINE_S = 2.0
READ_S = 40.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
SILENT_PAUSE_S = 30.0
# How long a stream that stays silent when it is asked for nodes does without them.
WITHOUT_NODES_S = 600.0
_TOPICS = ("Job", "Allocation", "Evaluation")


@dataclass(frozen=True, slots=True)
class Connected:
    """The stream speaks (again): events before this may be missing, so sweep. `has_nodes`: NodeChanged will come."""

    has_nodes: bool = True


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream has ended; it is opened again by itself."""


Event = JobChanged | NodeChanged | Connected | Disconnected


class _End(Enum):
    """How a connection was: it spoke, it said nothing, or there was none."""

    HEARD = auto()
    SILENT = auto()
    FAILED = auto()


class EventStream:
    """Yields events of our namespace to one thread until `close`, which any thread may call.

    It blocks in between, opens the stream again after growing pauses, and holds one of the API's connections. A
    stream that says nothing is one that Nomad denies, for which there is no other sign: first it is tried without
    node events, which need a right of their own; then it is said, once, and tried again at length.
    """

    def __init__(self, api: Calls) -> None:
        self._api = api
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._response: requests.Response | None = None
        self._memory = NodeMemory()
        self._nodes_from = float("-inf")
        self._trouble = ""

    def __iter__(self) -> Iterator[Event]:
        pause_s = 0.0
        while not self._closed.is_set():
            has_nodes = time.monotonic() >= self._nodes_from
            began_at = time.monotonic()
            end = yield from self._listen(has_nodes)
            if end is _End.HEARD:
                yield Disconnected()
            if end is _End.SILENT and not self._closed.is_set():
                pause_s = self._note_silence(has_nodes)
            elif end is _End.HEARD and time.monotonic() - began_at > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            else:
                pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            self._closed.wait(pause_s)

    def close(self) -> None:
        """End the iteration, wherever it is."""
        self._closed.set()
        with self._lock:
            if self._response is not None:
                cut(self._response)

    def _listen(self, has_nodes: bool) -> Generator[Event, None, _End]:
        """Yield the events of one connection; return how it was."""
        end = _End.SILENT
        query = {"topic": (*_TOPICS, "Node") if has_nodes else _TOPICS}
        try:
            with self._api.open_stream("/v1/event/stream", query, READ_S) as response:
                lines = read_lines(response, FIRST_LINE_S) if self._hold(response) else ()
                for line in lines:
                    if end is _End.SILENT:
                        end = _End.HEARD
                        self._note_voice()
                        yield Connected(has_nodes)
                    yield from derive_news(line, self._memory)
        except SeraiError as error:
            self._note_trouble(error.message)
            end = _End.FAILED
        finally:
            self._hold(None)
        return end

    def _hold(self, response: requests.Response | None) -> bool:
        """Keep the open answer for `close`; return False if it has been called."""
        with self._lock:
            self._response = response
            return not self._closed.is_set()

    def _note_voice(self) -> None:
        if self._trouble:
            log.info("Nomad's event stream speaks again")
        self._trouble = ""

    def _note_silence(self, has_nodes: bool) -> float:
        """Return how long to wait before the next try."""
        if has_nodes:
            self._nodes_from = time.monotonic() + WITHOUT_NODES_S
            if not self._trouble:
                log.info("Nomad's event stream is silent; trying without nodes, for which the token may lack the right")
            return 0.0
        self._nodes_from = float("-inf")
        self._note_trouble(
            "the stream is silent: the agent hangs, or the ACL token lacks list-jobs and read-job in the namespace"
        )
        return SILENT_PAUSE_S

    def _note_trouble(self, text: str) -> None:
        """Say a trouble once; changes are seen by sweeps alone meanwhile."""
        if text != self._trouble and not self._closed.is_set():
            log.warning("no events of Nomad for now, changes are seen later: %s", text)
        self._trouble = text
