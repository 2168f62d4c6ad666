"""The security model of accounts: passwords, addresses to set one, roles, owners, teams and tokens."""

from __future__ import annotations

import hashlib
import logging
import time
from datetime import timedelta

import pytest

from serai.domain.accounts import Account, Role
from serai.domain.errors import Conflict, Forbidden, TooManyTries
from serai.plugin import Credentials, Permission
from serai.store.accounts import create_account, ensure_account
from serai.store.tokens import create_token
from serai.web.attempts import Attempts
from tests.security.stage import (
    OTHER,
    PASSWORD,
    add_account,
    ask,
    caller_of,
    everything_stored,
    session_of,
    sign_in,
)
from tests.web.installation import Caller, Installation

# accounts and passwords


def test_passwords_are_hashed(installed: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """A password is kept as its argon2id hash, and stands in no answer, no line of the timeline and no log."""
    caplog.set_level(logging.DEBUG)
    admin = installed.caller()
    made = admin.post("/users", {"login": "amy", "password": PASSWORD})
    changed = admin.put("/users/amy/password", {"password": OTHER})
    asked = [ask(installed, "amy", password) for password in (PASSWORD, OTHER)]
    assert [answer.status_code for answer in (made, changed, *asked)] == [201, 204, 401, 201]
    stored = everything_stored(installed)
    assert "$argon2id$" in stored
    texts = [
        stored,
        caplog.text,
        admin.get("/users").text,
        admin.get("/events").text,
        sign_in(installed).get("/users").text,
    ]
    texts += [answer.text for answer in (made, changed, *asked)]
    assert not [text for text in texts if PASSWORD in text or OTHER in text]


def test_passwords_have_bounds(installed: Installation) -> None:
    """A password has 10 to 1000 characters and is not the login."""
    add_account(installed, "a-long-login")
    for password, status in (
        ("x" * 9, 422),
        ("x" * 1001, 422),
        ("A-Long-Login", 422),
        ("x" * 10, 204),
        ("x" * 1000, 204),
    ):
        answer = installed.caller().put("/users/a-long-login/password", {"password": password})
        assert answer.status_code == status and password not in answer.text


def test_refusals_are_alike(installed: Installation) -> None:
    """A wrong password, a login that nobody has and a disabled account are refused alike, and after the same work."""
    add_account(installed)
    add_account(installed, "bob")
    installed.caller().patch("/users/bob", {"disabled": True})
    tries = {"wrong": ("amy", OTHER), "nobody": ("zoe", PASSWORD), "disabled": ("bob", PASSWORD)}
    answers, spent_s = set(), {}
    for name, (login, password) in tries.items():
        begun_s = time.process_time()
        for _ in range(3):
            answer = ask(installed, login, password)
            answers.add((answer.status_code, answer.text))
        spent_s[name] = time.process_time() - begun_s
    assert len(answers) == 1 and next(iter(answers))[0] == 401
    assert max(spent_s.values()) < 4 * min(spent_s.values()), spent_s  # without the work a try is 50 times as fast


def test_guesses_are_bounded(installed: Installation) -> None:
    """Ten failures of a login from one address, fifty from one address or two hundred of one login within ten minutes
    have the next ones refused unseen, with the right password as well."""
    add_account(installed)
    statuses = [ask(installed, "amy", f"guess number {number}").status_code for number in range(10)]
    assert statuses == [401] * 10 and ask(installed, "amy", PASSWORD).status_code == 429
    page = installed.app.test_client().post("/login", data={"login": "amy", "password": PASSWORD})
    assert page.status_code == 429
    installed.clock.advance(601)
    assert ask(installed, "amy", PASSWORD).status_code == 201
    now = installed.clock()
    for bound, login, client in (
        (10, lambda n: "amy", lambda n: "1.1.1.1"),
        (50, lambda n: f"user{n}", lambda n: "1.1.1.1"),
        (200, lambda n: "amy", lambda n: f"10.0.{n // 250}.{n % 250}"),
    ):
        attempts = Attempts()
        for number in range(bound):
            attempts.check(login(number), client(number), now)
            attempts.note_failure(login(number), client(number), now)
        with pytest.raises(TooManyTries):
            attempts.check(login(bound), client(bound), now)
        attempts.check(login(bound), client(bound), now + timedelta(seconds=601))


def test_logins_end(installed: Installation) -> None:
    """Login and password give a program a token that ends after thirty days unless it asks for another end."""
    add_account(installed)
    caller, short = caller_of(installed), caller_of(installed, expires_in="1h")
    installed.clock.advance(3600)
    assert (caller.get("/whoami").status_code, short.get("/whoami").status_code) == (200, 401)
    installed.clock.advance(30 * 86400 - 3600)
    assert caller.get("/whoami").status_code == 401


def test_new_passwords_end_what_was(installed: Installation) -> None:
    """A new password ends the account's sessions and logins, and disabling the account ends them for good."""
    add_account(installed)
    admin = installed.caller()
    for end in (
        lambda: admin.put("/users/amy/password", {"password": PASSWORD}),
        lambda: [admin.patch("/users/amy", {"disabled": disabled}) for disabled in (True, False)],
    ):
        session, login = session_of(installed), caller_of(installed)
        assert (session.get("/").status_code, login.get("/whoami").status_code) == (200, 200)
        end()
        assert (session.get("/").status_code, login.get("/whoami").status_code) == (302, 401)


def test_accounts_end(installed: Installation) -> None:
    """A disabled account's tokens are refused from its next request on, and a deleted one's are gone."""
    add_account(installed)
    made = caller_of(installed).post("/tokens", {"name": "ci", "permissions": ["read"]})
    token, admin = Caller(installed.app.test_client(), made.json["token"]), installed.caller()
    for disabled, status in ((True, 401), (False, 200)):
        admin.patch("/users/amy", {"disabled": disabled})
        assert token.get("/whoami").status_code == status
    admin.delete("/users/amy")
    add_account(installed)  # another person of the same login
    assert token.get("/whoami").status_code == 401


# addresses to set a password


def make_code(installed: Installation, login: str = "amy", expires_in: str = "24h") -> str:
    answer = installed.caller().post(f"/users/{login}/reset", {"expires_in": expires_in})
    assert answer.status_code == 201, answer.text
    return str(answer.json["url"]).partition("code=")[2]


def use(installed: Installation, code: str, password: str = OTHER) -> int:
    form = {"code": code, "new": password, "again": password}
    return installed.app.test_client().post("/login/new-password", data=form).status_code


def test_addresses_work_once(installed: Installation) -> None:
    """An address sets one account's password once, within its time, and not after a newer address or another
    password."""
    add_account(installed)
    add_account(installed, "bob")
    used = make_code(installed)
    assert [use(installed, used), use(installed, used)] == [303, 401]
    assert ask(installed, "amy", OTHER).status_code == 201 and ask(installed, "bob", PASSWORD).status_code == 201
    late = make_code(installed, expires_in="1h")
    installed.clock.advance(3600)
    older, newer = make_code(installed), make_code(installed)
    assert [use(installed, code) for code in (late, older)] == [401, 401]
    installed.caller().put("/users/amy/password", {"password": PASSWORD})
    assert use(installed, newer) == 401 and ask(installed, "amy", PASSWORD).status_code == 201


def test_addresses_are_hashed(installed: Installation) -> None:
    """An address holds 256 random bits, of which the store keeps the SHA-256 alone, and is shown once."""
    add_account(installed)
    code, admin = make_code(installed), installed.caller()
    stored = everything_stored(installed)
    assert len(code) == 43 and hashlib.sha256(code.encode()).hexdigest() in stored
    pages = [sign_in(installed).get(path).text for path in ("/users", "/events")]
    for text in (stored, admin.get("/users").text, admin.get("/events").text, *pages):
        assert code not in text and code[8:] not in text


def test_addresses_are_opened_freely(installed: Installation) -> None:
    """Opening an address changes nothing, so that programs that read mail may do it."""
    add_account(installed)
    code = make_code(installed)
    before = everything_stored(installed)
    for _ in range(3):
        assert installed.app.test_client().get(f"/login/new-password?code={code}").status_code == 200
    assert everything_stored(installed) == before and use(installed, code) == 303


def test_who_makes_addresses(installed: Installation) -> None:
    """Administrators alone make addresses, and none for an account that is disabled or signs in elsewhere."""
    add_account(installed)
    for who in ("writer", "reader", "gateway"):
        assert installed.caller(who).post("/users/amy/reset", {}).status_code == 403
    assert caller_of(installed).post("/users/amy/reset", {}).status_code == 403
    installed.caller().patch("/users/amy", {"disabled": True})
    elsewhere = Account("zoe", "", "", Role.MEMBER, installed.clock(), provider="oidc")
    create_account(installed.core.db, elsewhere, "root")
    assert [installed.caller().post(f"/users/{login}/reset", {}).status_code for login in ("amy", "zoe")] == [409, 409]


# roles, owners and teams


def test_roles_bound_tokens(installed: Installation) -> None:
    """A token never does more than its account's role allows at the moment."""
    add_account(installed, role="viewer")
    token = create_token(installed.core.db, "wide", "amy", frozenset(Permission), installed.clock())[1]
    caller = Caller(installed.app.test_client(), token)
    for role, statuses in (("viewer", (403, 403)), ("member", (404, 403)), ("administrator", (404, 200))):
        installed.caller().patch("/users/amy", {"role": role})
        asked = (caller.post("/deployments/nothing/stop").status_code, caller.get("/users").status_code)
        assert asked == statuses, role


def test_owners(installed: Installation) -> None:
    """A member writes to what the account or one of its teams owns, and to nothing else that is there."""
    for login in ("amy", "bob"):
        add_account(installed, login)
    installed.caller().put("/teams/vision", {"members": ["bob"]})
    amy, bob = caller_of(installed), caller_of(installed, "bob")
    assert amy.put("/deployments/m", {"image": "model:1"}).status_code == 201
    writes = [
        ("PUT", "", {"image": "model:2"}), ("PATCH", "", {"count": 2}), ("PUT", "/owner", {"owner": "bob"}),
        ("POST", "/stop", None), ("POST", "/idle", None), ("POST", "/wake", None), ("DELETE", "", None),
        ("POST", "/versions/1/start", None), ("POST", "/versions/1/stop", None), ("DELETE", "/versions/1", None),
    ]  # fmt: skip
    assert {bob.send(method, f"/deployments/m{path}", body).status_code for method, path, body in writes} == {403}
    assert bob.get("/deployments/m").status_code == 200
    assert amy.put("/deployments/m/owner", {"owner": "team:vision"}).status_code == 200
    assert bob.patch("/deployments/m", {"count": 2}).status_code == 200
    assert amy.patch("/deployments/m", {"count": 3}).status_code == 403


def test_overtaken_calls(installed: Installation) -> None:
    """A call that is overtaken by a change of owner does not write any more."""
    for login in ("amy", "bob"):
        add_account(installed, login)
    amy = caller_of(installed)
    amy.put("/deployments/m", {"image": "model:1"})
    let_in = installed.core.plugins.authenticate(Credentials(amy.headers["Authorization"].partition(" ")[2]))
    installed.core.plugins.authorize(let_in, Permission.WRITE, "m")
    assert amy.put("/deployments/m/owner", {"owner": "bob"}).status_code == 200
    with pytest.raises(Forbidden, match="belongs to bob"):
        installed.core.lifecycle.change("m", {"count": 7}, let_in)
    assert installed.caller("reader").get("/deployments/m").json["count"] == 1


def test_tokens_of_ones_own(installed: Installation) -> None:
    """Who is no administrator makes and revokes tokens of the own login alone, and none that may do more."""
    for login, role in (("amy", "viewer"), ("bob", "member")):
        add_account(installed, login, role=role)
    amy, bob = caller_of(installed), caller_of(installed, "bob")
    for caller, body, status in (
        (amy, {"permissions": ["read"]}, 201),
        (amy, {"permissions": ["write"]}, 403),
        (amy, {"permissions": ["read"], "login": "bob"}, 403),
        (bob, {"permissions": ["write"]}, 201),
        (bob, {"permissions": ["admin"]}, 403),
        (bob, {"permissions": ["gateway"]}, 403),
    ):
        assert caller.post("/tokens", {"name": "x", **body}).status_code == status, body
    narrow = Caller(
        installed.app.test_client(), bob.post("/tokens", {"name": "ci", "permissions": ["read"]}).json["token"]
    )
    wide = next(token for token in bob.get("/tokens").json if token["permissions"] == ["write"])
    assert [caller.delete(f"/tokens/{wide['id']}").status_code for caller in (amy, narrow, bob)] == [404, 403, 204]


def test_names_of_the_installation(installed: Installation) -> None:
    """No account has a login of the installation's own."""
    for login in ("admin", "gateway"):
        assert installed.caller().post("/users", {"login": login}).status_code == 409
        with pytest.raises(Conflict):
            ensure_account(
                installed.core.db, login, "", "", Role.VIEWER, installed.clock(), provider="oidc", subject="7"
            )


def test_the_trail(installed: Installation) -> None:
    """What is done to accounts, teams, owners, keys, limits and tokens stands in the timeline with the login of who
    did it."""
    add_account(installed)
    add_account(installed, "root", role="administrator")
    root, amy = caller_of(installed, "root"), caller_of(installed)
    amy.put("/deployments/m", {"image": "model:1"})
    for caller, method, path, body, kind in (  # the table of every call is tests/web/test_web_audit.py
        (root, "POST", "/users", {"login": "zoe"}, "account.created"),
        (root, "PATCH", "/users/zoe", {"role": "viewer"}, "account.changed"),
        (root, "POST", "/users/zoe/reset", {}, "account.reset"),
        (root, "PUT", "/teams/vision", {"members": ["amy"]}, "team.created"),
        (amy, "PATCH", "/deployments/m", {"limits": {"per_key": "5/s"}}, "deployment.changed"),
        (amy, "PUT", "/deployments/m/owner", {"owner": "team:vision"}, "deployment.changed"),
        (amy, "POST", "/keys", {"name": "ci"}, "key.created"),
        (amy, "POST", "/tokens", {"name": "ci", "permissions": ["read"]}, "token.created"),
    ):
        assert caller.send(method, path, body).status_code < 300, path
        [newest] = installed.caller("reader").get("/events?limit=1").json
        assert (newest["kind"], newest["actor"]) == (kind, "root" if caller is root else "amy")
