"""What Nomad's refusals mean: the recorded answers of a real agent, and the texts that were read in its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serai.domain.errors import Conflict, NotFound, SchedulerError, SchedulerUnavailable, SeraiError
from serai_nomad.agent.agent_errors import PERMISSION_DENIED, clean_text, derive_refusal, needed_right

RECORDINGS = Path(__file__).parent / "nomad_recordings"
ID = "4a6374b7-2b93-b942-76e8-e3f5398013de"
LEADERLESS = "rpc error: failed to get conn: dial tcp 127.0.0.1:7747: connect: connection refused"


def load_responses(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text())["responses"]
    return found


def refuse(method: str, path: str, status: int, text: str) -> tuple[type[SeraiError], str, bool]:
    refusal = derive_refusal(method, path, status, text)
    return type(refusal.error), refusal.error.code, refusal.is_passing


CASES = [
    # method, path, status, text, error, code, passing
    ("GET", "/v1/job/x", 404, "job not found", NotFound, "not-found", False),
    ("PUT", "/v1/job/x/evaluate", 500, "job not found", NotFound, "not-found", False),
    ("PUT", "/v1/job/x/scale", 404, 'job "x" not found', NotFound, "not-found", False),
    ("GET", f"/v1/allocation/{ID}", 404, "alloc not found", NotFound, "not-found", False),
    ("GET", f"/v1/allocation/{ID}", 500, f'Unknown allocation "{ID}"', SchedulerError, PERMISSION_DENIED, False),
    ("GET", f"/v1/client/fs/logs/{ID}", 404, f'Unknown allocation "{ID}"', NotFound, "not-found", False),
    ("GET", f"/v1/client/fs/logs/{ID}", 404, "No path to node", SchedulerUnavailable, "node-unreachable", False),
    ("GET", f"/v1/client/fs/logs/{ID}", 500, "rpc error: EOF", SchedulerUnavailable, "node-unreachable", False),
    ("GET", f"/v1/client/fs/logs/{ID}", 500, "rpc error: Permission denied", SchedulerError, PERMISSION_DENIED, False),
    ("GET", "/v1/nodes", 403, "Permission denied", SchedulerError, PERMISSION_DENIED, False),
    ("GET", "/v1/jobs", 500, "rpc error: EOF", SchedulerUnavailable, "scheduler-unavailable", True),
    ("GET", "/v1/jobs", 500, LEADERLESS, SchedulerUnavailable, "scheduler-unavailable", True),
    ("PUT", "/v1/jobs", 500, "No cluster leader", SchedulerUnavailable, "scheduler-unavailable", True),
    ("GET", "/v1/jobs", 429, "Your IP is issuing too many", SchedulerUnavailable, "scheduler-unavailable", True),
    ("GET", "/v1/jobs", 502, "<html>Bad gateway", SchedulerUnavailable, "scheduler-unavailable", False),
    ("GET", "/v1/jobs", 500, "something new", SchedulerUnavailable, "scheduler-unavailable", False),
    ("GET", "/v1/jobs", 301, "", SchedulerUnavailable, "scheduler-unavailable", False),
    ("PUT", "/v1/var/nomad/jobs/x", 409, "{}", Conflict, "changed-meanwhile", False),
    ("PUT", "/v1/job/x/scale", 400, "scaling action count can't be negative", SchedulerError, "scheduler-error", False),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status", "text", "error", "code", "passing"), CASES)
def test_what_an_answer_means(
    method: str, path: str, status: int, text: str, error: type[SeraiError], code: str, passing: bool
) -> None:
    assert refuse(method, path, status, text) == (error, code, passing)


CAS = {
    "wrong index": Conflict,
    "index 0 while the job exists": Conflict,
    "index given, job missing": Conflict,
    "scale with wrong index": Conflict,
    "scale unknown group": SchedulerError,
    "scale -1": SchedulerError,
    "scale of a missing job": NotFound,
    "revert to the current version": SchedulerError,
}


def test_compare_and_set_as_recorded() -> None:
    refused = [row for row in load_responses("21-cas") if row["status"] != 200]
    told = {row["case"]: type(derive_refusal("PUT", "/v1/jobs", row["status"], row["body"]).error) for row in refused}
    assert told == CAS


def test_wrong_jobs_as_recorded() -> None:
    refused = [row for row in load_responses("25-limits") if row["status"] in (400, 500)]
    for row in refused:
        error = derive_refusal("PUT", "/v1/jobs", row["status"], row["body"]).error
        assert type(error) is SchedulerError, row
        assert "\n" not in error.message and "occurred" not in error.message
    assert len(refused) > 10


def test_denials_as_recorded() -> None:
    """Every 403, and every 500 of a token that is no good, is one error that names a right or the token."""
    denied = [row for row in load_responses("19-acl") if row["status"] == 403 or _is_bad_token(row)]
    for row in denied:
        error = derive_refusal(row["method"], row["path"], row["status"], row["body"]).error
        assert (type(error), error.code) == (SchedulerError, PERMISSION_DENIED), row
        assert "docs/howto/operate-nomad.md" in error.message or "token_file" in error.message
    assert len(denied) > 60


def _is_bad_token(row: dict[str, Any]) -> bool:
    return row["status"] == 500 and "signed token" in str(row.get("body"))


RIGHTS = [
    ("GET", "/v1/jobs?meta=true", "list-jobs"),
    ("POST", "/v1/jobs", "register-job"),
    ("PUT", "/v1/job/x/plan", "plan-job"),
    ("PUT", "/v1/job/x/scale", "scale-job"),
    ("DELETE", "/v1/job/x?namespace=models", "deregister-job"),
    ("DELETE", "/v1/job/x?purge=True", "purge-job"),
    ("GET", "/v1/job/x/allocations", "read-job"),
    ("PUT", "/v1/job/x/evaluate", "evaluate-job"),
    ("GET", f"/v1/client/fs/logs/{ID}?task=server", "read-logs"),
    ("GET", f"/v1/client/fs/ls/{ID}", "read-fs"),
    ("GET", f"/v1/client/allocation/{ID}/checks", "read-job"),
    ("PUT", f"/v1/client/allocation/{ID}/restart", "alloc-lifecycle"),
    ("GET", "/v1/nodes?resources=true", "node {"),
    ("GET", "/v1/client/stats?node_id=x", "node {"),
    ("PUT", "/v1/var/nomad/jobs/x", "write"),
    ("GET", "/v1/agent/self", "agent {"),
]


@pytest.mark.parametrize(("method", "path", "right"), RIGHTS)
def test_the_missing_right_is_named(method: str, path: str, right: str) -> None:
    assert right in needed_right(method, path)
    error = derive_refusal(method, path, 403, "Permission denied").error
    assert right in error.message


def test_a_missing_token_is_said() -> None:
    error = derive_refusal("GET", "/v1/jobs", 403, "Permission denied", token_given=False).error
    assert "set plugin.nomad.token" in error.message


SENTENCES = [
    ("1 error occurred:\n\t* Job ID contains a space\n\n", "Job ID contains a space"),
    (
        "2 errors occurred:\n\t* Missing job ID\n\t* Missing job name\n\n",
        "Missing job ID; Missing job name",
    ),
    (
        "1 error occurred:\n\t* Task group model invalid: 1 error occurred:\n\t* Group count can't be negative\n\n\n\n",
        "Task group model invalid: Group count can't be negative",
    ),
    ('1 warning:\n\n* group "model" defines services, but ...', 'group "model" defines services, but ...'),
    ("job not found", "job not found"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES)
def test_nested_lists_become_a_sentence(text: str, sentence: str) -> None:
    assert clean_text(text) == sentence


def test_ids_are_named_as_they_are() -> None:
    error = derive_refusal("GET", "/v1/job/a%3Fpurge%3Dtrue", 404, "job not found").error
    assert error.message == "Nomad does not know the job a?purge=true: job not found"
