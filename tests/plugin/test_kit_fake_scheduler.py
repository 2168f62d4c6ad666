"""The fake scheduler keeps the contract of schedulers: what the reconcile tests rely on is what real ones do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serai.domain.observation import Stream, Workload
from serai.plugin.scheduler import Scheduler
from serai.plugin.testing.fakes import FakeScheduler, Script
from serai.plugin.testing.models import EXIT_CODE, GOODBYE, STORY, Model, WorkloadFactory, greeting, make_workload
from serai.plugin.testing.schedulers import SchedulerContract


def script_of(model: Model, workload: Workload) -> Script:
    says = (greeting(workload, "{replica}"), *STORY)
    return {
        Model.POLITE: Script(ready_after=2, stop_steps=1, says=says, last_words=(GOODBYE,)),
        Model.STUBBORN: Script(ready_after=2, stop_steps=3, says=says),
        Model.CRASHING: Script(crashes=1000, exit_code=EXIT_CODE),
        Model.SILENT: Script(ready_after=None, last_words=(GOODBYE,)),
    }[model]


class FakeContract(SchedulerContract):
    timeout_s = 2.0
    answers_here = False

    @pytest.fixture
    def workload_factory(self, scheduler: Scheduler) -> WorkloadFactory:
        def make(
            model: Model = Model.POLITE, version: int = 1, count: int = 1, run: int = 1, drain_timeout_s: float = 10.0
        ) -> Workload:
            workload = make_workload(model, version, count, run, drain_timeout_s)
            assert isinstance(scheduler, FakeScheduler)
            scheduler.script(workload.id, script_of(model, workload))
            return workload

        return make

    @pytest.fixture
    def unreachable(self) -> Scheduler | None:
        scheduler = FakeScheduler()
        scheduler.reachable = False
        return scheduler


class TestFakeScheduler(FakeContract):
    @pytest.fixture
    def scheduler(self) -> Iterator[Scheduler]:
        scheduler = FakeScheduler()
        yield scheduler
        scheduler.close()


class TestFakeSchedulerWithFewPlaces(FakeContract):
    """Replacing and scaling have to work out where old replicas hold the places of new ones."""

    @pytest.fixture
    def scheduler(self) -> Iterator[Scheduler]:
        scheduler = FakeScheduler(places=3)
        yield scheduler
        scheduler.close()


class TestFakeSchedulerWithoutHistory(FakeContract):
    @pytest.fixture
    def scheduler(self) -> Iterator[Scheduler]:
        scheduler = FakeScheduler(keeps_history=False)
        yield scheduler
        scheduler.close()

    # It keeps no logs of what has ended, which the contract leaves open; the tests that need them cannot run.
    test_stop_lets_replicas_say_goodbye = None
    test_logs_tell_the_whole_story_in_order = None
    test_logs_resume_after_any_cursor = None
    test_logs_by_stream = None
    test_logs_of_the_unknown = None


def test_system_lines_are_no_lines_of_the_model() -> None:
    scheduler = FakeScheduler()
    workload = make_workload()
    scheduler.submit(workload)
    (replica,) = scheduler.observe()[workload.id].replicas
    scheduler.say(workload.id, replica.id, "installing", Stream.SYSTEM)
    assert [line.text for line in scheduler.logs(workload.id, replica.id, Stream.SYSTEM)] == ["installing"]
    assert list(scheduler.logs(workload.id, replica.id, Stream.STDOUT)) == []
