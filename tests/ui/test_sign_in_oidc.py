"""Signing in by OpenID Connect through the whole server: by the book, by a real provider, and by who attacks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import jwt
import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serai.domain.accounts import Role
from serai.plugin import PluginContext, SignIn, hookimpl
from serai.store.accounts import change_account, find_account
from serai.store.teams import list_teams_of
from serai.web.session import COOKIE
from serai.web.ui import journey
from serai_oidc.plugin import OidcPlugin
from tests.plugins.oidc_provider import Claims, Hostile, make_key, running_hostile, running_provider
from tests.ui.browser import Watched
from tests.ui.stage import Stage

SETTINGS: dict[str, Any] = {
    "client_id": "serai",
    "label": "Lab",
    "role": "viewer",
    "roles": {"administrator": ["admins"], "member": ["ml", "ops"]},
    "teams": {"vision": ["ml"]},
}


class Configured:
    """The plugin with settings of a test's own, as the table of serai.toml would give them."""

    def __init__(self, **settings: object) -> None:
        self.settings = settings

    @hookimpl
    def serai_register_sign_in(self, context: PluginContext) -> SignIn:
        return OidcPlugin().serai_register_sign_in(replace(context, settings=self.settings))


@pytest.fixture
def provider() -> Iterator[Hostile]:
    with running_hostile() as hostile:
        yield hostile


@pytest.fixture
def server(tmp_path: Path, provider: Hostile) -> Iterator[Stage]:
    yield from make_stage(tmp_path, SETTINGS | {"issuer": provider.issuer, "client_secret": provider.client_secret})


def make_stage(folder: Path, settings: dict[str, Any]) -> Iterator[Stage]:
    stage = Stage(folder, plugins={"oidc": Configured(**settings)})
    stage.listener.close()
    yield stage
    stage.close()


def leave(client: FlaskClient, target: str = "/") -> str:
    """Press the button; return the address of the provider that one is sent to."""
    answer = client.get("/login/oidc", query_string={"next": target})
    assert answer.status_code == 302, answer.text
    return str(answer.location)


def come_back(client: FlaskClient, query: dict[str, str]) -> TestResponse:
    return client.get("/login/oidc/callback", query_string=query)


def sign_in(server: Stage, provider: Hostile, client: FlaskClient | None = None) -> TestResponse:
    client = client or server.app.test_client()
    return come_back(client, provider.authorize(leave(client)))


def is_refused(answer: TestResponse, *words: str) -> bool:
    assert answer.status_code in {401, 403}, answer.text
    assert COOKIE + "=" not in " ".join(answer.headers.getlist("Set-Cookie"))
    assert 'role="alert"' in answer.text
    return all(word in answer.text for word in words)


# by the book


def test_the_first_sign_in_makes_an_account_and_a_session(server: Stage, provider: Hostile) -> None:
    provider.person |= {"groups": ["ml"], "email": "lena@example.org"}
    client = server.app.test_client()
    answer = come_back(client, provider.authorize(leave(client, "/events?deployment=m")))
    assert (answer.status_code, answer.location) == (302, "/events?deployment=m")
    account = find_account(server.core.db, "lena")
    assert account and (account.name, account.email, account.role) == ("Lena L", "lena@example.org", Role.MEMBER)
    assert (account.provider, account.subject) == ("oidc", "u-1") and account.last_sign_in_at
    assert list_teams_of(server.core.db, "lena") == ["vision"]
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/whoami").json["login"] == "lena"


def test_later_sign_ins_bring_the_account_up_to_date_and_keep_its_login(server: Stage, provider: Hostile) -> None:
    provider.person |= {"groups": ["ml"]}
    sign_in(server, provider)
    provider.person |= {"preferred_username": "lena.new", "name": "Lena New", "groups": ["admins"]}
    sign_in(server, provider)
    account = find_account(server.core.db, "lena")
    assert account and (account.name, account.role) == ("Lena New", Role.ADMINISTRATOR)
    assert list_teams_of(server.core.db, "lena") == []
    assert find_account(server.core.db, "lena.new") is None


def test_a_disabled_account_is_refused_and_its_session_ends(server: Stage, provider: Hostile) -> None:
    client = server.app.test_client()
    sign_in(server, provider, client)
    assert client.get("/").status_code == 200
    account = find_account(server.core.db, "lena")
    assert account
    change_account(server.core.db, replace(account, is_disabled=True), server.clock(), "ada")
    assert client.get("/").status_code == 302
    assert is_refused(sign_in(server, provider), "is disabled")


def test_nobody_gets_a_name_that_is_taken(server: Stage, provider: Hostile) -> None:
    for taken in ("admin", "ada"):
        provider.person["preferred_username"] = taken
        answer = sign_in(server, provider)
        assert answer.status_code == 409 and COOKIE + "=" not in " ".join(answer.headers.getlist("Set-Cookie"))
        assert find_account(server.core.db, taken) is None


def test_the_cookies_are_short_lived_and_kept_from_scripts(server: Stage, provider: Hostile) -> None:
    client = server.app.test_client()
    cookie = client.get("/login/oidc").headers["Set-Cookie"]
    assert cookie.startswith(journey.COOKIE)
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/login/oidc"} <= set(cookie.split("; "))
    answer = sign_in(server, provider, client)
    assert client.get_cookie(journey.COOKIE, path="/login/oidc") is None
    session = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith(COOKIE))
    assert "HttpOnly" in session and "SameSite=Lax" in session


def test_keys_that_the_provider_changed_are_fetched(server: Stage, provider: Hostile) -> None:
    assert sign_in(server, provider).status_code == 302
    provider.key = make_key("k2")
    assert sign_in(server, provider).status_code == 302
    assert provider.asked.count("/jwks") == 2
    assert sign_in(server, provider).status_code == 302
    assert provider.asked.count("/jwks") == 2


def test_the_secret_may_be_asked_for_in_the_form(server: Stage, provider: Hostile) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert sign_in(server, provider).status_code == 302
    assert provider.forms[-1]["client_secret"] == provider.client_secret


def test_what_the_token_leaves_out_is_asked_for(server: Stage, provider: Hostile) -> None:
    provider.userinfo = {"sub": "u-1", "groups": ["ops"], "name": "Somebody Else"}
    assert sign_in(server, provider).status_code == 302
    account = find_account(server.core.db, "lena")
    assert account and (account.role, account.name) == (Role.MEMBER, "Lena L")
    provider.userinfo["sub"] = "u-2"
    assert is_refused(sign_in(server, provider), "about somebody else")


# a provider that is away or out of its mind


def test_a_provider_that_is_down_is_told_and_everything_else_goes_on(server: Stage, provider: Hostile) -> None:
    provider.metadata = {"token_endpoint": "http://127.0.0.1:9/token"}  # nobody listens there
    client = server.app.test_client()
    answer = sign_in(server, provider, client)
    assert answer.status_code == 503 and "Lab cannot be used at the moment" in answer.text
    assert client.post("/login", data={"token": server.token}).status_code == 302


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "http://127.0.0.1:9"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_description_that_does_not_hold_sends_nobody_anywhere(
    server: Stage, provider: Hostile, metadata: dict[str, object]
) -> None:
    provider.metadata = metadata
    answer = server.app.test_client().get("/login/oidc")
    assert answer.status_code == 503 and "Location" not in answer.headers


# who attacks


def unsigned(provider: Hostile, claims: Claims) -> str:
    return jwt.encode(claims, None, "none")


def hmac_by_public_key(provider: Hostile, claims: Claims) -> str:
    """Sign by HMAC with the public key, which everybody has; by hand, as PyJWT would not."""
    import base64
    import hashlib
    import hmac
    import json

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    head = f"{part({'alg': 'HS256', 'kid': provider.key[0]})}.{part(claims)}"
    mac = hmac.new(provider.public_pem(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_another_key(provider: Hostile, claims: Claims) -> str:
    return jwt.encode(claims, make_key("")[1], "RS256", {"kid": provider.key[0]})


def by_unknown_key(provider: Hostile, claims: Claims) -> str:
    return jwt.encode(claims, make_key("")[1], "RS256", {"kid": "k9"})


def key_in_header(provider: Hostile, claims: Claims) -> str:
    import json

    own = make_key("")[1]
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    return jwt.encode(claims, own, "RS256", {"jwk": public, "kid": "mine"})


def critical(provider: Hostile, claims: Claims) -> str:
    return jwt.encode(claims, provider.key[1], "RS256", {"kid": "k1", "crit": ["x"], "x": 1})


def changed_after(provider: Hostile, claims: Claims) -> str:
    head, _, mac = provider.signed(claims).split(".")
    body = provider.signed(claims | {"sub": "admin"}).split(".")[1]
    return f"{head}.{body}.{mac}"


@pytest.mark.parametrize(
    "forge",
    [unsigned, hmac_by_public_key, by_another_key, by_unknown_key, key_in_header, critical, changed_after],
)
def test_a_signature_that_is_not_the_providers_is_refused(
    server: Stage, provider: Hostile, forge: Callable[[Hostile, Claims], str]
) -> None:
    provider.sign = lambda claims: forge(provider, claims)
    assert is_refused(sign_in(server, provider), "does not prove who you are")
    assert find_account(server.core.db, "lena") is None


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["serai", "another"]},
        {"aud": ["serai", "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://another.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_claims_that_do_not_hold_are_refused(server: Stage, provider: Hostile, change: Claims) -> None:
    def twist(claims: Claims) -> None:
        claims.update(change)
        for name in [name for name, value in claims.items() if value is None]:
            del claims[name]

    provider.twist = twist
    assert is_refused(sign_in(server, provider), "does not prove who you are")
    assert find_account(server.core.db, "lena") is None


def test_another_state_is_refused_and_no_code_is_spent(server: Stage, provider: Hostile) -> None:
    client = server.app.test_client()
    query = provider.authorize(leave(client))
    assert is_refused(come_back(client, query | {"state": "another"}))
    assert is_refused(come_back(client, query)), "the journey ended with the first answer"
    assert provider.forms == []


def test_an_answer_is_worth_something_once_also_to_who_copied_the_cookie(server: Stage, provider: Hostile) -> None:
    client, thief = server.app.test_client(), server.app.test_client()
    query = provider.authorize(leave(client))
    cookie = client.get_cookie(journey.COOKIE, path="/login/oidc")
    assert cookie
    assert come_back(client, query).status_code == 302
    assert is_refused(come_back(client, query))
    thief.set_cookie(journey.COOKIE, cookie.value, path="/login/oidc")
    assert is_refused(come_back(thief, query))
    assert len(provider.forms) == 1


def test_nobody_is_signed_in_as_somebody_else_by_a_link(server: Stage, provider: Hostile) -> None:
    """Login CSRF: the attacker's answer in the victim's browser, with and without a sign-in begun there."""
    attacker, victim = server.app.test_client(), server.app.test_client()
    query = provider.authorize(leave(attacker))
    assert is_refused(come_back(victim, query))
    leave(victim)
    assert is_refused(come_back(victim, query))
    assert victim.get("/").status_code == 302


def test_a_code_of_another_browser_is_worth_nothing(server: Stage, provider: Hostile) -> None:
    """The attacker stole a code on its way and puts it into an answer to a sign-in of their own: PKCE."""
    victim, attacker = server.app.test_client(), server.app.test_client()
    stolen = provider.authorize(leave(victim))["code"]
    own = provider.authorize(leave(attacker))
    assert is_refused(come_back(attacker, own | {"code": stolen}), "refused this sign-in (invalid_grant)")


def test_a_sign_in_that_took_too_long_is_refused(server: Stage, provider: Hostile) -> None:
    client = server.app.test_client()
    query = provider.authorize(leave(client))
    server.clock.ahead += timedelta(minutes=11)
    assert is_refused(come_back(client, query), "10 minutes")


def test_a_forged_cookie_is_none(server: Stage, provider: Hostile) -> None:
    client = server.app.test_client()
    forged = journey.Journeys(b"another key").dump(
        journey.Journey("oidc", "s", {}, "http://localhost/", "/", server.clock() + timedelta(minutes=5))
    )
    client.set_cookie(journey.COOKIE, forged, path="/login/oidc")
    assert is_refused(come_back(client, {"code": "c", "state": "s"}))


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/\t/e"]
)
def test_the_way_back_never_leads_to_another_site(server: Stage, provider: Hostile, target: str) -> None:
    client = server.app.test_client()
    query = provider.authorize(leave(client, target))
    location = come_back(client, query | {"next": target}).location
    assert urljoin("http://localhost/login", location.replace("\t", "")).startswith("http://localhost/")


def test_an_answer_of_another_provider_is_refused(server: Stage, provider: Hostile) -> None:
    """Mix-up: RFC 9207 has the answer name its issuer."""
    client = server.app.test_client()
    query = provider.authorize(leave(client)) | {"iss": "https://another.example"}
    assert is_refused(come_back(client, query), "another provider")
    assert provider.forms == []


def test_a_refusal_of_the_provider_is_shown_as_text(server: Stage, provider: Hostile) -> None:
    client = server.app.test_client()
    state = provider.authorize(leave(client))["state"]
    answer = come_back(client, {"error": "access_denied", "error_description": "<b>no</b>", "state": state})
    assert is_refused(answer, "&lt;b&gt;no&lt;/b&gt;")


def test_neither_codes_nor_tokens_nor_the_secret_are_logged(
    server: Stage, provider: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client = server.app.test_client()
    query = provider.authorize(leave(client))
    assert come_back(client, query).status_code == 302
    provider.twist = lambda claims: claims.update(nonce="wrong")
    assert is_refused(sign_in(server, provider))
    verifiers = [form["code_verifier"] for form in provider.forms]
    for secret in (query["code"], query["state"], provider.client_secret, *verifiers):
        assert secret not in caplog.text


def test_there_is_no_other_way(server: Stage) -> None:
    assert server.app.test_client().get("/login/saml").status_code == 404
    assert server.app.test_client().get("/login/saml/callback").status_code == 404


# a provider of another make


LENA = {"sub": "u-7", "preferred_username": "lena", "name": "Lena", "email": "lena@example.org", "groups": ["ml"]}


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Stage]:
    with running_provider(tmp_path, LENA) as issuer:
        stage = Stage(tmp_path, plugins={"oidc": Configured(**SETTINGS, issuer=issuer, client_secret="s3cret")})
        stage.open()
        yield stage
        stage.shut()
        stage.close()


@pytest.mark.slow
def test_signing_in_at_a_real_provider(real: Stage) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{real.url}/login?{urlencode({'next': '/events'})}", timeout=10)
        assert "Sign in with Lab" in page.text
        form = browser.get(f"{real.url}/login/oidc?{urlencode({'next': '/events'})}", timeout=10)
        assert form.status_code == 200 and "Authorize Client" in form.text
        arrived = browser.post(form.url, data={"sub": "u-7"}, timeout=10)
        assert (arrived.url, arrived.status_code) == (f"{real.url}/events", 200), arrived.text
        assert browser.get(f"{real.url}/api/v1/whoami", timeout=10).json()["login"] == "lena"
        back = next(step.url for step in arrived.history if "/callback" in step.url)
        assert browser.get(back, timeout=10).status_code == 401
        denied = browser.get(f"{real.url}/login/oidc", timeout=10)
        told = browser.post(denied.url, data={"action": "deny"}, timeout=10)
        assert told.status_code == 401 and 'role="alert"' in told.text  # this provider's no comes without state


@pytest.mark.browser
def test_signing_in_at_a_real_provider_in_chromium(real: Stage, looked: Watched) -> None:
    page = looked.page
    page.goto(f"{real.url}/events")
    page.get_by_role("link", name="Sign in with Lab").click()
    page.get_by_role("button", name="u-7").click()
    page.wait_for_url(f"{real.url}/events")
    assert "lena" in page.content()
    looked.complaints = [complaint for complaint in looked.complaints if real.url in complaint]
