"""Who did what: every call and every form that changes something leaves a line with the name of who sent it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serai.domain.deployment import Event
from serai.store.events import events_after, last_event_id
from serai.web.resources import all_endpoints
from serai_apikey.plugin import ApiKeyPlugin
from tests.web.installation import API, Caller, Installation

PASSWORD, OTHER = "a long walk home", "another one of ours"


@dataclass(frozen=True)
class Row:
    """A call or a form of `ann` (an administrator) unless `who` says otherwise, and the kind of the line it leaves.

    `{key}`, `{token}`, `{prefix}` and `{code}` in a path or a form stand for what the stage has made.
    """

    path: str
    kind: str
    sent: dict[str, object] = field(default_factory=dict)
    who: str = "admin"
    actor: str = "ann"


CALLS = {
    "put_deployment": Row("/deployments/n", "deployment.created", {"image": "model:1"}),
    "change_deployment": Row("/deployments/m", "deployment.changed", {"limits": {"per_key": "5/s"}}),
    "put_owner": Row("/deployments/m/owner", "deployment.changed", {"owner": "amy"}),
    "stop_deployment": Row("/deployments/m/stop", "version.stopped"),
    "idle_deployment": Row("/deployments/m/idle", "deployment.idled"),
    "wake_deployment": Row("/deployments/resting/wake", "deployment.woken"),
    "delete_deployment": Row("/deployments/stopped", "deployment.deleted"),
    "start_version": Row("/deployments/m/versions/1/start", "version.started"),
    "stop_version": Row("/deployments/m/versions/2/stop", "version.stopped"),
    "delete_version": Row("/deployments/m/versions/1", "version.deleted"),
    "create_key": Row("/keys", "key.created", {"name": "ci"}),
    "change_key": Row("/keys/{key}", "key.changed", {"name": "another"}),
    "rotate_key": Row("/keys/{key}/rotate", "key.rotated", {"overlap": "1h"}),
    "revoke_key": Row("/keys/{key}", "key.revoked"),
    "create_token": Row("/tokens", "token.created", {"name": "ci", "permissions": ["read"]}, "reader", "ray"),
    "revoke_token": Row("/tokens/{token}", "token.revoked"),
    "sign_in": Row("/sign-in", "token.created", {"login": "amy", "password": PASSWORD}, "", "amy"),
    "create_user": Row("/users", "account.created", {"login": "zoe"}),
    "put_password": Row("/users/amy/password", "account.changed", {"password": OTHER}),
    "reset_password": Row("/users/amy/reset", "account.reset", {"expires_in": "1h"}),
    "change_user": Row("/users/amy", "account.changed", {"role": "viewer"}),
    "delete_user": Row("/users/amy", "account.deleted"),
    "put_team": Row("/teams/vision", "team.changed", {"members": ["amy"]}),
    "delete_team": Row("/teams/vision", "team.deleted"),
    "wake_route": Row("/routes/resting/wake", "deployment.woken", who="gateway", actor="gate"),
}
# What is no decision of anybody's, or changes nothing that others see.
SILENT = {
    "put_bundle": "bytes that nothing refers to until somebody deploys them, which is told",
    "take_telemetry": "figures that gateways count",
    "take_spans": "spans that gateways count",
    "take_otlp_spans": "spans that programs report",
}

FORMS = {
    "deploy_new": Row(
        "/new", "deployment.created", {"source": "image", "name": "n", "image": "a/b:1", "manifest": "command: x\n"}
    ),
    "deploy_version": Row("/d/m/new", "version.created", {"source": "image", "image": "a:9", "manifest": "command: x"}),
    "save_settings": Row("/d/m/settings", "deployment.changed", {"handover": "replace"}),
    "delete": Row("/d/stopped/delete", "deployment.deleted", {"confirm": "stopped"}),
    "scale": Row("/d/m/scale", "deployment.scaled", {"replicas": "2"}),
    "idle": Row("/d/m/idle", "deployment.idled"),
    "wake": Row("/d/resting/wake", "deployment.woken"),
    "stop": Row("/d/m/stop", "version.stopped"),
    "start_version": Row("/d/m/versions/1/start", "version.started"),
    "stop_version": Row("/d/m/versions/2/stop", "version.stopped"),
    "delete_version": Row("/d/m/versions/1/delete", "version.deleted", {"confirm": "m:1"}),
    "create_key": Row("/keys", "key.created", {"name": "ci"}),
    "edit_key": Row("/keys/{key}/edit", "key.changed", {"name": "another"}),
    "rotate_key": Row("/keys/{key}/rotate", "key.rotated", {"overlap": "1h"}),
    "revoke_key": Row("/keys/{key}/revoke", "key.revoked", {"confirm": "{prefix}"}),
    "create_account": Row("/users", "account.created", {"login": "zoe", "role": "member"}),
    "change_role": Row("/users/amy/role", "account.changed", {"role": "viewer"}),
    "change_state": Row("/users/amy/state", "account.changed", {"state": "disabled"}),
    "set_password": Row("/users/amy/password", "account.changed", {"password": OTHER}),
    "reset_password": Row("/users/amy/reset", "account.reset"),
    "delete_account": Row("/users/amy/delete", "account.deleted", {"confirm": "amy"}),
    "create_team": Row("/teams", "team.created", {"name": "hearing"}),
    "edit_team": Row("/teams/vision/edit", "team.changed", {"members": "amy"}),
    "delete_team": Row("/teams/vision/delete", "team.deleted", {"confirm": "vision"}),
    "create_token": Row("/account/tokens", "token.created", {"name": "ci", "permission": "read"}, "reader", "ray"),
    "revoke_token": Row("/account/tokens/{token}/revoke", "token.revoked", {"confirm": "{token_prefix}"}),
    "change_password": Row(
        "/account/password", "account.changed", {"current": PASSWORD, "new": OTHER, "again": OTHER}, "amy", "amy"
    ),
    "set_new_password": Row(
        "/login/new-password", "account.changed", {"code": "{code}", "new": OTHER, "again": OTHER}, "", "amy"
    ),
}
SILENT_FORMS = {
    "sign_in": "the account's last sign-in is kept with it; failures are told once there are many",
    "sign_out": "one's own session",
    "send_test": "a request to a model, counted as any other",
    "stop_test": "the same",
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Installation, dict[str, str]]]:
    """A server with one of everything, and what stands for it in the tables."""
    installed = Installation(tmp_path / "data", plugins={"apikey": ApiKeyPlugin()})
    admin = installed.caller()
    installed.deploy("m")
    installed.deploy("m", image="model:2")
    for name in ("resting", "stopped"):
        installed.deploy(name)
    admin.post("/deployments/resting/idle")
    admin.post("/deployments/stopped/stop")
    installed.tick(4)
    key = admin.post("/keys", {"name": "mine"}).json
    token = admin.post("/tokens", {"name": "mine", "permissions": ["read"]}).json
    admin.post("/users", {"login": "amy", "password": PASSWORD})
    admin.put("/teams/vision", {"about": "Eyes"})
    code = admin.post("/users/amy/reset", {}).json["url"].partition("code=")[2]
    installed.tokens["amy"] = Caller(installed.app.test_client(), "").post(
        "/sign-in", {"login": "amy", "password": PASSWORD}
    ).json["token"]  # fmt: skip
    names = {"key": key["id"], "prefix": key["prefix"], "token": token["id"], "token_prefix": token["prefix"]}
    yield installed, {name: str(value) for name, value in names.items()} | {"code": code}
    installed.close()


def fill(text: object, made: dict[str, str]) -> object:
    return text.format(**made) if isinstance(text, str) else text


def check(installed: Installation, row: Row, before: int) -> Event:
    fresh = events_after(installed.core.db, before)
    told = [event for event in fresh if (event.kind, event.actor) == (row.kind, row.actor)]
    assert told, [(event.kind, event.actor, event.text) for event in fresh]
    return told[0]


def test_every_call_that_writes_has_a_row() -> None:
    writes = {endpoint.name for endpoint in all_endpoints() if endpoint.method not in {"GET", "HEAD"}}
    assert CALLS.keys() <= writes and writes <= CALLS.keys() | SILENT.keys()
    assert not CALLS.keys() & SILENT.keys()


def test_every_form_has_a_row(stage: tuple[Installation, dict[str, str]]) -> None:
    rules = [rule for rule in stage[0].app.url_map.iter_rules() if rule.endpoint.startswith("ui.")]
    forms = {rule.endpoint.removeprefix("ui.") for rule in rules if "POST" in (rule.methods or ())}
    assert forms == FORMS.keys() | SILENT_FORMS.keys() and not FORMS.keys() & SILENT_FORMS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_a_line_with_its_callers_name(stage: tuple[Installation, dict[str, str]], name: str) -> None:
    (installed, made), row = stage, CALLS[name]
    method = next(endpoint.method for endpoint in all_endpoints() if endpoint.name == name)
    headers = installed.caller(row.who).headers if row.who else {}
    before = last_event_id(installed.core.db)
    sent = row.sent or (None if method == "DELETE" or name.endswith(("_deployment", "_version", "route")) else {})
    answer = installed.app.test_client().open(
        API + str(fill(row.path, made)), method=method, headers=headers, json=sent
    )  # fmt: skip
    assert answer.status_code < 300, answer.text
    event = check(installed, row, before)
    reader = installed.caller("reader")  # everybody may read it
    assert event.id in {line["id"] for line in reader.get("/events").json}
    lines = reader.get(f"/events?actor={row.actor}").json
    assert event.id in {line["id"] for line in lines} and {line["actor"] for line in lines} == {row.actor}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_leaves_a_line_with_its_senders_name(stage: tuple[Installation, dict[str, str]], name: str) -> None:
    (installed, made), row = stage, FORMS[name]
    client, csrf = installed.app.test_client(), {}
    if row.who:
        assert client.post("/login", data={"token": installed.tokens[row.who]}).status_code == 302
        csrf["csrf"] = client.get("/").text.partition('name="csrf" content="')[2].partition('"')[0]
    before = last_event_id(installed.core.db)
    answer = client.post(
        str(fill(row.path, made)), data=csrf | {key: fill(value, made) for key, value in row.sent.items()}
    )
    assert answer.status_code in {200, 303}, answer.text
    event = check(installed, row, before)
    reader = installed.app.test_client()
    reader.post("/login", data={"token": installed.tokens["reader"]})
    line = reader.get(f"/events?actor={row.actor}").text.partition(f'id="event-{event.id}"')[2].partition("</li>")[0]
    assert f"by {row.actor}" in line
    assert "Nothing of that kind" in reader.get("/events?actor=nobody").text
