"""When the observer reads a job again, asks a replica, derives anew; and when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from serai.domain.errors import SchedulerError
from serai.domain.observation import Phase
from serai_nomad.facts import ClusterFacts, Json
from serai_nomad.watch.check_board import CheckBoard
from serai_nomad.watch.check_turns import CHECKS, PROBES
from serai_nomad.watch.check_watch import CheckWatch
from serai_nomad.watch.evidence import Evidence
from serai_nomad.watch.ledger import Ledger
from serai_nomad.watch.observer import Observer
from serai_nomad.watch.places import Places
from tests.plugins.nomad_stand_in import StandIn, talking
from tests.plugins.nomad_tables import OURS, Tables

M, N = "m-v1", "n-v1"
WHOLE_M = {f"job/{M}": 1, f"job/{M}/allocations": 1, f"job/{M}/evaluations": 1}
INDEXES = {"index": 3}


class Stage:
    """An observer of Nomad's tables in memory. `says` is what probes and checks answer, `good` unless it says else."""

    def __init__(self, tables: Tables, ledger: Ledger, places: Places, pool: ThreadPoolExecutor) -> None:
        self.tables = tables
        self.asked: list[str] = []
        self.says: dict[str, str] = {}
        self.cluster = ClusterFacts()
        self.board = CheckBoard(60.0, lambda: datetime.now(UTC))
        lanes = {PROBES: (pool, 4), CHECKS: (pool, 4)}
        self.watch = CheckWatch(self.board, self.ask, lanes, lambda _: None, lambda _: None)
        evidence = Evidence(lambda allocation, task: ())
        self.observer = Observer(ledger, self.board, self.watch, places, evidence, lambda: self.cluster)

    def ask(self, allocation: str) -> Json:
        self.asked.append(allocation)
        return self.answer(allocation, len(self.asked))

    def answer(self, allocation: str, stamp: int) -> Json:
        return {"c": {"Status": self.says.get(allocation, "success"), "Output": "", "Timestamp": stamp}}

    def begin(self) -> None:
        """Hear the stream, and compare everything once."""
        self.observer.hear(True)
        self.observer.observe(None)
        self.tables.take_asked()
        self.asked.clear()


@pytest.fixture
def stage() -> Iterator[Stage]:
    tables = Tables()
    for job, allocation in ((M, "a"), (N, "b")):
        tables.register(job)
        tables.place(job, allocation)
    with StandIn(tables.answer) as agent, talking(agent) as api, ThreadPoolExecutor(4) as pool:
        places = Places(api.allocation)
        yield Stage(tables, Ledger(api, OURS, pool, places), places, pool)


# reading


def test_while_the_stream_speaks_only_what_was_touched_is_read_and_once(stage: Stage) -> None:
    stage.begin()
    before = stage.observer.observe([M, N])
    assert stage.tables.take_asked() == {}, "nobody has touched them"
    stage.tables.update("a", ClientStatus="failed")
    stage.observer.touch(M)
    after = stage.observer.observe([M, N])
    assert stage.tables.take_asked() == WHOLE_M
    assert [seen.replicas[0].live for seen in (before[M], after[M], after[N])] == [True, False, True]
    stage.observer.observe([M, N])
    assert stage.tables.take_asked() == {}


def test_without_the_stream_every_look_reads(stage: Stage) -> None:
    stage.observer.observe(None)
    stage.tables.take_asked()
    for _ in range(2):
        stage.observer.observe([M])
        assert stage.tables.take_asked() == WHOLE_M


def test_what_the_stream_did_not_tell_before_it_began_is_read_until_all_was_compared(stage: Stage) -> None:
    stage.observer.observe(None)
    stage.tables.take_asked()
    stage.observer.hear(True)
    stage.observer.observe([M])
    assert stage.tables.take_asked() == WHOLE_M
    stage.observer.observe(None)
    assert stage.tables.take_asked() == INDEXES
    stage.observer.observe([M])
    assert stage.tables.take_asked() == {}
    stage.observer.hear(False)
    stage.observer.observe([M])
    assert stage.tables.take_asked() == WHOLE_M


def test_a_version_without_a_job_is_not_asked_for_again_and_again(stage: Stage) -> None:
    stage.begin()
    assert stage.observer.observe(["old-v1", "old-v2"]) == {} and stage.tables.take_asked() == {}
    stage.tables.register("old-v2")
    stage.observer.touch("old-v2")
    assert set(stage.observer.observe(["old-v1", "old-v2"])) == {"old-v2"}


def test_an_exception_leaves_what_was_touched_to_be_read(stage: Stage) -> None:
    stage.begin()
    stage.tables.update("a", ClientStatus="failed")
    stage.observer.touch(M)
    stage.tables.broken = f"job/{M}"
    for _ in range(2):
        with pytest.raises(SchedulerError):
            stage.observer.observe([M])
    stage.tables.broken = "allocations"
    with pytest.raises(SchedulerError):
        stage.observer.observe(None)
    stage.tables.broken = ""
    stage.tables.take_asked()
    assert not stage.observer.observe([M])[M].replicas[0].live
    assert stage.tables.take_asked() == WHOLE_M


def test_a_look_at_everything_untouches_what_it_has_compared(stage: Stage) -> None:
    stage.begin()
    stage.observer.touch(M)
    stage.observer.touch("somebody-elses-job")
    stage.observer.observe(None)
    assert stage.tables.take_asked() == INDEXES
    stage.observer.observe([M])
    assert stage.tables.take_asked() == {}


# asking


def test_replicas_that_ran_before_this_server_are_asked_at_once_and_by_one_look(stage: Stage) -> None:
    seen = stage.observer.observe(None)
    assert sorted(stage.asked) == ["a", "b"] and all(each.replicas[0].ready for each in seen.values())
    stage.observer.observe(None)
    stage.observer.observe([M])
    assert sorted(stage.asked) == ["a", "b"]


def test_young_replicas_wait_for_their_turn(stage: Stage) -> None:
    stage.tables.place(M, "young", CreateTime=int(datetime.now(UTC).timestamp() * 1e9))
    seen = stage.observer.observe(None)[M]
    assert "young" not in stage.asked and stage.board.due(PROBES, 1e9, 9)[0] == "young"
    assert {replica.id: replica.phase for replica in seen.replicas}["young"] is Phase.LOADING


def test_replicas_of_a_job_that_somebody_purged_are_not_asked_any_more(stage: Stage) -> None:
    stage.begin()
    stage.tables.purge(M)
    stage.observer.touch(M)
    assert stage.observer.observe([M]) == {}
    assert stage.board.due(PROBES, 1e9, 9) == ["b"]
    stage.tables.purge(N)
    assert stage.observer.observe(None) == {}
    assert stage.board.due(PROBES, 1e9, 9) == []


# deriving


def test_what_has_not_changed_is_not_derived_anew(stage: Stage) -> None:
    stage.begin()
    before = stage.observer.observe(None)
    stage.board.take("a", stage.answer("a", 99), 1.0)
    after = stage.observer.observe(None)
    assert after[M] is before[M] and after[N] is before[N], "that a check passed again changes nothing"


def test_a_check_that_fails_is_seen_without_reading(stage: Stage) -> None:
    stage.begin()
    stage.says["a"] = "failure"
    for stamp in range(50, 53):
        stage.board.take("a", stage.answer("a", stamp), 1.0)
    seen = stage.observer.observe([M, N])
    assert [seen[id].replicas[0].ready for id in (M, N)] == [False, True]
    assert stage.tables.take_asked() == {}


def test_a_job_that_waits_for_a_place_is_explained_anew_when_the_cluster_changes(stage: Stage) -> None:
    failed = {"model": {"DimensionExhausted": {"memory": 1}, "NodesEvaluated": 1, "NodesExhausted": 1}}
    stage.tables.register(M, count=2)
    stage.tables.evaluate(M, "waits", "blocked", FailedTGAllocs=failed)
    first = stage.observer.observe(None)[M]
    assert first.waiting is not None
    assert stage.observer.observe(None)[M] is first
    stage.cluster = ClusterFacts()
    again = stage.observer.observe(None)[M]
    assert again is not first and again == first


def test_that_nomad_decides_is_said_for_a_moment_only(stage: Stage) -> None:
    stage.tables.register(M, count=2)
    stage.tables.evaluate(M, "open", "pending")
    first = stage.observer.observe(None)[M]
    assert first.waiting is not None and first.waiting.code == "scheduling"
    assert stage.observer.observe(None)[M] is not first
