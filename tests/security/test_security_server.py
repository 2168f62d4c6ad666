"""The security model of the server: who comes in, browsers, providers, bundles, secrets and what errors tell."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import stat
import tarfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from serai.app.server import ADMIN_TOKEN, make_tokens
from serai.cli.logging_setup import start_logging
from serai.domain.accounts import Role
from serai.domain.errors import Conflict, Invalid, Unauthenticated
from serai.plugin.archive import check
from serai.store import tokens
from serai.store.accounts import change_account, ensure_account, get_account
from serai.web.session import COOKIE, CSRF_HEADER
from serai_oidc.id_token import check_id_token
from serai_oidc.settings import load_settings
from tests.plugins.oidc_provider import make_key
from tests.security.stage import (
    PASSWORD,
    add_account,
    ask,
    csrf_of,
    everything_stored,
    sign_in,
)
from tests.web.installation import API, Installation, make_bundle

# who comes in


def test_nobody_without_a_token(installed: Installation) -> None:
    """Every endpoint of openapi.json but those that say so refuses a caller without a token."""
    client = installed.app.test_client()
    document = client.get("/openapi.json").json
    seen = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method not in {"get", "put", "post", "patch", "delete", "head"} or operation.get("security") == []:
                continue
            address = re.sub(r"\{(number|id|version)\}", "1", path)
            address = re.sub(r"\{\w+\}", "m", address)
            answer = client.open(address if address.startswith("/") else f"{API}/{address}", method=method.upper())
            assert answer.status_code == 401, (method, path)
            seen += 1
    assert seen > 30


def test_tokens_are_hashed(installed: Installation) -> None:
    """A token is 256 random bits, and the store keeps its SHA-256 alone."""
    token = installed.tokens["writer"]
    assert len(token.removeprefix(tokens.MARK)) == 43  # 256 bits in BASE64URL
    stored = everything_stored(installed)
    assert hashlib.sha256(token.encode()).hexdigest() in stored
    assert token not in stored and token.removeprefix(tokens.MARK)[6:] not in stored


def test_tokens_are_shown_once(installed: Installation) -> None:
    """A token's plaintext is in the answer that makes it and in none after."""
    admin = installed.caller()
    made = admin.post("/tokens", {"name": "ci", "permissions": ["read"]})
    assert made.json["token"].startswith(tokens.MARK)
    assert made.json["token"] not in admin.get("/tokens").text + admin.get("/events").text


def test_tokens_end(installed: Installation) -> None:
    """A revoked token is refused from then on."""
    reader = installed.caller("reader")
    assert reader.get("/deployments").status_code == 200
    mine = next(token for token in tokens.list_tokens(installed.core.db) if token.login == "ray")
    assert installed.caller().delete(f"/tokens/{mine.id}").status_code == 204
    assert reader.get("/deployments").status_code == 401


def test_tokens_are_narrow(installed: Installation) -> None:
    """A token opens nothing beyond its permissions."""
    assert installed.caller("reader").put("/deployments/m", {"image": "model:1"}).status_code == 403
    assert installed.caller("writer").get("/users").status_code == 403
    assert installed.caller("gateway").get("/deployments").status_code == 403


def test_pages_ask_for_a_session(installed: Installation) -> None:
    """Every page but sign-in and its files asks for a session first."""
    client, seen = installed.app.test_client(), 0
    for rule in installed.app.url_map.iter_rules():
        if not rule.endpoint.startswith("ui.") or rule.rule.startswith(("/login", "/assets")):
            continue
        address = re.sub(r"<int:\w+>", "1", rule.rule)
        address = re.sub(r"<[\w:]+>", "m", address)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = client.open(address, method=method)
            assert answer.status_code == 302 and "/login" in answer.location, (method, rule.rule, answer.status_code)
            seen += 1
    assert seen > 20


def test_the_administrators_file(installed: Installation) -> None:
    """The file of the administrator's token can be read by its owner alone."""
    make_tokens(installed.core.db, installed.core.data_dir)
    assert stat.S_IMODE((installed.core.data_dir / ADMIN_TOKEN).stat().st_mode) == 0o600
    assert stat.S_IMODE(installed.core.data_dir.stat().st_mode) == 0o700


# browsers


def test_flags_of_the_cookie(installed: Installation) -> None:
    """The session's cookie is HttpOnly and SameSite=Lax, and Secure behind TLS."""
    for base, is_secure in (("http://serai.test", False), ("https://serai.test", True)):
        answer = installed.app.test_client().post("/login", base_url=base, data={"token": installed.tokens["admin"]})
        parts = answer.headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Lax"} <= set(parts) and ("Secure" in parts) is is_secure


def test_what_the_cookie_holds(installed: Installation) -> None:
    """The session's cookie does not hold the token that was pasted."""
    cookie = sign_in(installed).get_cookie(COOKIE)
    assert cookie and installed.tokens["admin"] not in cookie.value


def test_signing_out(installed: Installation) -> None:
    """Signing out ends the session for every holder of its cookie."""
    client, thief = sign_in(installed), installed.app.test_client()
    cookie = client.get_cookie(COOKIE)
    assert cookie
    client.post("/logout", data={"csrf": csrf_of(client)})
    thief.set_cookie(COOKIE, cookie.value)
    assert thief.get("/").status_code == 302 and thief.get(f"{API}/deployments").status_code == 401


def test_csrf(installed: Installation) -> None:
    """A call that changes something with the cookie needs the session's CSRF token, on pages and API alike."""
    installed.deploy("m")
    client, other = sign_in(installed), sign_in(installed)
    for wrong in ({}, {CSRF_HEADER: "x"}, {CSRF_HEADER: csrf_of(other)}):
        assert client.delete(f"{API}/deployments/m", headers=wrong).status_code == 403
        assert client.post("/d/m/stop", headers=wrong).status_code == 403
    assert client.post("/d/m/stop", headers={CSRF_HEADER: csrf_of(client)}).status_code == 303


def test_forms_of_others(installed: Installation) -> None:
    """A form that another site sends is refused, before signing in as well."""
    headers = {"Origin": "http://evil.example"}
    client = installed.app.test_client()
    assert client.post("/login", data={"token": installed.tokens["admin"]}, headers=headers).status_code == 403
    assert client.get_cookie(COOKIE) is None


def test_policy_of_pages(installed: Installation) -> None:
    """No page runs a script that is not a file of Serai's own, and none can be framed."""
    installed.deploy("m")
    client = sign_in(installed)
    for path in ("/login", "/", "/d/m", "/d/m/settings", "/d/nothing", "/new", "/events", "/keys"):
        answer = client.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert {*re.findall(r"script-src ([^;]*)", policy)} <= {"'self'"}
        assert not re.search(r"<script(?![^>]*\bsrc=\"/)|\son\w+=\"", answer.text), path


def test_no_open_redirect(installed: Installation) -> None:
    """Signing in never leads to another site."""
    for target in ("//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "\n//evil.example"):
        data = {"token": installed.tokens["admin"], "next": target}
        assert installed.app.test_client().post("/login", data=data).location == "/"


def test_no_cors_on_the_api(installed: Installation) -> None:
    """No answer of the API lets another origin read it."""
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    client = sign_in(installed)
    for method in ("GET", "OPTIONS"):
        answer = client.open(f"{API}/deployments", method=method, headers=headers)
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


# signing in by a provider: the whole table of attacks is tests/ui/test_sign_in_oidc.py


def test_journeys(installed: Installation) -> None:
    """A sign-in ends in the browser that began it, once, and within ten minutes."""
    from serai.web.ui.journey import Journey, Journeys

    now, journeys = installed.clock(), Journeys(b"key")
    journey = Journey("oidc", "s", {}, "http://serai.test/", "/", now + timedelta(minutes=10))
    cookie = journeys.dump(journey)
    with pytest.raises(Unauthenticated):
        journeys.take(None, now)
    with pytest.raises(Unauthenticated):
        Journeys(b"another").take(cookie, now)
    with pytest.raises(Unauthenticated):
        journeys.take(cookie, now + timedelta(minutes=10, seconds=1))
    assert journeys.take(cookie, now).state == "s"
    with pytest.raises(Unauthenticated):
        journeys.take(cookie, now)


def test_names_elsewhere(installed: Installation) -> None:
    """Whom a provider vouches for gets nothing that somebody else has here under the same login."""
    db, now = installed.core.db, installed.clock()
    add_account(installed)
    installed.caller("writer").put("/deployments/m", {"image": "model:1"})  # will's, who has no account
    for login in ("amy", "will", "ray"):
        with pytest.raises(Conflict):
            ensure_account(db, login, "", "", Role.MEMBER, now, provider="oidc", subject="7")
    assert ensure_account(db, "zoe", "", "", Role.MEMBER, now, provider="oidc", subject="7").login == "zoe"


def test_no_password_beside_a_provider(installed: Installation) -> None:
    """An account that a provider signs in has no password here."""
    add_account(installed)
    db, now = installed.core.db, installed.clock()
    ensure_account(db, "zoe", "", "", Role.MEMBER, now, provider="oidc", subject="7")
    assert installed.caller().put("/users/zoe/password", {"password": PASSWORD}).status_code == 409
    change_account(db, replace(get_account(db, "amy"), provider="oidc", subject="8"), now, "root")
    assert ask(installed, "amy", PASSWORD).status_code == 401, "the one that it had counts no more"


def test_id_tokens(installed: Installation) -> None:
    """An ID token counts only with a signature by the provider's key and an algorithm of the list, never none or
    HMAC."""
    settings = load_settings({"issuer": "https://sso.example.org", "client_id": "serai"})
    own, other = make_key("k1")[1], make_key("k1")[1]
    public = jwt.PyJWK(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key(), as_dict=True) | {"kid": "k1"}, "RS256")
    now = 2_000_000_000
    claims = {"iss": settings.issuer, "aud": "serai", "sub": "u", "iat": 1_700_000_000, "exp": now * 2, "nonce": "n"}
    good = jwt.encode(claims, own, "RS256", {"kid": "k1"})
    assert check_id_token(good, [public], settings, "n")["sub"] == "u"
    for bad in (
        jwt.encode(claims, other, "RS256", {"kid": "k1"}),
        jwt.encode(claims, None, "none", {"kid": "k1"}),
        jwt.encode(claims, "a secret that is long enough for HMAC", "HS256", {"kid": "k1"}),
        jwt.encode(claims, own, "RS384", {"kid": "k1"}),
    ):
        with pytest.raises(Unauthenticated):
            check_id_token(bad, [public], settings, "n")


# bundles and secrets


def test_bundles_stay_inside(tmp_path: Path) -> None:
    """A bundle that would write outside of its folder is refused, by name, link or device."""
    for name, kind, link in (
        ("../evil", tarfile.REGTYPE, ""),
        ("/evil", tarfile.REGTYPE, ""),
        ("a/../../evil", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("link", tarfile.SYMTYPE, "../../evil"),
        ("link", tarfile.LNKTYPE, "/etc/passwd"),
        ("device", tarfile.CHRTYPE, ""),
        ("pipe", tarfile.FIFOTYPE, ""),
    ):
        packed, info = io.BytesIO(), tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            tar.addfile(info)
        file = tmp_path / "bundle.tar.gz"
        file.write_bytes(packed.getvalue())
        with pytest.raises(Invalid):
            check(file)


def test_bundles_are_for_who_deploys(installed: Installation) -> None:
    """A bundle is downloaded by who may deploy, and not by who may only read."""
    digest, packed = make_bundle(**{"start.sh": "exec sleep 9"})
    headers = {"Content-Type": "application/gzip"}
    assert installed.caller("writer").put(f"/bundles/{digest}", packed, headers).status_code in {200, 201}
    assert installed.caller("reader").get(f"/bundles/{digest}").status_code == 403
    assert installed.caller("writer").get(f"/bundles/{digest}").status_code == 200


def test_secrets_are_not_told(installed: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """A deployment's secrets are in no answer and not in the log, at `debug` neither."""
    for name in ("", "peewee", "apscheduler", "waitress"):
        caplog.set_level(logging.DEBUG, name)  # and back as it was, after the test
    start_logging("server", "debug")
    installed.deploy("m", secrets={"API_KEY": "hush-hush-7"})
    admin, browser = installed.caller(), sign_in(installed)
    answers = [
        admin.get(path).text for path in ("/deployments", "/deployments/m", "/deployments/m/versions", "/events")
    ]
    answers += [browser.get(path).text for path in ("/", "/d/m", "/d/m/settings", "/d/m/versions/1", "/events")]
    assert any("API_KEY" in answer for answer in answers)
    assert not [answer for answer in [*answers, caplog.text] if "hush-hush-7" in answer]


# programs in between


def test_faults_are_told_by_id(installed: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the server's own is told by an id, and what went wrong stays in the log."""
    installed.scheduler.capacity = lambda: 1 / 0  # type: ignore[assignment, return-value, method-assign]
    api, page = installed.caller().get("/capacity"), sign_in(installed).get("/capacity")
    for answer in (api, page):
        assert answer.status_code == 500 and "ZeroDivision" not in answer.text and "Traceback" not in answer.text
    assert api.json["fault"] in caplog.text and "ZeroDivisionError" in caplog.text


def test_headers_everywhere(installed: Installation) -> None:
    """Every answer forbids sniffing and framing, and tells no other site where it came from."""
    client = sign_in(installed)
    for path in ("/", "/login", "/nowhere", "/healthz", "/openapi.json", f"{API}/deployments", f"{API}/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
