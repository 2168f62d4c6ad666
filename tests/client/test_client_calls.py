"""The client against a real HTTP server: errors, retries, unreachable servers, blocking reads."""

from __future__ import annotations

import pytest

from serai.client.client import Client
from serai.client.watch import watch_deployment, watch_version
from serai.domain import errors
from tests.client.scripted import Reply, ScriptedServer, free_url, hang_up, reply_json, reply_problem


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "invalid", errors.Invalid),
        (413, "bundle-too-large", errors.Invalid),
        (400, "malformed", errors.Invalid),
        (401, "unauthenticated", errors.Unauthenticated),
        (403, "forbidden", errors.Forbidden),
        (404, "version-not-found", errors.NotFound),
        (409, "version-active", errors.Conflict),
        (429, "too-many-tries", errors.TooManyTries),
        (501, "not-supported", errors.NotSupported),
        (503, "too-many-streams", errors.CapacityExceeded),
        (503, "scheduler-unavailable", errors.SchedulerUnavailable),
        (502, "scheduler-error", errors.SchedulerError),
        (502, "plugin-error", errors.PluginError),
        (504, "wake-timeout", errors.WakeTimeout),
        (507, "disk-full", errors.SeraiError),
        (500, "internal", errors.SeraiError),
    ],
)
def test_problems_become_the_errors_they_were(
    client: Client, scripted: ScriptedServer, status: int, code: str, kind: type[errors.SeraiError]
) -> None:
    scripted.fallback = reply_problem(status, code, "what was wrong")
    with pytest.raises(errors.SeraiError) as caught:
        client.get_deployment("digits")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.message) == (code, "what was wrong")


def test_invalid_carries_field_and_line(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = reply_problem(422, "unknown-key", "unknown key", field="resources.gpu", line=4)
    with pytest.raises(errors.Invalid) as caught:
        client.put_deployment("digits", {})
    assert (caught.value.field, caught.value.line) == ("resources.gpu", 4)


def test_an_answer_that_is_not_serais_says_so(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = Reply(404, b"<html>nginx</html>", {"Content-Type": "text/html"})
    with pytest.raises(errors.NotFound, match=r"answered 404, which Serai would not: <html>nginx"):
        client.list_deployments()


def test_the_token_goes_along_and_is_in_no_message(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = reply_problem(401, "unauthenticated", "bad token")
    with pytest.raises(errors.Unauthenticated) as caught:
        client.whoami()
    assert scripted.seen[0].headers["authorization"] == "Bearer serai_test"
    assert "serai_test" not in repr(caught.value)


def test_an_unreachable_server_is_named_with_the_way_out() -> None:
    url = free_url()
    with Client(url, patience_s=0.2) as client, pytest.raises(errors.ServerUnavailable) as caught:
        client.list_deployments()
    assert url in caught.value.message
    assert "serai up" in caught.value.message


@pytest.mark.parametrize(
    "trouble", [hang_up, Reply(502, b"bad gateway"), reply_problem(503, "busy", "", {"Retry-After": "1"})]
)
def test_what_can_be_repeated_is(client: Client, scripted: ScriptedServer, trouble: object) -> None:
    scripted.script.extend([trouble, trouble, reply_json([])])  # type: ignore[list-item]
    assert client.list_deployments() == []
    assert len(scripted.seen) == 3


def test_making_a_token_is_not_repeated(client: Client, scripted: ScriptedServer) -> None:
    scripted.script.extend([hang_up, reply_json({"token": "x"}, 201)])
    with pytest.raises(errors.ServerUnavailable):
        client.create_token({"name": "ci"})
    assert len(scripted.seen) == 1


def test_a_refusal_is_not_repeated(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = reply_problem(409, "version-active", "version 2 is active")
    with pytest.raises(errors.Conflict):
        client.delete_deployment("digits")
    assert len(scripted.seen) == 1


def test_a_repeated_delete_may_find_it_gone(client: Client, scripted: ScriptedServer) -> None:
    scripted.script.extend([hang_up, reply_problem(404, "not-found", "no deployment named 'digits'")])
    client.delete_deployment("digits")
    scripted.fallback = reply_problem(404, "not-found", "no deployment named 'digits'")
    with pytest.raises(errors.NotFound):
        client.delete_deployment("digits")


def test_names_cannot_leave_their_place_in_the_path(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = reply_json({})
    client.get_deployment("../tokens?x=1")
    assert scripted.seen[0].path == "/api/v1/deployments/..%2Ftokens%3Fx%3D1"


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "http://user:secret@host", ""])
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        Client(url)
    assert "secret" not in caught.value.message.replace("a password", "")


def test_blocking_reads_go_on_from_the_index(client: Client, scripted: ScriptedServer) -> None:
    states = [{"number": 1, "state": state} for state in ("preparing", "preparing", "running")]
    scripted.script.extend(reply_json(state, X_Serai_Index=str(i)) for i, state in enumerate(states, 5))
    watched = watch_version(client, "digits", 1)
    assert [next(watched)["state"], next(watched)["state"]] == ["preparing", "running"]
    assert [seen.path.partition("?")[2] for seen in scripted.seen] == [
        "",
        "index=5&wait=30000ms",
        "index=6&wait=30000ms",
    ]


def test_a_watch_outlives_a_restart_of_the_server(client: Client, scripted: ScriptedServer) -> None:
    scripted.script.extend(
        [
            reply_json({"state": "preparing"}, X_Serai_Index="700"),
            *[hang_up] * 3,
            reply_json({"state": "running"}, X_Serai_Index="1"),
        ]
    )
    with Client(scripted.url, patience_s=0) as impatient:
        watched = watch_deployment(impatient, "digits")
        assert [next(watched)["state"], next(watched)["state"]] == ["preparing", "running"]
    assert scripted.seen[-1].path.endswith("/digits")  # an index of the old server means nothing to the new one


def test_a_watch_ends_in_time(client: Client, scripted: ScriptedServer) -> None:
    scripted.fallback = reply_json({"state": "preparing"}, X_Serai_Index="1")
    assert len(list(watch_version(client, "digits", 1, timeout_s=0.2))) == 1


def test_lists_are_read_page_by_page(client: Client, scripted: ScriptedServer) -> None:
    first = [{"name": f"d{number:04}"} for number in range(1000)]
    scripted.script.extend([reply_json(first), reply_json([{"name": "last"}])])
    assert len(client.list_deployments()) == 1001
    assert scripted.seen[1].path.endswith("limit=1000&after=d0999")
