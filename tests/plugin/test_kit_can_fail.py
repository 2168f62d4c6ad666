"""The kit finds what it is there to find: each mutant of the fake scheduler breaks a promise, and a test says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import pytest

from serai.domain.errors import SchedulerUnavailable
from serai.domain.observation import Fit, LogLine, Observation, Stream, Workload
from serai.plugin.scheduler import Scheduler
from serai.plugin.testing.bench import Bench
from serai.plugin.testing.fakes import FakeScheduler, Script
from serai.plugin.testing.models import EXIT_CODE, GOODBYE, STORY, Model, greeting, make_workload
from serai.plugin.testing.schedulers import SchedulerContract


class StartsAnew(FakeScheduler):
    """Every submit replaces all replicas."""

    submits = 0

    def submit(self, workload: Workload) -> None:
        self.submits += 1
        super().submit(replace(workload, digest=f"{workload.digest}-{self.submits}"))

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        return {id: self._mask(seen) for id, seen in super().observe(ids).items()}

    def _mask(self, seen: Observation) -> Observation:
        replicas = tuple(replace(replica, digest=replica.digest.rpartition("-")[0]) for replica in seen.replicas)
        return replace(seen, digest=seen.digest.rpartition("-")[0], replicas=replicas)


class KeepsTheOld(FakeScheduler):
    """Another digest is ignored."""

    def submit(self, workload: Workload) -> None:
        known = super().observe([workload.id]).get(workload.id)
        super().submit(replace(workload, digest=known.digest) if known else workload)


class SubmitsLater(FakeScheduler):
    """What was submitted is seen at the second look."""

    looks = 0

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        self.looks += 1
        return super().observe(ids) if self.looks > 1 else {}


class NeverStops(FakeScheduler):
    def stop(self, workload_id: str) -> None:
        """Do nothing."""


class NeedsToKnow(FakeScheduler):
    """Stopping the unknown is an error."""

    def stop(self, workload_id: str) -> None:
        del self._scripts[workload_id]
        super().stop(workload_id)


class KillsAtOnce(FakeScheduler):
    def stop(self, workload_id: str) -> None:
        self.script(workload_id, Script())
        super().stop(workload_id)


class NoIdsIsAll(FakeScheduler):
    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        return super().observe(ids or None)


class ForgetsOthers(FakeScheduler):
    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        return dict(list(super().observe(ids).items())[:1])


class AlwaysReady(FakeScheduler):
    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        return {
            id: replace(seen, replicas=tuple(replace(replica, ready=True) for replica in seen.replicas))
            for id, seen in super().observe(ids).items()
        }


class EmptyWhenOut(FakeScheduler):
    """The worst of all: an empty answer where there is none."""

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        try:
            return super().observe(ids)
        except SchedulerUnavailable:
            return {}


class RepeatsLines(FakeScheduler):
    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        return super().logs(workload_id, replica, stream, str(int(after) - 1) if after else None)


class IgnoresStream(FakeScheduler):
    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        return super().logs(workload_id, replica, None, after)


class PurgesAnything(FakeScheduler):
    def purge(self, workload_id: str) -> None:
        self._jobs.pop(workload_id, None)


class PurgesNothing(FakeScheduler):
    def purge(self, workload_id: str) -> None:
        """Do nothing."""


class IgnoresLeaving(FakeScheduler):
    def surplus(self, workload: Workload) -> tuple[str, ...]:
        live = [replica.id for replica in self._jobs[workload.id].wanted]
        return tuple(live[: len(live) - workload.count])

    def submit(self, workload: Workload) -> None:
        super().submit(replace(workload, leaving=()))


class LosesPlacesByFreeing(FakeScheduler):
    def fit(self, workload: Workload, freeing: Collection[str] = ()) -> Fit:
        fit = super().fit(workload)
        return replace(fit, placeable=fit.placeable - 1, verdict="later", reason="x") if freeing else fit


class HintsForEver(FakeScheduler):
    def close(self) -> None:
        """Wake nobody; the test ends it."""


LOCAL_TIME = datetime(2026, 1, 1)  # noqa: DTZ001


class LocalClock(FakeScheduler):
    def __init__(self) -> None:
        super().__init__(clock=lambda: LOCAL_TIME)


MUTANTS: list[tuple[type[FakeScheduler], str]] = [
    (StartsAnew, "test_submitting_again_changes_nothing"),
    (StartsAnew, "test_many_submits_at_once_start_it_once"),
    (StartsAnew, "test_scaling_up_keeps_what_runs"),
    (StartsAnew, "test_scaling_down_keeps_the_rest"),
    (KeepsTheOld, "test_another_digest_replaces"),
    (SubmitsLater, "test_submit_is_observable_at_once"),
    (NeverStops, "test_stop_ends_all_replicas"),
    (NeedsToKnow, "test_stop_is_idempotent"),
    (KillsAtOnce, "test_stop_lets_replicas_say_goodbye"),
    (KillsAtOnce, "test_stop_kills_after_the_drain_time_and_does_not_wait_for_it"),
    (NoIdsIsAll, "test_observe_leaves_out_what_is_not_there"),
    (ForgetsOthers, "test_observe_without_ids_has_all"),
    (AlwaysReady, "test_what_never_listens_is_never_ready"),
    (AlwaysReady, "test_crashes_are_counted_with_their_exit_code"),
    (RepeatsLines, "test_logs_resume_after_any_cursor"),
    (IgnoresStream, "test_logs_by_stream"),
    (PurgesAnything, "test_purge_refuses_while_replicas_live"),
    (PurgesNothing, "test_purge_forgets"),
    (IgnoresLeaving, "test_leaving_replicas_leave_first"),
    (LosesPlacesByFreeing, "test_fit_says_how_many_and_why_not_more"),
    (LocalClock, "test_values_are_those_of_the_domain"),
]


def make_bench(scheduler: FakeScheduler) -> Bench:
    def make(
        model: Model = Model.POLITE, version: int = 1, count: int = 1, run: int = 1, drain_timeout_s: float = 10.0
    ) -> Workload:
        workload = make_workload(model, version, count, run, drain_timeout_s)
        says = (greeting(workload, "{replica}"), *STORY)
        scripts = {
            Model.POLITE: Script(ready_after=1, stop_steps=1, says=says, last_words=(GOODBYE,)),
            Model.STUBBORN: Script(stop_steps=3),
            Model.CRASHING: Script(crashes=1000, exit_code=EXIT_CODE),
            Model.SILENT: Script(ready_after=None),
        }
        scheduler.script(workload.id, scripts[model])
        return workload

    return Bench(scheduler, make, timeout_s=0.3, answers_here=False)


@pytest.mark.parametrize(("mutant", "test"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_promise_is_found(mutant: type[FakeScheduler], test: str) -> None:
    run: Callable[[Bench], None] = getattr(SchedulerContract(), test)
    run(make_bench(FakeScheduler()))
    with pytest.raises((Exception, pytest.fail.Exception)) as raised:
        run(make_bench(mutant()))
    assert not isinstance(raised.value, pytest.skip.Exception)


def test_an_empty_answer_instead_of_none_is_found() -> None:
    scheduler: Scheduler = EmptyWhenOut()
    assert isinstance(scheduler, FakeScheduler)
    scheduler.reachable = False
    with pytest.raises(pytest.fail.Exception):
        SchedulerContract().test_an_unreachable_scheduler_raises(scheduler, make_workload)


def test_hints_without_end_are_found() -> None:
    scheduler, contract = HintsForEver(), SchedulerContract()
    contract.timeout_s = 0.1
    with pytest.raises(AssertionError):
        contract.test_hints_end_after_close(scheduler)
    FakeScheduler.close(scheduler)
