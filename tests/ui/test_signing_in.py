"""Who may see the pages: tokens, one-time addresses, sessions that end, forms from elsewhere, people who only look."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from serai.plugin import Permission
from serai.store import tokens
from serai.web.session import COOKIE, Session, dump_session, is_csrf_valid, load_session, make_csrf_token
from serai.web.ui.login_codes import make_login_url
from tests.ui.stage import Stage


def sign_in(stage: Stage, token: str = "") -> FlaskClient:
    client = stage.app.test_client()
    answer = client.post("/login", data={"token": token or stage.token})
    assert answer.status_code == 302, answer.text
    return client


def csrf_of(client: FlaskClient) -> str:
    page = client.get("/").text
    return page.partition('name="csrf" content="')[2].partition('"')[0]


def test_nothing_is_shown_before_signing_in(closed: Stage) -> None:
    client = closed.app.test_client()
    for path in ("/", "/d/digits", "/d/digits/logs.txt", "/events", "/live", "/figures?names=a"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer.location.startswith("/login?next=")
    assert client.get("/live", headers={"X-Serai-Live": "1"}).status_code == 401
    assert client.post("/d/digits/stop").status_code == 302


def test_a_wrong_token_is_refused_with_a_sentence(closed: Stage) -> None:
    for wrong in ("serai_no", "", "anything"):
        answer = closed.app.test_client().post("/login", data={"token": wrong})
        assert answer.status_code == 401
        assert 'role="alert"' in answer.text
        assert COOKIE not in answer.headers.get("Set-Cookie", "")


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_is_not_the_token(closed: Stage) -> None:
    answer = closed.app.test_client().post("/login", data={"token": closed.token})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    session = load_session(closed.core.secret_key, cookie.partition("=")[2].partition(";")[0], lambda id: True)
    assert session is not None
    assert session.token != closed.token


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "x", "/\t/evil.example"]
)
def test_signing_in_never_leads_to_another_site(closed: Stage, target: str) -> None:
    answer = closed.app.test_client().post("/login", data={"token": closed.token, "next": target})
    assert answer.location == "/"


def test_signing_in_leads_to_where_one_wanted_to_go(closed: Stage) -> None:
    client = closed.app.test_client()
    asked = client.get("/events?deployment=m").location
    answer = client.post(asked, data={"token": closed.token})
    assert answer.location == "/events?deployment=m"


def test_a_login_address_works_once(closed: Stage) -> None:
    url = make_login_url(closed.url, closed.core.secret_key, closed.clock())
    path = url.removeprefix(closed.url)
    first = closed.app.test_client().get(path)
    assert first.status_code == 302
    assert COOKIE in first.headers["Set-Cookie"]
    second = closed.app.test_client().get(path)
    assert second.status_code == 401
    assert "used already" in second.text


def test_a_login_address_grows_too_old_and_cannot_be_forged(closed: Stage) -> None:
    path = make_login_url("", closed.core.secret_key, closed.clock())
    forged = make_login_url("", b"another key", closed.clock())
    assert closed.app.test_client().get(forged).status_code == 401
    closed.clock.ahead += timedelta(minutes=31)
    assert closed.app.test_client().get(path).status_code == 401


def test_a_login_address_does_not_outlive_the_server_that_would_remember_it(closed: Stage) -> None:
    earlier = make_login_url("", closed.core.secret_key, closed.core.started_at - timedelta(seconds=2))
    assert closed.app.test_client().get(earlier).status_code == 401


def test_signing_out_ends_the_session_for_every_holder_of_the_cookie(closed: Stage) -> None:
    client = sign_in(closed)
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    client.post("/logout", data={"csrf": csrf_of(client)})
    thief = closed.app.test_client()
    thief.set_cookie(COOKIE, cookie.value)
    assert thief.get("/").status_code == 302


def test_a_session_dies_with_the_token_it_was_made_from(closed: Stage) -> None:
    client = sign_in(closed)
    assert client.get("/").status_code == 200
    pasted = next(t for t in tokens.list_tokens(closed.core.db) if t.name == "ada's")
    tokens.revoke_token(closed.core.db, pasted.id)
    assert client.get("/").status_code == 302
    assert client.get("/api/v1/deployments").status_code == 401


def test_a_session_ends_after_a_week_and_is_swept(closed: Stage) -> None:
    client = sign_in(closed)
    closed.clock.ahead += timedelta(days=8)
    assert client.get("/").status_code == 302
    sign_in(closed)
    assert sum(t.name == "browser session" for t in tokens.list_tokens(closed.core.db)) == 1


def test_a_form_needs_the_sessions_own_token(closed: Stage) -> None:
    closed.deploy("m")
    closed.tick()
    client = sign_in(closed)
    other = sign_in(closed)
    assert client.post("/d/m/stop").status_code == 403
    assert client.post("/d/m/stop", data={"csrf": csrf_of(other)}).status_code == 403
    assert closed.core.cluster.view("m").deployment.active == 1
    assert client.post("/d/m/stop", data={"csrf": csrf_of(client)}).status_code == 303
    assert closed.core.cluster.view("m").deployment.active is None


def test_a_form_of_another_site_is_refused_even_for_signing_in(closed: Stage) -> None:
    answer = closed.app.test_client().post(
        "/login", data={"token": closed.token}, headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_who_may_only_look_sees_no_buttons_and_changes_nothing(closed: Stage) -> None:
    closed.deploy("m")
    closed.tick()
    client = sign_in(closed, closed.make_token("ray", Permission.READ))
    page = client.get("/d/m").text
    assert "lacks the right to write" in page
    assert "Scale" not in page
    answer = client.post("/d/m/stop", data={"csrf": csrf_of(client)})
    assert answer.status_code == 403
    assert "lacks the permission" in answer.text
    asking = client.post("/d/m/test/send", headers={"X-CSRF-Token": csrf_of(client)})
    assert "does not answer" in asking.text  # allowed; there is no gateway here


@pytest.mark.parametrize("path", ["/", "/login", "/d/m", "/d/m/settings", "/d/nothing", "/d/m/versions/99", "/new"])
def test_every_page_says_what_it_may_run(closed: Stage, path: str) -> None:
    closed.deploy("m")
    client = sign_in(closed)
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert "onclick" not in answer.text


def test_a_page_that_is_not_there_is_a_page_for_people_and_a_problem_for_programs(closed: Stage) -> None:
    client = sign_in(closed)
    page = client.get("/nowhere", headers={"Accept": "text/html,*/*"})
    assert page.status_code == 404
    assert "There is no page at /nowhere." in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert client.get("/nowhere").mimetype == "application/problem+json"
    assert client.get("/api/v1/nowhere", headers={"Accept": "text/html"}).mimetype == "application/problem+json"


def test_a_fault_is_told_by_its_id_alone(closed: Stage, caplog: pytest.LogCaptureFixture) -> None:
    client = sign_in(closed)
    closed.scheduler.capacity = lambda: 1 / 0  # type: ignore[assignment, return-value, method-assign]
    page = client.get("/capacity")
    assert page.status_code == 500
    fault = page.text.partition("its log has it under ")[2][:8]
    assert f"fault {fault}" in caplog.text
    assert "ZeroDivisionError" not in page.text


def test_a_cookie_that_was_touched_is_no_cookie() -> None:
    session = Session("serai_x", 7)
    cookie = dump_session(b"key", session)
    assert load_session(b"key", cookie, lambda id: True) == session
    assert load_session(b"key", cookie, lambda id: False) is None
    assert load_session(b"other", cookie, lambda id: True) is None
    assert load_session(b"key", cookie[:-2], lambda id: True) is None
    assert load_session(b"key", None, lambda id: True) is None
    assert is_csrf_valid(b"key", session, make_csrf_token(b"key", session))
    assert not is_csrf_valid(b"key", session, None)
    assert not is_csrf_valid(b"key", session, "ü")
