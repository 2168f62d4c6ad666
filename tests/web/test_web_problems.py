"""Every error becomes a problem document with its status and code, and tells nothing of the inside."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

from serai.domain import errors
from serai.web.error_codes import ERROR_CODES
from serai.web.problems import STATUSES, STATUSES_BY_CODE, answer_error, status_of
from tests.web.installation import Installation

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "platform").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_every_error_class_has_a_status() -> None:
    assert set(STATUSES) == set(CLASSES.values()) - {errors.SeraiError}


def test_every_class_has_its_code_in_the_table() -> None:
    assert {kind.default_code for kind in CLASSES.values()} <= set(ERROR_CODES)


def test_codes_with_a_status_of_their_own_are_in_the_table() -> None:
    assert set(STATUSES_BY_CODE) <= set(ERROR_CODES)


def codes_in_source() -> dict[str, str]:
    """Return code -> file of every literal code given to an error class."""
    found: dict[str, str] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                place = 2 if node.func.id == "Invalid" else 1
                given = [keyword.value for keyword in node.keywords if keyword.arg == "code"] or node.args[place:][:1]
                found |= {str(value.value): str(path) for value in given if isinstance(value, ast.Constant)}
    return found


def test_every_code_in_the_source_is_in_the_table() -> None:
    unknown = {code: path for code, path in codes_in_source().items() if code not in ERROR_CODES}
    assert len(codes_in_source()) > 20
    assert unknown == {}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Invalid("x", "a.b"), 422),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x", "version-active"), 409),
        (errors.Unauthenticated("x"), 401),
        (errors.SchedulerUnavailable("x"), 503),
        (errors.SchedulerError("x"), 502),
        (errors.SeraiError("x", "disk-full"), 507),
        (errors.SeraiError("x"), 500),
        (errors.Invalid("x", code="bundle-too-large"), 413),
    ],
)
def test_statuses(error: errors.SeraiError, status: int) -> None:
    assert status_of(error) == status


def test_a_class_nobody_listed_takes_the_status_of_the_one_above() -> None:
    class Odd(errors.Conflict):
        pass

    assert status_of(Odd("x")) == 409


def test_members_and_headers_of_problems() -> None:
    problem = answer_error(errors.Invalid("wrong", "replicas", line=3))
    assert problem.mimetype == "application/problem+json"
    assert problem.json == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "wrong",
        "code": "invalid",
        "field": "replicas",
        "line": 3,
    }
    assert answer_error(errors.CapacityExceeded("full", retry_after_s=1.2)).headers["Retry-After"] == "2"
    assert answer_error(errors.Unauthenticated("who")).headers["WWW-Authenticate"] == 'Bearer realm="serai"'


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "code"),
    [
        ("GET", "/nothing", None, None, 404, "no-such-path"),
        ("POST", "/whoami", None, None, 405, "method-not-allowed"),
        ("OPTIONS", "/whoami", None, None, 405, "method-not-allowed"),
        ("PATCH", "/deployments/m", b"{", "application/json", 400, "malformed"),
        ("PATCH", "/deployments/m", b'{"count": NaN}', "application/json", 400, "malformed"),
        ("PATCH", "/deployments/m", b"[" * 100_000, "application/json", 400, "malformed"),
        ("PATCH", "/deployments/m", b"{}", "text/plain", 415, "not-json"),
        ("PATCH", "/deployments/m", b"[]", "application/json", 422, "invalid"),
        ("PATCH", "/deployments/m", b" " * 2_000_000, "application/json", 413, "too-large"),
        ("POST", "/tokens", b"{", "application/json", 400, "malformed"),
        ("POST", "/tokens", b'{"name": "x", "permissions": ["fly"]}', "application/json", 422, "invalid"),
        ("POST", "/tokens", b'{"nane": "x", "permissions": ["read"]}', "application/json", 422, "unknown-key"),
        ("GET", "/deployments?wiat=3s", None, None, 422, "unknown-key"),
        ("GET", "/deployments?wait=3s&wait=4s", None, None, 422, "invalid"),
        ("GET", "/deployments/UPPER", None, None, 422, "invalid"),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    installation: Installation, method: str, path: str, body: bytes | None, kind: str | None, status: int, code: str
) -> None:
    answer = installation.caller().send(method, path, body, {"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.mimetype == "application/problem+json"
    assert "Traceback" not in answer.text


def test_an_unknown_key_names_the_nearest(installation: Installation) -> None:
    assert "'wait'" in installation.caller().get("/deployments?wiat=3s").json["detail"]
    assert "'replicas'" in installation.caller().put("/deployments/m", {"image": "a", "replica": 2}).json["detail"]
    assert installation.caller().post("/tokens", {"nane": "x"}).json["field"] == "nane"


def test_a_fault_of_ours_has_an_id_that_is_in_the_log(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    installation.scheduler.capacity = lambda: int("secret")  # type: ignore[method-assign,assignment,return-value]
    with caplog.at_level(logging.ERROR):
        answer = installation.caller().get("/capacity")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.json["fault"] in caplog.text
    assert "secret" in caplog.text


def test_an_unreachable_scheduler_is_said(installation: Installation) -> None:
    installation.scheduler.reachable = False
    answer = installation.caller().get("/capacity")
    assert (answer.status_code, answer.json["code"]) == (503, "scheduler-unavailable")


@pytest.mark.parametrize("path", ["/api/v1/whoami", "/healthz", "/nothing", "/openapi.json"])
def test_every_answer_carries_the_headers(installation: Installation, path: str) -> None:
    headers = installation.app.test_client().get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
