"""Waiting: for pipes and sockets, children, signals and times, in one thread, one call at a time."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from types import FrameType


class Stopped(BaseException):
    """The replica is to end. Not an Exception, so that no handler of failures takes it for one."""


class Duty:
    """A call repeated every `period_s` while the loop waits."""

    __slots__ = ("call", "due", "period_s")

    def __init__(self, call: Callable[[], None], period_s: float) -> None:
        self.call, self.period_s, self.due = call, period_s, 0.0


class Loop:
    """Runs what is due while its caller waits for a condition, so that a life is written as one sequence.

    `exits` maps the pids of expected children that have ended to their wait status; all others are reaped and
    forgotten. `childless`: no child is left, not even an inherited one. SIGTERM, and whatever calls `stop`, raises
    Stopped out of the wait in progress, once.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._duties: list[Duty] = []
        self._wake, wake_writer = os.pipe()
        self._stop = False
        self._was_stopped = False
        self._expected: set[int] = set()
        self.exits: dict[int, int] = {}
        self.childless = True
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_writer, False)
        self.watch_reading(self._wake, self._drain_wake)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop_signal)

    def stop(self) -> None:
        """Have Stopped raised out of this or the next wait; later calls do nothing."""
        self._stop = True

    def expect(self, pid: int) -> None:
        """Keep the wait status of this child; to be called before the next wait."""
        self._expected.add(pid)

    def add_duty(self, call: Callable[[], None], period_s: float) -> Duty:
        self._duties.append(Duty(call, period_s))
        return self._duties[-1]

    def drop_duty(self, duty: Duty) -> None:
        self._duties.remove(duty)

    def watch_reading(self, fd: int, call: Callable[[], None]) -> None:
        self._selector.register(fd, selectors.EVENT_READ, call)

    def watch_writing(self, fd: int, call: Callable[[], None]) -> None:
        self._selector.register(fd, selectors.EVENT_WRITE, call)

    def forget(self, fd: int) -> None:
        self._selector.unregister(fd)

    def until(self, is_done: Callable[[], bool], timeout_s: float | None = None, poll_s: float | None = None) -> bool:
        """Wait until `is_done()` or the time-out; return whether it is done. Raise Stopped as said above.

        `is_done` is asked after every event, and every `poll_s` seconds where no event tells.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._reap()
            self._raise_stopped()
            if is_done():
                return True
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return False
            self._turn(deadline, now, poll_s)

    def _turn(self, deadline: float | None, now: float, poll_s: float | None) -> None:
        times = [duty.due for duty in self._duties]
        if deadline is not None:
            times.append(deadline)
        if poll_s is not None:
            times.append(now + poll_s)
        pause_s = max(0.0, min(times) - now) if times else None
        for key, _ in self._selector.select(pause_s):
            if key.fd in self._selector.get_map():  # an earlier call may have closed it
                key.data()
        self._run_duties()

    def _run_duties(self) -> None:
        now = time.monotonic()
        for duty in list(self._duties):
            if duty.due <= now:
                duty.due = now + duty.period_s
                duty.call()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.childless = True
                return
            self.childless = False
            if not pid:
                return
            if pid in self._expected:
                self._expected.remove(pid)
                self.exits[pid] = status

    def _raise_stopped(self) -> None:
        if self._stop and not self._was_stopped:
            self._was_stopped = True
            raise Stopped

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake, 512):
                pass
        except BlockingIOError:
            pass


def _ignore(number: int, frame: FrameType | None) -> None:
    """A handler has to exist for the wake-up pipe to be written."""
