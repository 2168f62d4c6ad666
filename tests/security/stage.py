"""Who signs in, how, and what is stored then: what the tests of the security model are told with."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.installation import API, Caller, Installation

PASSWORD, OTHER = "correct horse battery", "staple of another kind"


def sign_in(installed: Installation, who: str = "admin") -> FlaskClient:
    client = installed.app.test_client()
    assert client.post("/login", data={"token": installed.tokens[who]}).status_code == 302
    return client


def csrf_of(client: FlaskClient) -> str:
    return client.get("/").text.partition('name="csrf" content="')[2].partition('"')[0]


def make_secret_key(installed: Installation, who: str = "writer") -> dict[str, Any]:
    answer = installed.caller(who).post("/keys", {"name": "ci"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def everything_stored(installed: Installation) -> str:
    database = installed.core.db
    with database.read():
        names = database.peewee.get_tables()
        return str([database.peewee.execute_sql(f'SELECT * FROM "{name}"').fetchall() for name in names])


def add_account(installed: Installation, login: str = "amy", **values: object) -> None:
    answer = installed.caller().post("/users", {"login": login, "password": PASSWORD, **values})
    assert answer.status_code == 201, answer.text


def ask(installed: Installation, login: str, password: str, **more: object) -> TestResponse:
    """Sign in over the API."""
    body = {"login": login, "password": password, **more}
    return installed.app.test_client().post(f"{API}/sign-in", json=body)


def caller_of(installed: Installation, login: str = "amy", **more: object) -> Caller:
    return Caller(installed.app.test_client(), ask(installed, login, PASSWORD, **more).json["token"])


def session_of(installed: Installation, login: str = "amy", password: str = PASSWORD) -> FlaskClient:
    client = installed.app.test_client()
    assert client.post("/login", data={"login": login, "password": password}).status_code == 302
    return client
