"""Nobody gets anything without a token, and nobody more than theirs allows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from serai.domain.errors import Unauthenticated
from serai.plugin import Credentials, Permission
from serai.store.tokens import create_token, list_tokens, revoke_token
from serai.web.resources import all_endpoints
from serai.web.session import COOKIE, CSRF_HEADER, Session, dump_session, make_csrf_token
from tests.web.installation import API, Installation

OPEN = {"/healthz", "/openapi.json", f"{API}/sign-in"}
# What is one's own is everybody's to change: who may only read has tokens, too.
OWN = {f"{API}/tokens", f"{API}/tokens/1"}
NEEDS = [
    (endpoint.method, re.sub(r"<int:\w+>", "1", endpoint.rule).replace("<name>", "m"), endpoint.needs)
    for endpoint in all_endpoints()
    if endpoint.needs
]
NEEDS = [(method, path.replace("<digest>", "sha256:" + 64 * "0"), needs) for method, path, needs in NEEDS]
HAS = {
    "reader": {Permission.READ},
    "writer": {Permission.READ, Permission.WRITE, Permission.FETCH, Permission.SPANS},
    "admin": {Permission.READ, Permission.WRITE, Permission.ADMIN, Permission.FETCH, Permission.SPANS},
    "gateway": {Permission.GATEWAY},
}


def test_every_path_of_the_app_declares_what_it_needs(installation: Installation) -> None:
    declared = {(endpoint.method, endpoint.rule) for endpoint in all_endpoints()}
    for rule in installation.app.url_map.iter_rules():
        if rule.endpoint.startswith("ui."):
            continue  # the pages' own frame asks for a signed-in viewer
        for method in (rule.methods or set()) - {"HEAD"}:
            assert (method, rule.rule) in declared or rule.rule in OPEN
    assert {endpoint.rule for endpoint in all_endpoints() if endpoint.needs is None} <= OPEN


def test_what_changes_something_needs_more_than_reading() -> None:
    for method, path, needs in NEEDS:
        assert method in {"GET", "HEAD"} or needs is not Permission.READ or path in OWN, path


@pytest.mark.parametrize(("method", "path", "needs"), NEEDS, ids=str)
def test_only_who_may_gets_in(installation: Installation, method: str, path: str, needs: Permission) -> None:
    client = installation.app.test_client()
    assert client.open(path, method=method).status_code == 401
    for who, has in HAS.items():
        headers = {"Authorization": f"Bearer {installation.tokens[who]}"}
        status = client.open(path, method=method, headers=headers).status_code
        assert (status == 403) == (needs not in has), who
        assert status != 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic dXNlcg==", "Bearer serai_wrong", "Bearer other", "Bearer " + 9000 * "x", "ü"]
)
def test_bad_credentials_are_refused(installation: Installation, header: str) -> None:
    answer = installation.app.test_client().get(f"{API}/whoami", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json["code"] == "unauthenticated"
    assert "WWW-Authenticate" in answer.headers


def test_whoami(installation: Installation) -> None:
    assert installation.caller("writer").get("/whoami").json == {"login": "will", "permissions": ["write"]}


def test_a_token_is_shown_once_works_and_ends(installation: Installation) -> None:
    admin = installation.caller()
    made = admin.post("/tokens", {"name": "ci", "permissions": ["read"], "login": "robot", "expires_in": "1h"})
    assert made.status_code == 201
    installation.tokens["robot"] = made.json["token"]
    robot = installation.caller("robot")
    assert robot.get("/whoami").json["login"] == "robot"
    listed = next(token for token in admin.get("/tokens").json if token["id"] == made.json["id"])
    assert "token" not in listed
    assert listed["last_used_at"] is not None
    assert made.json["token"].startswith(listed["prefix"])
    installation.clock.advance(3601)
    assert robot.get("/whoami").status_code == 401


def test_a_revoked_token_is_refused_at_once(installation: Installation) -> None:
    admin = installation.caller()
    made = admin.post("/tokens", {"name": "ci", "permissions": ["read"]}).json
    installation.tokens["ci"] = made["token"]
    assert installation.caller("ci").get("/whoami").status_code == 200
    assert admin.delete(f"/tokens/{made['id']}").status_code == 204
    assert installation.caller("ci").get("/whoami").status_code == 401
    assert admin.delete(f"/tokens/{made['id']}").json["code"] == "token-not-found"


def sign_in(installation: Installation, *permissions: Permission) -> tuple[str, str, int]:
    """Return a session's cookie, its CSRF token and the id of the token it was made from."""
    now = installation.clock()
    pasted, _ = create_token(installation.core.db, "pasted", "ann", permissions, now)
    _, own = create_token(installation.core.db, "session", "ann", permissions, now)
    session = Session(own, pasted.id)
    key = installation.core.secret_key
    return dump_session(key, session), make_csrf_token(key, session), pasted.id


def test_the_pages_cookie_is_as_good_as_a_token(installation: Installation) -> None:
    cookie, _, pasted = sign_in(installation, Permission.READ)
    client = installation.app.test_client()
    client.set_cookie(COOKIE, cookie)
    assert client.get(f"{API}/whoami").json["login"] == "ann"
    revoke_token(installation.core.db, pasted)
    assert client.get(f"{API}/whoami").status_code == 401


def test_a_session_ends_with_the_token_it_was_made_from(installation: Installation) -> None:
    db, now = installation.core.db, installation.clock()
    pasted, _ = create_token(db, "pasted", "ann", [Permission.READ], now, now + timedelta(minutes=5))
    _, own = create_token(db, "session", "ann", [Permission.READ], now)
    client = installation.app.test_client()
    client.set_cookie(COOKIE, dump_session(installation.core.secret_key, Session(own, pasted.id)))
    assert client.get(f"{API}/whoami").status_code == 200
    installation.clock.advance(301)
    assert client.get(f"{API}/whoami").status_code == 401


def test_a_cookie_alone_changes_nothing(installation: Installation) -> None:
    installation.deploy()
    cookie, csrf, _ = sign_in(installation, Permission.WRITE)
    client = installation.app.test_client()
    client.set_cookie(COOKIE, cookie)
    for headers in ({}, {CSRF_HEADER: "wrong"}):
        answer = client.patch(f"{API}/deployments/m", json={"count": 3}, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (403, "csrf")
    assert client.patch(f"{API}/deployments/m", json={"count": 3}, headers={CSRF_HEADER: csrf}).status_code == 200


@pytest.mark.parametrize("cookie", ["", "x", "WyJ0b2tlbiIsMF0.forged"])
def test_a_forged_cookie_is_no_session(installation: Installation, cookie: str) -> None:
    client = installation.app.test_client()
    client.set_cookie(COOKIE, cookie)
    assert client.get(f"{API}/whoami").status_code == 401


def test_the_hooks_of_the_token_plugin(installation: Installation) -> None:
    plugins = installation.core.plugins
    assert plugins.authenticate(Credentials(installation.tokens["admin"])).login == "ann"
    for token in ("serai_" + 43 * "x", "another-plugins"):
        with pytest.raises(Unauthenticated):
            plugins.authenticate(Credentials(token))


def test_no_token_is_in_the_database_or_the_log(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        made = installation.caller().post("/tokens", {"name": "ci", "permissions": ["read"]}).json["token"]
        installation.tokens["ci"] = made
        installation.caller("ci").get("/whoami")
    assert made not in caplog.text
    assert made not in str(list_tokens(installation.core.db))
