"""Role, permission and ownership: the table, and what becomes of tokens of accounts that are disabled or deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serai.domain.accounts import Account, Role, Team
from serai.domain.deployment import Settings
from serai.plugin import Permission
from serai.store import accounts, deployments, teams
from serai.store.tokens import create_token
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
    assert make("ann", login="bob")[0] == make("eve")[0] == 403
    assert make("root", login="bob")[0] == 201
    anns = {"Authorization": f"Bearer {made['token']}"}
    assert {token["login"] for token in client.get(f"{API}/tokens", headers=anns).get_json()} == {"ann"}
    bobs = {"Authorization": f"Bearer {tokens['bob']}"}
    assert client.delete(f"{API}/tokens/{made['id']}", headers=bobs).status_code == 404
    assert client.delete(f"{API}/tokens/{made['id']}", headers=anns).status_code == 204
    assert client.get(f"{API}/whoami", headers=anns).status_code == 401
    kinds = [event["kind"] for event in client.get(f"{API}/events", headers=bobs).get_json()]
    assert kinds[0] == "token.revoked" and "token.created" in kinds


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
