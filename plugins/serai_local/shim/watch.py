"""Watching a started model: is it ready, does it stay so, and why did it end."""

from __future__ import annotations

import time
from collections.abc import Callable

from .diagnosis import Diagnosis
from .failure import Failure, failure_of_exit
from .loop import Loop
from .memory import MemoryGuard
from .model import Model
from .probe import Answer, Probe, Target
from .readiness import Readiness
from .report import Report
from .task import Task


class Watch:
    """Looks at one run of the model until it ends. `ready_for_s` tells how long it had been ready by then."""

    def __init__(self, loop: Loop, task: Task, report: Report, model: Model) -> None:
        self._loop, self._task, self._report, self._model = loop, task, report, model
        self._began = time.monotonic()
        self._ready_since: float | None = None
        self._readiness = Readiness(task.interval_s, self._began)
        self._diagnosis = Diagnosis(task.port)
        self._guard = MemoryGuard(task.memory_bytes)

    @property
    def ready_for_s(self) -> float:
        return 0.0 if self._ready_since is None else time.monotonic() - self._ready_since

    def run(self) -> Failure:
        """Return why the model ended, once it has, with all it started."""
        self._report.enter("loading", self._loading_text())
        duty = self._loop.add_duty(self._guard.look, self._task.memory_check_s)
        try:
            while not self._model.has_exited:
                self._look()
        finally:
            self._loop.drop_duty(duty)
        had_companions = self._model.end()
        code = self._model.exit_code
        return self._guard.explain(code) or failure_of_exit(code, had_companions, self._ready_since is not None)

    def _look(self) -> None:
        """Probe once, and wait until it is time for the next probe."""
        target = Target(self._diagnosis.hosts, self._task.port, self._task.path)
        probe = Probe(self._loop, target, self._task.timeout_s)
        try:
            self._wait(lambda: probe.answer is not None, self._task.timeout_s)
            if self._model.has_exited:
                return
            self._take(probe.expire(), target)
            self._wait(lambda: False, self._readiness.pause_s(time.monotonic()))
        finally:
            probe.close()

    def _wait(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        self._loop.until(lambda: self._model.has_exited or is_done(), timeout_s)

    def _take(self, answer: Answer, target: Target) -> None:
        now = time.monotonic()
        before = self._readiness.phase
        self._readiness.take(answer, now)
        if self._readiness.phase == "ready":
            if before != "ready":
                self._ready_since = now
                self._report.be_ready(target.name(self._readiness.host), now - self._began)
        elif self._readiness.phase == "checking":
            self._report.enter("checking", self._readiness.text)
        else:
            self._diagnosis.look(now)
            self._report.enter("loading", self._loading_text())

    def _loading_text(self) -> str:
        return self._diagnosis.text or f"The process runs, but nothing listens on port {self._task.port} yet."
