"""The four limits of a request, enforced by one timer that moves forward lazily."""

from __future__ import annotations

import asyncio
import math
from enum import StrEnum
from types import TracebackType

from serai.domain.deployment import Timeouts

from .problems import Problem


class Limit(StrEnum):
    """What may take only so long: a connection, the wait for an answer, a silence, and all of it."""

    CONNECT = "connect"
    FIRST_BYTE = "first-byte"
    IDLE = "idle"
    TOTAL = "total"


_DETAILS = {
    Limit.CONNECT: "no replica accepted a connection within {:g} s (timeouts.connect)",
    Limit.FIRST_BYTE: "the model did not begin to answer within {:g} s (timeouts.first_byte)",
    Limit.IDLE: "nothing moved on the connection for {:g} s (timeouts.idle)",
    Limit.TOTAL: "the request took longer than {:g} s altogether (timeouts.total)",
}


class TimedOut(Exception):
    """A limit of `limit_s` seconds passed."""

    def __init__(self, limit: Limit, limit_s: float) -> None:
        super().__init__(f"timeout-{limit}")
        self.limit = limit
        self.limit_s = limit_s

    def problem(self) -> Problem:
        return Problem(504, f"timeout-{self.limit}", _DETAILS[self.limit].format(self.limit_s))


class Watch:
    """A `with` block that ends in TimedOut when the current limit or the total passes.

    `await_first_byte` and `touch` move the limit by assigning a float; the timer looks at it when it fires. A new
    timer for every chunk of a stream would cost more than copying the chunk. A limit of 0 never passes.
    """

    __slots__ = ("_cancelling", "_due", "_limit", "_limits", "_loop", "_passed", "_task", "_timer", "_total_due")

    def __init__(self, limits: Timeouts, started: float, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._limit = Limit.TOTAL
        self._due = math.inf
        self._total_due = started + (limits.total_s or math.inf)
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._passed: Limit | None = None
        self._cancelling = 0

    def __enter__(self) -> Watch:
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        passed, task, self._task = self._passed, self._task, None
        # A caller that left at the same moment has cancelled the task too; then that is what happened.
        if passed and task and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimedOut(passed, self._seconds(passed)) from error

    def await_first_byte(self) -> None:
        """The request is sent: its answer has to begin."""
        self._move(Limit.FIRST_BYTE)

    def touch(self) -> None:
        """Something moved: the next silence begins now."""
        self._move(Limit.IDLE)

    def rest(self) -> None:
        """Nothing but the total limits what comes."""
        self._limit, self._due = Limit.TOTAL, math.inf

    def _move(self, limit: Limit) -> None:
        self._limit = limit
        self._due = self._loop.time() + (self._seconds(limit) or math.inf)
        if self._timer is None or self._timer.when() > self._due:
            self._arm()

    def _arm(self) -> None:
        due = min(self._due, self._total_due)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._fire) if self._task and due < math.inf else None

    def _fire(self) -> None:
        now, self._timer = self._loop.time(), None
        if self._task is None:
            return
        if now >= self._total_due:
            self._passed = Limit.TOTAL
        elif now >= self._due:
            self._passed = self._limit
        if self._passed:
            self._task.cancel()
        else:
            self._arm()

    def _seconds(self, limit: Limit) -> float:
        if limit is Limit.TOTAL:
            return self._limits.total_s
        return self._limits.first_byte_s if limit is Limit.FIRST_BYTE else self._limits.idle_s
