"""A load at an even pace over many gateways, cheap enough to run beside them: bare asyncio protocols, an open loop.

A caller whose connection is cut dials again. What each gateway did with every request is told apart: answered (by
status), cut (sent, no answer came), refused (could not be sent).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence

_TICK_S = 0.005
_MOST_LINES = 64
_DIAL_PAUSE_S = 0.05
# An answer that came so shortly before HAProxy was killed may have ended without a word of it to the agent.
_DOUBT_S = 0.25


class Line(asyncio.Protocol):
    """One kept connection: at most one request at a time."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._buffer = b""
        self._asked_at = 0.0
        self.is_asking = self.is_doomed = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> None:
        assert self.transport is not None
        self.is_asking, self._asked_at = True, time.monotonic()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        self._buffer, self.is_asking = b"", False
        status = int(head[9:12])
        if status >= 400:
            self._caller.note_problem(f"{status} {_problem_code(body)}")
        self._caller.note_answer(self, status, time.monotonic() - self._asked_at)

    def connection_lost(self, exc: Exception | None) -> None:
        self._caller.note_lost(self)


class Caller:
    """Sends requests for one deployment to one gateway; `late` are those that had to wait for a connection."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._place = (host, port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n\r\n".encode()
        self._idle: deque[Line] = deque()
        self._lines: set[Line] = set()
        self._dialing = 0
        self._dial_at = 0.0
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._recent: deque[float] = deque()
        self.statuses: Counter[int] = Counter()
        self.problems: dict[str, list[tuple[float, float, int]]] = {}  # begin, end and count, by status and code
        self.sent = self.cut = self.refused = self.late = self.doubtful = 0
        self.slowest_s = 0.0

    @property
    def answered(self) -> int:
        return self.statuses.total()

    @property
    def in_flight(self) -> int:
        return sum(line.is_asking for line in self._lines)

    def ask(self) -> None:
        """Send a request that is due now."""
        while self._idle:
            line = self._idle.popleft()
            if line.transport is not None and not line.transport.is_closing():
                self._send(line)
                return
        self._wait()

    def note_answer(self, line: Line, status: int, took_s: float) -> None:
        self.statuses[status] += 1
        self.slowest_s = max(took_s, self.slowest_s)
        now = time.monotonic()
        self._recent.append(now)
        while self._recent[0] < now - _DOUBT_S:
            self._recent.popleft()
        self.doubtful += line.is_doomed
        if self._waiting:
            self._waiting -= 1
            self._send(line)
        else:
            self._idle.append(line)

    def note_problem(self, kind: str) -> None:
        """Count an answer that is an error, by its status and code, by spans of time without a second's pause."""
        now = time.monotonic()
        spans = self.problems.setdefault(kind, [])
        if spans and now < spans[-1][1] + 1.0:
            spans[-1] = (spans[-1][0], now, spans[-1][2] + 1)
        else:
            spans.append((now, now, 1))

    def note_lost(self, line: Line) -> None:
        self._lines.discard(line)
        self.cut += line.is_asking
        line.is_asking = False

    def note_kill(self) -> None:
        """Take note that HAProxy is killed now: whether it told of its last requests nobody can know."""
        now = time.monotonic()
        self.doubtful += sum(at >= now - _DOUBT_S for at in self._recent)
        for line in self._lines:
            line.is_doomed = True

    async def close(self) -> None:
        for line in list(self._lines):
            if line.transport is not None:
                line.transport.abort()
        await asyncio.gather(*self._tasks)

    def _send(self, line: Line) -> None:
        self.sent += 1
        line.ask(self._request)

    def _wait(self) -> None:
        """Keep a request for the next connection; where none can be had, it was refused."""
        now = time.monotonic()
        if not self._lines and not self._dialing and now < self._dial_at:
            self.refused += 1
            return
        self._waiting += 1
        self.late += 1
        if len(self._lines) + self._dialing < _MOST_LINES and now >= self._dial_at:
            self._dialing += 1
            task = asyncio.create_task(self._dial())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _dial(self) -> None:
        line = Line(self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: line, *self._place)
        except OSError:
            self._dial_at = time.monotonic() + _DIAL_PAUSE_S
            self.refused, self._waiting = self.refused + self._waiting, 0
            return
        finally:
            self._dialing -= 1
        self._lines.add(line)
        if self._waiting:
            self._waiting -= 1
            self._send(line)
        else:
            self._idle.append(line)


async def send(callers: Sequence[Caller], per_second: float, seconds: float) -> None:
    """Have the callers ask in turn at an even pace for so long, and wait a little for the last answers."""
    began, asked = time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        due = int((now - began) * per_second)
        for number in range(asked, due):
            callers[number % len(callers)].ask()
        asked = due
        await asyncio.sleep(_TICK_S)
    for _ in range(400):
        if not any(caller.in_flight for caller in callers):
            return
        await asyncio.sleep(0.05)


def _problem_code(body: bytes) -> str:
    """Return the code of a problem document, "" where there is none."""
    _, found, rest = body.partition(b'"code"')
    return rest.split(b'"')[1].decode() if found else ""


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)
