"""The contract of `serai.plugin.Scheduler` as tests to inherit.

    # test_mine.py
    class TestMine(SchedulerContract):
        @pytest.fixture
        def scheduler(self, tmp_path):
            scheduler = MyScheduler(tmp_path)
            yield scheduler
            scheduler.close()

A scheduler that does not run processes of this machine overrides `workload_factory` too; one that can be out of reach
overrides `unreachable`. Optional verbs that raise NotSupported skip their tests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from serai.domain.errors import SchedulerUnavailable
from serai.plugin.scheduler import Scheduler

from .bench import Bench
from .contract_life import LifeContract
from .contract_place import PlaceContract
from .contract_story import StoryContract
from .models import WorkloadFactory, make_workload

__all__ = ["SchedulerContract"]


class SchedulerContract(LifeContract, StoryContract, PlaceContract):
    """Inherit under a name that begins with Test, and override the fixture `scheduler`.

    `timeout_s` bounds every wait: raise it for slow clusters. `answers_here`: set it False where the addresses of
    replicas cannot be called from the tests.
    """

    timeout_s = 30.0
    answers_here = True

    @pytest.fixture
    def scheduler(self) -> Iterator[Scheduler]:
        """Override: yield a fresh scheduler that runs nothing, and close it."""
        raise NotImplementedError("override the fixture `scheduler`")

    @pytest.fixture
    def workload_factory(self, scheduler: Scheduler) -> WorkloadFactory:
        """Override where commands of this machine cannot be run: return what makes workloads as `models` says."""
        return make_workload

    @pytest.fixture
    def unreachable(self) -> Scheduler | None:
        """Override where it can be: return a scheduler whose other side cannot be reached."""
        return None

    @pytest.fixture
    def bench(self, scheduler: Scheduler, workload_factory: WorkloadFactory) -> Iterator[Bench]:
        bench = Bench(scheduler, workload_factory, self.timeout_s, self.answers_here)
        yield bench
        bench.clear()

    def test_an_unreachable_scheduler_raises(
        self, unreachable: Scheduler | None, workload_factory: WorkloadFactory
    ) -> None:
        if unreachable is None:
            pytest.skip("this scheduler cannot be out of reach")
        verbs: list[Callable[[], object]] = [
            unreachable.observe,
            lambda: unreachable.observe(["kit-v1"]),
            lambda: unreachable.submit(workload_factory()),
            lambda: unreachable.stop("kit-v1"),
        ]
        for verb in verbs:
            with pytest.raises(SchedulerUnavailable):
                verb()

    def test_hints_end_after_close(self, scheduler: Scheduler) -> None:
        seen: list[str] = []
        follower = threading.Thread(target=lambda: seen.extend(scheduler.hints()), daemon=True)
        follower.start()
        scheduler.close()
        follower.join(self.timeout_s)
        assert not follower.is_alive(), "hints end after close"
        scheduler.close()
