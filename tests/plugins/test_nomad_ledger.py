"""What the ledger reads and what it spares: on tables in memory, through the real API client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serai.domain.errors import SchedulerError
from serai_nomad.watch.ledger import Ledger
from serai_nomad.watch.places import Places
from tests.plugins.nomad_stand_in import StandIn, talking
from tests.plugins.nomad_tables import OURS, Tables

INDEXES = {"index": 3}
LISTS = {"jobs": 1, "allocations": 1, "evaluations": 1}


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def ledger(tables: Tables) -> Iterator[Ledger]:
    with StandIn(tables.answer) as agent, talking(agent) as api, ThreadPoolExecutor(4) as pool:
        yield Ledger(api, OURS, pool, Places(api.allocation))


def whole(id: str) -> dict[str, int]:
    """Return the calls that reading one job takes."""
    return {f"job/{id}": 1, f"job/{id}/allocations": 1, f"job/{id}/evaluations": 1}


def fill(tables: Tables, jobs: int) -> None:
    for number in range(jobs):
        tables.register(f"m{number}-v1")
        tables.place(f"m{number}-v1", f"a{number}")
        tables.evaluate(f"m{number}-v1", f"e{number}")


def test_a_sweep_of_what_is_as_it_was_asks_for_three_indexes_and_no_more(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 3)
    assert ledger.sweep()
    tables.take_asked()
    assert not ledger.sweep()
    assert tables.take_asked() == INDEXES


@pytest.mark.parametrize("what", ["scale", "client", "blocked", "unblocked", "replaced"])
def test_a_sweep_reads_only_the_job_that_has_moved(tables: Tables, ledger: Ledger, what: str) -> None:
    fill(tables, 5)
    tables.evaluate("m1-v1", "waits", "blocked")
    ledger.sweep()
    tables.take_asked()
    match what:
        case "scale":
            tables.register("m1-v1", count=2)
        case "client":
            tables.update("a1", ClientStatus="failed")
        case "blocked":
            tables.evaluate("m1-v1", "another", "blocked")
        case "unblocked":
            tables.evaluate("m1-v1", "waits", "complete")
        case "replaced":
            tables.place("m1-v1", "b1")
    ledger.sweep()
    asked = tables.take_asked()
    assert {key: asked[key] for key in (INDEXES | LISTS | whole("m1-v1"))} == INDEXES | LISTS | whole("m1-v1")
    assert not [path for path in asked if path.startswith(("job/m0", "job/m2", "job/m3", "job/m4"))]
    tables.take_asked()
    ledger.sweep()
    assert tables.take_asked() == INDEXES, "what was read is not read again"


def test_jobs_of_others_are_ignored_and_move_nothing(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 1)
    tables.register("theirs", instance="elsewhere")
    tables.place("theirs", "t1")
    ledger.sweep()
    assert ledger.ids() == ["m0-v1"]
    tables.take_asked()
    tables.update("t1", ClientStatus="failed")
    ledger.sweep()
    assert tables.take_asked() == INDEXES | LISTS
    ledger.refresh(["theirs"])
    assert ledger.get("theirs") is None


def test_many_that_moved_are_read_in_bulk_and_the_short_ones_closely(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 45)
    tables.register("m7-v1", count=2)
    ledger.sweep()
    asked = tables.take_asked()
    assert asked == INDEXES | LISTS | {"jobs/statuses": 1} | whole("m7-v1") | {"job/m7-v1/versions": 1}
    listed, close = ledger.get("m3-v1"), ledger.get("m7-v1")
    assert listed is not None and close is not None
    assert (listed.count, listed.digest, listed.definition, listed.probe_s) == (1, "d0", {}, 1.0)
    assert [stub["TaskStates"]["server"]["State"] for stub in listed.allocations] == ["running"]
    assert close.definition and len(close.evaluations) == 1 and close.is_short
    assert not ledger.sweep()


def test_where_more_than_a_few_but_not_most_moved_the_lists_name_them(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 300)
    ledger.sweep()
    again = {"server": {"State": "running", "Restarts": 1}}
    for number in range(130):
        tables.update(f"a{number}", TaskStates=again)
    tables.take_asked()
    tables.listed = 0
    ledger.sweep()
    assert tables.take_asked() == INDEXES | {"jobs": 1, "evaluations": 1, "allocations": 3, "jobs/statuses": 1}
    assert tables.listed == 300 + 130, "stubs of all, and all about those that moved"
    restarts = [job.allocations[0]["TaskStates"]["server"]["Restarts"] for job in ledger.jobs()]
    assert restarts == [1] * 130 + [0] * 170
    assert not ledger.sweep()


def test_more_than_a_few_to_refresh_are_compared_instead(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 45)
    ledger.sweep()
    tables.update("a3", ClientStatus="failed")
    tables.take_asked()
    ledger.refresh(ledger.ids())
    asked = tables.take_asked()
    assert [path for path in asked if path.startswith("job/")] == list(whole("m3-v1"))
    job = ledger.get("m3-v1")
    assert job is not None and job.allocations[0]["ClientStatus"] == "failed"


def test_a_job_that_was_purged_is_forgotten_and_one_of_the_same_id_begins_anew(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 2)
    tables.evaluate("m0-v1", "old", "blocked")
    ledger.sweep()
    tables.purge("m0-v1")
    ledger.sweep()
    assert ledger.ids() == ["m1-v1"]

    tables.register("m0-v1", digest="d1")
    tables.place("m0-v1", "new")
    ledger.sweep()
    job = ledger.get("m0-v1")
    assert job is not None
    assert (job.digest, [row["ID"] for row in job.allocations], job.evaluations) == ("d1", ["new"], ())
    tables.take_asked()
    tables.update("a1", ClientStatus="failed")
    ledger.sweep()
    assert not [path for path in tables.take_asked() if path.startswith("job/m0")], "the old one's rows move nothing"


def test_purged_and_made_again_between_two_sweeps(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 1)
    ledger.sweep()
    tables.purge("m0-v1")
    tables.register("m0-v1", digest="d1")
    ledger.sweep()
    job = ledger.get("m0-v1")
    assert job is not None and (job.digest, job.version, job.allocations) == ("d1", 0, ())


def test_versions_are_asked_for_once_to_tell_which_replica_is_of_which(tables: Tables, ledger: Ledger) -> None:
    tables.register("m-v1", digest="d0")
    tables.place("m-v1", "old")
    tables.register("m-v1", digest="d1")
    tables.place("m-v1", "new")
    for _ in range(2):
        ledger.refresh(["m-v1"])
    job = ledger.get("m-v1")
    assert job is not None and job.digests == {0: "d0", 1: "d1"}
    assert tables.take_asked()["job/m-v1/versions"] == 1
    tables.register("m-v1", digest="d2")
    ledger.refresh(["m-v1"])
    job = ledger.get("m-v1")
    assert job is not None and job.digests == {0: "d0", 1: "d1", 2: "d2"}
    assert tables.take_asked()["job/m-v1/versions"] == 0, "one version more is known without asking"


def test_a_sweep_that_fails_is_done_again(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 1)
    tables.broken = "evaluations"
    with pytest.raises(SchedulerError):
        ledger.sweep()
    tables.broken = ""
    assert ledger.sweep() and ledger.ids() == ["m0-v1"]


def test_a_place_is_read_once_for_each_allocation(tables: Tables, ledger: Ledger) -> None:
    fill(tables, 1)
    ledger.sweep()
    assert tables.take_asked()["allocation/a0"] == 1
    tables.update("a0", TaskStates={"server": {"State": "running", "Restarts": 1}})
    ledger.sweep()
    assert tables.take_asked()["allocation/a0"] == 0
