"""Keys over the API: who may do what, what is told, and what the gateways' table has once a call returned."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serai.plugin.identity import Permission
from serai_apikey.plugin import ApiKeyPlugin
from tests.web.installation import Caller, Installation


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    """With two deployments that take keys: `mine` is will's, `theirs` is ann's."""
    made = Installation(tmp_path / "data", plugins={"apikey": ApiKeyPlugin()})
    for who, name in (("writer", "mine"), ("admin", "theirs")):
        answer = made.caller(who).put(f"/deployments/{name}", {"image": "model:1", "access": "keys"})
        assert answer.status_code == 201, answer.text
    made.tick(4)
    yield made
    made.close()


def opened(installed: Installation, secret: str) -> set[str]:
    """Return the deployments that the published table lets a key into."""
    key_hash = hashlib.sha256(secret.encode()).hexdigest()
    routes = installed.core.routes.table().routes
    return {name for name, route in routes.items() if key_hash in {grant.key_hash for grant in route.grants}}


def create(caller: Caller, **values: object) -> dict[str, Any]:
    answer = caller.post("/keys", {"name": "ci"} | values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def test_a_key_is_published_when_the_call_returns(installed: Installation) -> None:
    will = installed.caller("writer")
    own = create(will)
    assert own["key"].startswith(own["prefix"]) and own["deployments"] is None and own["owner"] == "will"
    assert opened(installed, own["key"]) == {"mine"}
    named = create(will, deployments=["theirs", "mine"], expires_in="90d")
    assert named["deployments"] == ["mine", "theirs"] and named["expires_at"] is not None
    assert opened(installed, named["key"]) == {"mine", "theirs"}
    assert will.patch(f"/keys/{named['id']}", {"deployments": ["theirs"], "name": "new"}).json["name"] == "new"
    assert opened(installed, named["key"]) == {"theirs"}
    assert will.patch(f"/keys/{named['id']}", {"deployments": None, "expires_in": None}).json["expires_at"] is None
    assert opened(installed, named["key"]) == {"mine"}
    assert will.delete(f"/keys/{own['id']}").status_code == 204
    assert opened(installed, own["key"]) == set()
    assert installed.core.routes.route("mine").endpoints  # type: ignore[union-attr]


def test_a_rotation_hands_out_a_second_secret_and_ends_the_first(installed: Installation) -> None:
    will = installed.caller("writer")
    first = create(will)
    second = will.post(f"/keys/{first['id']}/rotate", {"overlap": "1h"}).json
    assert second["id"] == first["id"] and second["key"] != first["key"]
    assert opened(installed, first["key"]) == opened(installed, second["key"]) == {"mine"}
    ends = {g.key_hash: g.expires_at for g in installed.core.routes.route("mine").grants}  # type: ignore[union-attr]
    assert sorted(ends.values(), key=str) == [installed.clock().timestamp() + 3600, None]
    third = will.post(f"/keys/{first['id']}/rotate", {"overlap": 0}).json
    assert [secret["ends_at"] is None for secret in third["secrets"]] == [True, False, False]
    assert will.post(f"/keys/{first['id']}/rotate", {"overlap": "31d"}).status_code == 422
    assert "ends" not in third


def test_no_answer_but_the_first_and_no_log_line_has_a_secret(
    installed: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    will = installed.caller("writer")
    made = create(will, deployments=["mine"])
    rotated = will.post(f"/keys/{made['id']}/rotate", {}).json
    paths = ("/keys", f"/keys/{made['id']}", "/events", "/deployments/mine", "/deployments/mine/events")
    told = caplog.text + "".join(will.get(path).text for path in paths)
    told += installed.caller("gateway").get("/routes").text
    for secret in (made["key"], rotated["key"]):
        assert secret[9:] not in told
        assert secret[:9] in told  # by which people recognise it


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "status"),
    [
        ("reader", "GET", "/keys", None, 200),
        ("reader", "POST", "/keys", {"name": "x"}, 403),
        ("gateway", "GET", "/keys", None, 403),
        ("other", "GET", "/keys/1", None, 404),
        ("other", "PATCH", "/keys/1", {"name": "x"}, 404),
        ("other", "POST", "/keys/1/rotate", {}, 404),
        ("other", "DELETE", "/keys/1", None, 404),
        ("other", "POST", "/keys", {"name": "x", "owner": "will"}, 403),
        ("admin", "GET", "/keys/1", None, 200),
        ("admin", "POST", "/keys", {"name": "x", "owner": "will"}, 201),
        ("admin", "POST", "/keys/1/rotate", {}, 200),
        ("admin", "DELETE", "/keys/1", None, 204),
        ("writer", "GET", "/keys/1", None, 200),
        ("writer", "GET", "/keys/2", None, 404),
        ("writer", "GET", "/keys?deployment=mine", None, 200),
        ("writer", "GET", "/keys?deployment=none", None, 404),
        ("writer", "POST", "/keys", {"name": "x", "deployments": ["none"]}, 422),
        ("writer", "POST", "/keys", {"name": "x", "deployments": []}, 422),
        ("writer", "POST", "/keys", {"name": ""}, 422),
        ("writer", "POST", "/keys", {"name": "two\nlines"}, 422),
        ("writer", "POST", "/keys", {"name": "x", "expires_in": "soon"}, 422),
        ("writer", "POST", "/keys", {"name": "x", "secret": "mine"}, 422),
        ("writer", "PATCH", "/keys/1", {"name": ""}, 422),
        ("writer", "PATCH", "/keys/1", {"owner": "ann"}, 422),
    ],
)
def test_everybody_has_their_own_keys_and_an_administrator_all(
    installed: Installation, who: str, method: str, path: str, body: object, status: int
) -> None:
    installed.tokens["other"] = installed.make_token("eve", Permission.WRITE)
    create(installed.caller("writer"))
    answer = installed.caller(who).send(method, path, body)
    assert answer.status_code == status, answer.text


def test_a_list_has_what_is_ones_own_and_what_opens_a_deployment(installed: Installation) -> None:
    will, ann = installed.caller("writer"), installed.caller("admin")
    create(will, name="will's")
    create(ann, name="ann's")
    create(ann, name="both", deployments=["mine", "theirs"])

    def names(caller: Caller, query: str = "") -> list[str]:
        return [key["name"] for key in caller.get(f"/keys{query}").json]

    assert names(will) == ["will's"]
    assert names(ann) == ["will's", "ann's", "both"]
    assert names(ann, "?deployment=mine") == ["will's", "both"]
    assert names(ann, "?deployment=theirs") == ["ann's", "both"]


def test_the_timeline_has_who_did_what(installed: Installation) -> None:
    will, ann = installed.caller("writer"), installed.caller("admin")
    made = create(will, deployments=["mine"], name="phone")
    will.patch(f"/keys/{made['id']}", {"name": "tablet"})
    will.patch(f"/keys/{made['id']}", {"name": "tablet"})  # changes nothing, so nothing is written
    ann.post(f"/keys/{made['id']}/rotate", {"overlap": "0s"})
    ann.delete(f"/keys/{made['id']}")
    create(will, name="everywhere")
    lines = [e for e in reversed(will.get("/events").json) if e["kind"].startswith("key.")]
    assert [(e["kind"], e["actor"], e["deployment"]) for e in lines] == [
        ("key.created", "will", "mine"),
        ("key.changed", "will", "mine"),
        ("key.rotated", "ann", "mine"),
        ("key.revoked", "ann", "mine"),
        ("key.created", "will", ""),
    ]
    assert lines[0]["text"].startswith(f"phone ({made['prefix']}…)") and "was phone" in lines[1]["text"]


def test_a_key_is_revoked_while_the_scheduler_cannot_be_reached(installed: Installation) -> None:
    will = installed.caller("writer")
    made = create(will)
    installed.scheduler.reachable = False
    installed.tick(2)
    assert opened(installed, made["key"]) == {"mine"}
    will.delete(f"/keys/{made['id']}")
    assert opened(installed, made["key"]) == set()
    assert will.patch("/deployments/mine", {"access": "public"}).status_code == 200
    assert installed.core.routes.route("mine").access.value == "public"  # type: ignore[union-attr]
    installed.tick(2)
    assert installed.core.routes.route("mine").endpoints  # type: ignore[union-attr]


def test_a_deleted_deployment_leaves_its_keys_and_another_of_its_name_is_not_theirs(installed: Installation) -> None:
    will = installed.caller("writer")
    made = create(will, deployments=["mine", "theirs"])
    will.post("/deployments/mine/stop")
    installed.tick(20)
    assert will.delete("/deployments/mine").status_code == 204
    installed.tick(2)
    assert will.get(f"/keys/{made['id']}").json["deployments"] == ["theirs"]
    assert will.put("/deployments/mine", {"image": "model:1", "access": "keys"}).status_code == 201
    installed.tick(4)
    assert opened(installed, made["key"]) == {"theirs"}


def test_without_a_plugin_that_keeps_keys_everything_says_so(tmp_path: Path) -> None:
    bare = Installation(tmp_path / "data")
    try:
        for answer in (bare.caller().get("/keys"), bare.caller().post("/keys", {"name": "x"})):
            assert answer.status_code == 501 and "apikey" in answer.json["detail"]
    finally:
        bare.close()
