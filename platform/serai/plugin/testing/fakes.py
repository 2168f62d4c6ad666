"""Fakes named by behaviour: a clock that stands still until moved, a scheduler that runs nothing, a sink that keeps."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from serai.domain.errors import Conflict, NotFound, SchedulerUnavailable
from serai.domain.observation import (
    Fit,
    LogLine,
    NodeCapacity,
    Observation,
    Stream,
    Usage,
    Verdict,
    Workload,
)
from serai.domain.reasons import make_reason
from serai.domain.window import Window
from serai.plugin.scheduler import Scheduler
from serai.plugin.sink import Sink

from .fake_job import KEPT_ENDED, FakeJob
from .fake_replica import FakeReplica, Script

__all__ = ["READY_AT_ONCE", "Call", "FakeClock", "FakeScheduler", "FakeSink", "Script"]

READY_AT_ONCE = Script()
_GIB = 2**30


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a verb. `id` is empty and `count` -1 where the verb has none."""

    verb: str
    id: str = ""
    digest: str = ""
    count: int = -1


class FakeScheduler(Scheduler):
    """A scheduler in memory whose replicas act as scripted and whose time is `clock`.

    `places`: how many replicas may live at once, of all workloads together; None is no limit. `reachable`: set it
    False and every verb raises SchedulerUnavailable. `calls`: the latest 100,000 calls, refused ones too.
    `keeps_history`: whether stopped workloads stay observable until `purge`. Each `observe` answers first and then
    moves the workloads it was asked for by one step.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        places: int | None = None,
        script: Script = READY_AT_ONCE,
        keeps_history: bool = True,
    ) -> None:
        self.clock = clock
        self.places = places
        self.reachable = True
        self.keeps_history = keeps_history
        self.calls: deque[Call] = deque(maxlen=100_000)
        self._default = script
        self._scripts: dict[str, Script] = {}
        self._jobs: dict[str, FakeJob] = {}
        self._unsettled: set[str] = set()
        self._hints: dict[str, None] = {}
        self._born = 0
        self._closed = False
        self._changed = threading.Condition(threading.RLock())

    # the script side, for tests

    def script(self, workload_id: str, script: Script) -> None:
        """Let a workload act by `script` from now on."""
        with self._changed:
            self._scripts[workload_id] = script
            self._unsettled.add(workload_id)

    def crash(self, workload_id: str, replica: str, exit_code: int = 1) -> None:
        """Let a live replica end now; it is started again at the next step."""
        with self._changed:
            self._find(workload_id, replica).crash(exit_code, self.clock())
            self._touch(workload_id)

    def say(self, workload_id: str, replica: str, text: str, stream: Stream = Stream.STDOUT) -> None:
        """Let a replica write a line."""
        with self._changed:
            self._find(workload_id, replica).say((text,), self.clock(), stream)

    def lose(self, workload_id: str) -> None:
        """Forget a workload and all its replicas, as if somebody had removed it behind our back."""
        with self._changed:
            del self._jobs[workload_id]
            self._touch(workload_id)

    def step(self) -> None:
        """Let one step pass for all workloads without observing."""
        with self._changed:
            self._place()
            self._step(list(self._jobs))

    # the Scheduler side

    def submit(self, workload: Workload) -> None:
        with self._changed:
            self._log(Call("submit", workload.id, workload.digest, workload.count))
            refusal = self._script_of(workload.id).refusal
            if refusal is not None:
                raise refusal
            job = self._jobs.setdefault(workload.id, FakeJob(workload))
            job.take(workload, self._script_of(workload.id), self.clock())
            self._touch(workload.id)
            self._place()

    def stop(self, workload_id: str) -> None:
        with self._changed:
            self._log(Call("stop", workload_id))
            job = self._jobs.get(workload_id)
            if job is not None and not job.stopped:
                job.stop(self._script_of(workload_id), self.clock())
                self._touch(workload_id)
                self._sweep(workload_id)

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        with self._changed:
            self._log(Call("observe"))
            self._place()
            asked = list(self._jobs) if ids is None else [id for id in dict.fromkeys(ids) if id in self._jobs]
            answer = {id: self._jobs[id].freeze() for id in asked}
            self._step(asked)
            return answer

    def surplus(self, workload: Workload) -> tuple[str, ...]:
        with self._changed:
            self._log(Call("surplus", workload.id, workload.digest, workload.count))
            job = self._jobs.get(workload.id)
            return tuple(replica.id for replica in job.surplus(workload)) if job and not job.stopped else ()

    def purge(self, workload_id: str) -> None:
        with self._changed:
            self._log(Call("purge", workload_id))
            job = self._jobs.get(workload_id)
            if job is not None and (job.live or not job.stopped):
                raise Conflict(f"{workload_id} still runs; stop it first")
            self._jobs.pop(workload_id, None)

    def hints(self) -> Iterator[str]:
        while (hint := self._next_hint()) is not None:
            yield hint

    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        with self._changed:
            self._log(Call("logs", workload_id))
            lines = self._find(workload_id, replica).lines[int(after or 0) :]
        return iter([line for line in lines if stream is None or line.stream is stream])

    def usage(self, ids: Collection[str] | None = None) -> list[Usage]:
        with self._changed:
            self._log(Call("usage"))
            jobs = [job for id, job in self._jobs.items() if ids is None or id in ids]
            live = [replica.id for job in jobs for replica in job.replicas if replica.live]
            return [Usage(id, self.clock(), 0.5, 0.1, 1.0, _GIB // 4, _GIB) for id in live]

    def fit(self, workload: Workload, freeing: Collection[str] = ()) -> Fit:
        with self._changed:
            self._log(Call("fit", workload.id, workload.digest, workload.count))
            self._place()
            placeable = min(workload.count, max(0, self._free(freeing)))
            if placeable >= workload.count:
                return Fit(Verdict.NOW, placeable, nodes=("fake",))
            ever = self.places is None or self.places >= workload.count
            return Fit(Verdict.LATER if ever else Verdict.NEVER, placeable, make_reason("no-capacity"))

    def capacity(self) -> list[NodeCapacity]:
        with self._changed:
            self._log(Call("capacity"))
            places = 100_000 if self.places is None else self.places
            live = sum(job.live for job in self._jobs.values())
            return [NodeCapacity("fake", float(places), float(live), places * _GIB, live * _GIB)]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # inside; the lock is held

    def _log(self, call: Call) -> None:
        self.calls.append(call)
        if not self.reachable:
            raise SchedulerUnavailable("the fake scheduler cannot be reached")

    def _script_of(self, workload_id: str) -> Script:
        return self._scripts.get(workload_id, self._default)

    def _find(self, workload_id: str, replica: str) -> FakeReplica:
        job = self._jobs.get(workload_id)
        for known in job.replicas if job else ():
            if known.id == replica:
                return known
        raise NotFound(f"the workload {workload_id} has no replica {replica}")

    def _touch(self, workload_id: str) -> None:
        """Have the workload's answer made anew, look at it again, and hint."""
        if job := self._jobs.get(workload_id):
            job.frozen = None
        self._unsettled.add(workload_id)
        self._hints[workload_id] = None
        self._changed.notify_all()

    def _place(self) -> None:
        """Start what is missing wherever there is a place, in the order in which workloads first came."""
        free = self._free(())
        for id in [id for id in self._jobs if id in self._unsettled] if self._unsettled else ():
            job = self._jobs[id]
            for _ in range(min(job.missing, free)):
                job.replicas.append(self._start(job.workload))
                job.frozen = None
                free -= 1

    def _start(self, workload: Workload) -> FakeReplica:
        self._born += 1
        now, address = self.clock(), f"10.{self._born >> 16}.{self._born >> 8 & 255}.{self._born & 255}:8000"
        replica = FakeReplica(f"{workload.id}.{self._born}", workload.digest, address, now, now)
        replica.start(self._script_of(workload.id), now)
        return replica

    def _free(self, freeing: Collection[str]) -> int:
        if self.places is None:
            return 1_000_000
        return self.places - sum(job.live for id, job in self._jobs.items() if id not in freeing)

    def _step(self, ids: list[str]) -> None:
        for id in self._unsettled.intersection(ids):
            if self._jobs[id].step(self._script_of(id), self.clock()):
                self._touch(id)
            self._sweep(id)
        self._unsettled &= self._jobs.keys()

    def _sweep(self, workload_id: str) -> None:
        """Drop old ended replicas, a stopped workload without a story, and what is settled from the watch."""
        job = self._jobs[workload_id]
        job.forget_ended(KEPT_ENDED if self.keeps_history else 0)
        if job.stopped and not job.replicas:
            del self._jobs[workload_id]
        if job.settled:
            self._unsettled.discard(workload_id)

    def _next_hint(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._hints))
            if self._closed:
                return None
            hint = next(iter(self._hints))
            del self._hints[hint]
            return hint


class FakeSink(Sink):
    """A sink that keeps what it is given. Set `failing` to an error and every write raises it and keeps nothing."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.samples: list[Usage] = []
        self.failing: Exception | None = None
        self.closed = False

    def write_windows(self, windows: Sequence[Window]) -> None:
        self._check()
        self.windows.extend(windows)

    def write_usage(self, samples: Sequence[Usage]) -> None:
        self._check()
        self.samples.extend(samples)

    def close(self) -> None:
        self.closed = True

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing
