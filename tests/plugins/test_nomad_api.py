"""What the calls send, and what they make of answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from serai.domain.errors import NotFound, SchedulerError, SchedulerUnavailable
from serai_nomad.agent import api as calls
from serai_nomad.agent.api import Listing, NomadApi
from tests.plugins.nomad_stand_in import Heard, Said, StandIn, talking

JOB = {"ID": "whisper-v7", "Name": "whisper v7"}
ROWS = [{"ID": "a"}, {"ID": "b"}]


def listing(_: Heard) -> Said:
    return Said(200, ROWS, {"X-Nomad-Index": "1234"})


LISTS: list[tuple[Callable[[NomadApi], Listing], str, dict[str, list[str]]]] = [
    (lambda api: api.list_jobs(), "/v1/jobs", {"meta": ["true"]}),
    (
        lambda api: api.list_allocations(task_states=False, resources=True),
        "/v1/allocations",
        {"task_states": ["false"], "resources": ["true"]},
    ),
    (lambda api: api.list_evaluations(status="blocked"), "/v1/evaluations", {"status": ["blocked"]}),
    (lambda api: api.list_nodes(), "/v1/nodes", {"resources": ["true"]}),
    (lambda api: api.list_variables("nomad/jobs/"), "/v1/vars", {"prefix": ["nomad/jobs/"]}),
    (
        lambda api: api.list_jobs(index=7, wait_s=2.5),
        "/v1/jobs",
        {"meta": ["true"], "index": ["7"], "wait": ["2.5s"]},
    ),
]


@pytest.mark.parametrize(("call", "path", "query"), LISTS)
def test_lists_give_rows_and_index(call: Callable[[NomadApi], Listing], path: str, query: dict[str, list[str]]) -> None:
    with StandIn(listing) as agent, talking(agent, namespace="models") as api:
        rows, index = call(api)
    assert (rows, index) == (tuple(ROWS), 1234)
    assert (agent.heard[0].path, agent.heard[0].query) == (path, query | {"namespace": ["models"]})


def test_all_namespaces_are_asked_for_by_name() -> None:
    with StandIn(listing) as agent, talking(agent, namespace="models") as api:
        api.list_all_allocations()
    assert agent.heard[0].query["namespace"] == ["*"]


def test_indexes_are_read_cheaply() -> None:
    with StandIn(listing) as agent, talking(agent) as api:
        assert api.indexes() == (1234, 1234, 1234)
    assert all(heard.query["per_page"] == ["1"] for heard in agent.heard)


def test_statuses_of_some_jobs() -> None:
    with StandIn(listing) as agent, talking(agent, namespace="models") as api:
        assert api.job_statuses(["x"]).rows == tuple(ROWS)
        assert api.job_statuses([]) == Listing((), 0)
    assert [heard.json for heard in agent.heard] == [{"Jobs": [{"ID": "x", "Namespace": "models"}]}]


# writes


WRITES: list[tuple[Callable[[NomadApi], Any], str, str, Any]] = [
    (lambda api: api.register(JOB), "POST", "/v1/jobs", {"Job": JOB}),
    (
        lambda api: api.register(JOB, enforce_index=0, source="{}"),
        "POST",
        "/v1/jobs",
        {"Job": JOB, "EnforceIndex": True, "JobModifyIndex": 0, "Submission": {"Source": "{}", "Format": "json"}},
    ),
    (
        lambda api: api.scale("whisper-v7", 3, "why"),
        "PUT",
        "/v1/job/whisper-v7/scale",
        {"Count": 3, "Target": {"Group": "model"}, "Message": "why"},
    ),
    (
        lambda api: api.evaluate("whisper-v7"),
        "PUT",
        "/v1/job/whisper-v7/evaluate",
        {"JobID": "whisper-v7", "EvalOptions": {}},
    ),
    (
        lambda api: api.plan(JOB),
        "POST",
        "/v1/job/whisper-v7/plan",
        {"Job": JOB, "Diff": False, "PolicyOverride": False},
    ),
    (
        lambda api: api.put_variable("nomad/jobs/x", {"k": "v"}, cas=0),
        "PUT",
        "/v1/var/nomad/jobs/x",
        {"Path": "nomad/jobs/x", "Namespace": "default", "Items": {"k": "v"}},
    ),
    (
        lambda api: api.restart_allocation("a", "server"),
        "PUT",
        "/v1/client/allocation/a/restart",
        {"TaskName": "server"},
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "body"), WRITES)
def test_writes_say_what_is_meant(call: Callable[[NomadApi], Any], method: str, path: str, body: Any) -> None:
    with StandIn(lambda _: Said(200, {})) as agent, talking(agent) as api:
        call(api)
    (heard,) = agent.heard
    assert (heard.method, heard.path, heard.json) == (method, path, body)


def test_a_stop_is_no_purge() -> None:
    with StandIn(lambda _: Said(200, {})) as agent, talking(agent) as api:
        api.deregister("x")
        api.deregister("x", purge=True)
    assert [heard.query.get("purge") for heard in agent.heard] == [None, ["True"]]


def test_variables_of_templates_are_written_as_hcl() -> None:
    with StandIn(lambda _: Said(200, {"ID": "x"})) as agent, talking(agent) as api:
        api.parse_hcl("job {}", {"count": 3, "text": 'a"${b}%{c}', "list": ["x"], "on": True})
    assert agent.heard[0].json["Variables"] == ('count = 3\ntext = "a\\"$${b}%%{c}"\nlist = ["x"]\non = true\n')


VALIDATIONS = [
    ({"ValidationErrors": None, "Error": "", "Warnings": ""}, "", None),
    ({"Warnings": "1 warning:\n\n* no shutdown_delay"}, "no shutdown_delay", None),
    ({"ValidationErrors": ["Missing job ID", "Missing name"], "Error": "2 errors"}, "", "Missing job ID; Missing name"),
    ({"ValidationErrors": [], "Error": "1 error occurred:\n\t* no such pool\n\n"}, "", "no such pool"),
]


@pytest.mark.parametrize(("answer", "warnings", "error"), VALIDATIONS)
def test_validation_reads_what_comes_with_status_200(answer: dict[str, Any], warnings: str, error: str | None) -> None:
    with StandIn(lambda _: Said(200, answer)) as agent, talking(agent) as api:
        if error is None:
            assert api.validate(JOB) == warnings
        else:
            with pytest.raises(SchedulerError, match=error):
                api.validate(JOB)


# checks


CHECKS: list[tuple[Said, object]] = [
    (Said(200, {"c": {"Status": "success"}}), {"c": {"Status": "success"}}),
    (Said(200, None), {}),
    (Said(404, "No path to node"), None),
    (Said(404, 'Unknown allocation "a"'), None),
    (Said(404, "state for allocation a not found on client"), None),
    (Said(500, "rpc error: EOF"), None),
    (Said(403, "Permission denied"), SchedulerError),
    (Said(429, "too many"), SchedulerUnavailable),
]


@pytest.mark.parametrize(("said", "result"), CHECKS)
def test_checks(said: Said, result: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai_nomad.agent.session.PATIENCE_S", 0.0)
    with StandIn(lambda _: said) as agent, talking(agent) as api:
        if isinstance(result, type) and issubclass(result, Exception):
            with pytest.raises(result):
                api.allocation_checks("a")
        else:
            assert api.allocation_checks("a") == result
    assert len(agent.heard) == 1


def test_checks_of_a_node_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "CHECKS_S", 0.2)

    def late(_: Heard) -> Said:
        time.sleep(0.5)
        return Said(200, {})

    with StandIn(late) as agent, talking(agent) as api:
        assert api.allocation_checks("a") is None


def test_checks_while_nomad_cannot_be_reached() -> None:
    with StandIn(lambda _: Said(cut=True)) as agent, talking(agent) as api, pytest.raises(SchedulerUnavailable):
        api.allocation_checks("a")


def test_deleting_what_is_not_there_is_fine() -> None:
    with StandIn(lambda _: Said(204, "")) as agent, talking(agent) as api:
        api.delete_variable("nomad/jobs/x")
    assert (agent.heard[0].method, agent.heard[0].path) == ("DELETE", "/v1/var/nomad/jobs/x")


def test_statistics_of_the_unknown() -> None:
    said = Said(404, 'Unknown allocation "a"')
    with StandIn(lambda _: said) as agent, talking(agent) as api, pytest.raises(NotFound):
        api.allocation_stats("a")
