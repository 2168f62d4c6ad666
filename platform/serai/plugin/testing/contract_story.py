"""Contract of schedulers, second part: observe, logs, purge."""

from __future__ import annotations

import pytest

from serai.domain.errors import Conflict, NotFound, NotSupported
from serai.domain.observation import LogLine, Phase, Stream, Workload
from serai.plugin.scheduler import Scheduler

from .bench import Bench, is_aware
from .models import EXIT_CODE, GOODBYE, STORY, Model, greeting
from .polling import until


class StoryContract:
    # observe

    def test_observe_leaves_out_what_is_not_there(self, bench: Bench) -> None:
        workload = bench.make()
        bench.submit(workload)
        assert set(bench.scheduler.observe(["kit-v998", "kit-v999"])) == set()
        assert set(bench.scheduler.observe([workload.id, "kit-v999"])) == {workload.id}
        assert set(bench.scheduler.observe([])) == set(), "no ids is nothing, not everything"

    def test_observe_without_ids_has_all(self, bench: Bench) -> None:
        workloads = [bench.make(Model.SILENT, version=number) for number in (1, 2)]
        for workload in workloads:
            bench.submit(workload)
        assert set(bench.scheduler.observe()) == {workload.id for workload in workloads}

    def test_what_never_listens_is_never_ready(self, bench: Bench) -> None:
        workload = bench.make(Model.SILENT)
        bench.submit(workload)
        until(lambda: _is_loading(bench, workload), "a replica that loads", bench.timeout_s)
        assert not any(replica.ready for replica in bench.live(workload).values())

    def test_crashes_are_counted_with_their_exit_code(self, bench: Bench) -> None:
        workload = bench.make(Model.CRASHING)
        bench.submit(workload)
        code = until(lambda: _crash_code(bench, workload), "a crash with its reason", bench.timeout_s)
        assert code == EXIT_CODE

    # logs and purge

    def test_logs_tell_the_whole_story_in_order(self, bench: Bench) -> None:
        workload, replica, lines = bench.live_and_die()
        texts = [line.text for line in lines if line.stream is Stream.STDOUT]
        assert texts == [greeting(workload, replica), *STORY, GOODBYE]
        assert all(isinstance(line, LogLine) and line.replica == replica for line in lines)
        assert all(is_aware(line.at) for line in lines)

    def test_logs_resume_after_any_cursor(self, bench: Bench) -> None:
        workload, replica, _ = bench.live_and_die()
        lines = list(bench.scheduler.logs(workload.id, replica))
        for place, line in enumerate(lines):
            assert list(bench.scheduler.logs(workload.id, replica, after=line.cursor)) == lines[place + 1 :]
            assert line.cursor and not set(line.cursor) & set(" \r\n"), "a cursor is one word"

    def test_logs_by_stream(self, bench: Bench) -> None:
        workload, replica, _ = bench.live_and_die()
        lines = list(bench.scheduler.logs(workload.id, replica))
        for stream in Stream:
            assert list(bench.scheduler.logs(workload.id, replica, stream)) == [x for x in lines if x.stream is stream]

    def test_logs_of_the_unknown(self, bench: Bench) -> None:
        workload, replica, _ = bench.live_and_die()
        for id, name in ((workload.id, "nobody"), ("kit-v999", replica)):
            with pytest.raises(NotFound):
                list(bench.scheduler.logs(id, name))

    def test_purge_refuses_while_replicas_live(self, bench: Bench) -> None:
        workload = bench.make()
        bench.submit(workload)
        before = bench.ready(workload)
        if type(bench.scheduler).purge is not Scheduler.purge:
            with pytest.raises(Conflict):
                bench.scheduler.purge(workload.id)
        assert bench.ready(workload).keys() == before.keys()

    def test_purge_forgets(self, bench: Bench) -> None:
        workload = bench.make()
        bench.submit(workload)
        (replica,) = bench.ready(workload)
        bench.scheduler.stop(workload.id)
        bench.gone(workload)
        for _ in range(2):
            bench.scheduler.purge(workload.id)
        bench.scheduler.purge("kit-v999")
        assert workload.id not in bench.scheduler.observe()
        with pytest.raises((NotFound, NotSupported)):
            list(bench.scheduler.logs(workload.id, replica))


def _is_loading(bench: Bench, workload: Workload) -> bool:
    return any(replica.phase is Phase.LOADING for replica in bench.live(workload).values())


def _crash_code(bench: Bench, workload: Workload) -> int | None:
    """Return the exit code that a crashed replica, or the scheduler's giving up, tells."""
    seen = bench.scheduler.observe([workload.id])[workload.id]
    assert not any(replica.ready for replica in seen.replicas)
    reasons = [seen.failed] + [replica.reason for replica in seen.replicas if replica.crashes or not replica.live]
    return next((reason.exit_code for reason in reasons if reason and reason.exit_code is not None), None)
