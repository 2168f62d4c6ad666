"""Role, permission and ownership: the table, and what becomes of tokens of accounts that are disabled or deleted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from serai.domain.accounts import Account, Role, Team
from serai.domain.deployment import Settings
from serai.domain.errors import Forbidden
from serai.domain.manifest import parse_manifest
from serai.plugin import Credentials, Identity, Permission
from serai.reconcile.lifecycle import Lifecycle
from serai.store import accounts, deployments, teams
from serai.store.events import last_event_id
from serai.store.tokens import create_token
from tests.waiting import eventually
from tests.web.installation import API, Installation

EVERYTHING = frozenset(Permission)
ROLES = {"root": Role.ADMINISTRATOR, "ann": Role.MEMBER, "bob": Role.MEMBER, "eve": Role.VIEWER}
OWNERS = {"anns": "ann", "bobs": "bob", "teams": "team:vision", "viewers": "eve"}
# Who may scale what, with a token of the widest scope.
WRITES = {
    "root": {"anns", "bobs", "teams", "viewers"},
    "ann": {"anns", "teams"},
    "bob": {"bobs"},
    "eve": set(),
    "robot": {"anns", "bobs", "teams", "viewers"},
}


@pytest.fixture
def tokens(installation: Installation) -> dict[str, str]:
    db, now = installation.core.db, installation.core.clock()
    for login, role in ROLES.items():
        accounts.create_account(db, Account(login, "", "", role, now), "root")
    teams.create_team(db, Team("vision", "", now, ("ann",)), "root")
    for name, owner in OWNERS.items():
        deployments.create_deployment(db, name, owner, Settings(), now, "root")
        installation.core.cluster.refresh(name)
    return {login: create_token(db, "x", login, EVERYTHING, now)[1] for login in (*ROLES, "robot")}


def ask(installation: Installation, token: str, path: str, method: str = "GET") -> tuple[int, str]:
    body = {"replicas": 1} if method == "PATCH" else None
    answer = installation.app.test_client().open(
        API + path, method=method, headers={"Authorization": f"Bearer {token}"}, json=body
    )
    return answer.status_code, (answer.get_json() or {}).get("detail", "") if answer.status_code >= 400 else ""


@pytest.mark.parametrize("name", OWNERS)
@pytest.mark.parametrize("login", WRITES)
def test_who_writes_to_what(installation: Installation, tokens: dict[str, str], login: str, name: str) -> None:
    assert ask(installation, tokens[login], f"/deployments/{name}")[0] == 200
    status, detail = ask(installation, tokens[login], f"/deployments/{name}", "PATCH")
    assert (status == 200) == (name in WRITES[login]), detail
    assert status in {200, 403}


def test_a_refusal_names_the_owner_and_the_way_out(installation: Installation, tokens: dict[str, str]) -> None:
    status, detail = ask(installation, tokens["bob"], "/deployments/teams", "PATCH")
    assert status == 403
    assert detail.startswith("teams belongs to team vision") and "administrator" in detail


@pytest.mark.parametrize("login", ["ann", "eve"])
def test_no_scope_is_wider_than_the_role(installation: Installation, tokens: dict[str, str], login: str) -> None:
    assert ask(installation, tokens[login], "/users")[0] == 403
    assert ask(installation, tokens[login], "/routes")[0] == 403


def test_a_token_follows_the_role_and_what_it_is_scoped_to(installation: Installation, tokens: dict[str, str]) -> None:
    db, now = installation.core.db, installation.core.clock()
    narrow = create_token(db, "x", "ann", {Permission.READ}, now)[1]
    assert ask(installation, narrow, "/deployments/anns", "PATCH")[0] == 403
    ann = accounts.get_account(db, "ann")
    accounts.change_account(db, replace(ann, role=Role.VIEWER), now, "root")
    assert ask(installation, tokens["ann"], "/deployments/anns", "PATCH")[0] == 403
    accounts.change_account(db, replace(ann, role=Role.ADMINISTRATOR), now, "root")
    assert ask(installation, tokens["ann"], "/users")[0] == 200
    assert ask(installation, narrow, "/users")[0] == 403


def test_leaving_a_team_takes_its_deployments_away(installation: Installation, tokens: dict[str, str]) -> None:
    teams.leave_team(installation.core.db, "vision", "ann", installation.core.clock(), "root")
    assert ask(installation, tokens["ann"], "/deployments/teams", "PATCH")[0] == 403


def test_disabled_and_deleted_accounts_are_refused_at_once(installation: Installation, tokens: dict[str, str]) -> None:
    db, now = installation.core.db, installation.core.clock()
    eve = accounts.get_account(db, "eve")
    accounts.change_account(db, replace(eve, is_disabled=True), now, "root")
    status, detail = ask(installation, tokens["eve"], "/whoami")
    assert (status, "disabled" in detail) == (401, True)
    accounts.change_account(db, eve, now, "root")
    assert ask(installation, tokens["eve"], "/whoami")[0] == 200
    deployments.delete_deployment(db, "viewers", now, "root")
    accounts.delete_account(db, "eve", now, "root")
    assert ask(installation, tokens["eve"], "/whoami")[0] == 401


def test_an_administrator_disables_changes_and_deletes_accounts(
    installation: Installation, tokens: dict[str, str]
) -> None:
    client, root = installation.app.test_client(), {"Authorization": f"Bearer {tokens['root']}"}
    assert [user["login"] for user in client.get(f"{API}/users", headers=root).get_json()] == sorted(ROLES)
    assert ask(installation, tokens["ann"], "/users")[0] == 403
    after = client.patch(f"{API}/users/ann", headers=root, json={"role": "viewer", "name": "Ann"}).get_json()
    assert (after["role"], after["name"], after["disabled"]) == ("viewer", "Ann", False)
    assert client.patch(f"{API}/users/ann", headers=root, json={"disabled": True}).status_code == 200
    assert ask(installation, tokens["ann"], "/whoami")[0] == 401
    refusal = client.delete(f"{API}/users/ann", headers=root)
    assert (refusal.status_code, refusal.get_json()["code"]) == (409, "account-owns")
    assert client.get(f"{API}/users/zoe", headers=root).status_code == 404


def test_everybody_makes_tokens_of_their_own_within_their_right(
    installation: Installation, tokens: dict[str, str]
) -> None:
    client = installation.app.test_client()

    def make(who: str, **body: object) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"Bearer {tokens[who]}"}
        answer = client.post(f"{API}/tokens", headers=headers, json={"name": "ci", "permissions": ["read"]} | body)
        return answer.status_code, answer.get_json()

    status, made = make("ann", permissions=["write"], expires_in="90d")
    assert (status, made["login"]) == (201, "ann")
    assert make("ann", permissions=["admin"])[0] == make("ann", permissions=["gateway"])[0] == 403
    assert make("ann", login="bob")[0] == make("eve", permissions=["write"])[0] == make("eve", login="ann")[0] == 403
    assert make("root", login="bob")[0] == 201
    anns = {"Authorization": f"Bearer {made['token']}"}
    assert {token["login"] for token in client.get(f"{API}/tokens", headers=anns).get_json()} == {"ann"}
    bobs = {"Authorization": f"Bearer {tokens['bob']}"}
    assert client.delete(f"{API}/tokens/{made['id']}", headers=bobs).status_code == 404
    assert client.delete(f"{API}/tokens/{made['id']}", headers=anns).status_code == 204
    assert client.get(f"{API}/whoami", headers=anns).status_code == 401
    kinds = [event["kind"] for event in client.get(f"{API}/events", headers=bobs).get_json()]
    assert kinds[0] == "token.revoked" and "token.created" in kinds


def test_a_viewer_makes_and_revokes_tokens_that_read(installation: Installation, tokens: dict[str, str]) -> None:
    client, eves = installation.app.test_client(), {"Authorization": f"Bearer {tokens['eve']}"}
    made = client.post(f"{API}/tokens", headers=eves, json={"name": "ci", "permissions": ["read"]})
    assert (made.status_code, made.get_json()["permissions"]) == (201, ["read"])
    token = made.get_json()["token"]
    assert ask(installation, token, "/deployments/viewers")[0] == 200
    assert ask(installation, token, "/deployments/viewers", "PATCH")[0] == 403
    assert client.delete(f"{API}/tokens/{made.get_json()['id']}", headers=eves).status_code == 204
    assert ask(installation, token, "/whoami")[0] == 401


def test_a_token_that_only_reads_ends_none_that_writes(installation: Installation, tokens: dict[str, str]) -> None:
    db, now = installation.core.db, installation.core.clock()
    wide = create_token(db, "wide", "ann", {Permission.ADMIN}, now)[0]
    narrow, plaintext = create_token(db, "narrow", "ann", {Permission.READ}, now)
    status, detail = ask(installation, plaintext, f"/tokens/{wide.id}", "DELETE")
    assert status == 403 and "'fetch', which you call without" in detail
    assert ask(installation, tokens["ann"], "/whoami")[0] == 200
    assert ask(installation, plaintext, f"/tokens/{narrow.id}", "DELETE")[0] == 204
    assert ask(installation, tokens["ann"], f"/tokens/{wide.id}", "DELETE")[0] == 204
    was_wide = create_token(db, "made as a member", "eve", {Permission.WRITE}, now)[0]
    assert ask(installation, tokens["eve"], f"/tokens/{was_wide.id}", "DELETE")[0] == 204, "it reads alone by now"


# the owner changes between the question and the write


def verbs(installation: Installation) -> dict[str, Callable[[Identity], object]]:
    """Return every verb about the deployment `m`, whose version 2 runs."""
    lifecycle = installation.core.lifecycle
    return {
        "deploy": lambda caller: lifecycle.deploy(parse_manifest({"name": "m", "image": "model:3"}), caller),
        "change": lambda caller: lifecycle.change("m", {"count": 2}, caller),
        "give": lambda caller: lifecycle.give("m", "ann", caller),
        "start": lambda caller: lifecycle.start("m", 1, caller),
        "stop": lambda caller: lifecycle.stop("m", None, caller),
        "idle": lambda caller: lifecycle.idle("m", caller),
        "wake": lambda caller: lifecycle.wake("m", caller),
        "delete_version": lambda caller: lifecycle.delete_version("m", 1, caller),
        "delete": lambda caller: lifecycle.delete("m", caller),
    }


VERBS = sorted({name for name in vars(Lifecycle) if not name.startswith("_")} - {"check_fit"})


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_asks_again_where_it_writes(installation: Installation, tokens: dict[str, str], verb: str) -> None:
    installation.deploy("m")
    installation.deploy("m", image="model:2")
    installation.tick(3)
    core = installation.core
    core.lifecycle.give("m", "bob", "root")
    if verb == "delete":
        core.lifecycle.stop("m", None, "root")
        installation.tick(4)
    before, known = core.cluster.view("m"), last_event_id(core.db)
    ann = core.plugins.authenticate(Credentials(tokens["ann"]))
    with pytest.raises(Forbidden, match="belongs to bob"):
        verbs(installation)[verb](ann)
    core.cluster.refresh("m")
    assert core.cluster.view("m") == before and last_event_id(core.db) == known
    bob = core.plugins.authenticate(Credentials(tokens["bob"]))
    verbs(installation)[verb](bob)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/deployments/anns", {"image": "model:9"}),
        ("PATCH", "/deployments/anns", {"count": 7}),
        ("PUT", "/deployments/anns/owner", {"owner": "ann"}),
    ],
)
def test_a_transfer_that_overtakes_a_call_holds(
    installation: Installation, tokens: dict[str, str], method: str, path: str, body: dict[str, object]
) -> None:
    """The call was let in as the owner's; when its turn to write comes, the deployment is somebody else's."""
    db, now = installation.core.db, installation.core.clock()
    ask(installation, tokens["ann"], "/whoami")  # so that the use of the token is noted and need not be written
    headers, statuses = {"Authorization": f"Bearer {tokens['ann']}"}, []

    def call() -> None:
        client = installation.app.test_client()
        statuses.append(client.open(API + path, method=method, headers=headers, json=body).status_code)

    caller = threading.Thread(target=call)
    with db.write():
        deployments.change_owner(db, "anns", "bob", now, "root")
        caller.start()
        eventually(lambda: waits_to_write(caller))
    caller.join(10)
    assert statuses == [403]
    after = deployments.get_deployment(db, "anns")
    assert (after.owner, after.settings, after.active) == ("bob", Settings(), None)


def waits_to_write(thread: threading.Thread) -> bool:
    """Return whether a thread stands where writers queue."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "_alone":
            return True
        frame = frame.f_back
    return False


def test_a_page_that_names_its_deployment_in_the_form_asks_as_well(
    installation: Installation, tokens: dict[str, str]
) -> None:
    client = installation.app.test_client()
    client.post("/login", data={"token": tokens["bob"]})
    page = client.get("/new").get_data(as_text=True)
    csrf = page.split('name="csrf" content="')[1].split('"')[0]
    answer = client.post(
        "/new", data={"csrf": csrf, "source": "image", "name": "anns", "image": "a/b:1", "manifest": "command: x\n"}
    )
    assert answer.status_code == 422 and "already" in answer.get_data(as_text=True)
    assert client.get(f"{API}/deployments/anns").get_json()["versions"] == []
