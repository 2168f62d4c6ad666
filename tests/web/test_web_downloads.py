"""Downloads of bundles: who may, ranges, the server's fairness, and what happens where too many want one."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serai.client.client import Client
from serai.domain.errors import Forbidden
from serai.plugin import Credentials, Identity, Permission, hookimpl
from serai.web.app import edge_of
from serai.web.blocking import Limits
from serai.web.serve import make_server
from tests.waiting import eventually
from tests.web.installation import API, Caller, Installation, make_bundle
from tests.web.served import served

DIGEST, PACKED = make_bundle(**{"start.sh": "exec ./model", "model.bin": "".join(map(str, range(5000)))})
OTHER, OTHER_PACKED = make_bundle(**{"start.sh": "exec ./another"})
PATH = f"/bundles/{DIGEST}"


class Badges:
    """Knows replicas by a badge: `badge:<workload>`."""

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        kind, _, workload = credentials.token.partition(":")
        return Identity(workload, frozenset({Permission.FETCH}), workload) if kind == "badge" else None


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installed = Installation(tmp_path / "data", Limits.of_threads(8), {"badges": Badges()})
    for digest, packed in ((DIGEST, PACKED), (OTHER, OTHER_PACKED)):
        assert installed.caller().put(f"/bundles/{digest}", packed).status_code == 201
    yield installed
    installed.close()


def replica_of(installation: Installation, workload: str) -> Caller:
    return Caller(installation.app.test_client(), f"badge:{workload}")


def test_a_bundle_comes_back_as_it_was_sent(installation: Installation) -> None:
    answer = installation.caller("writer").get(PATH)
    assert (answer.status_code, answer.data) == (200, PACKED)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == str(len(PACKED))
    assert answer.headers["ETag"] == f'"{DIGEST}"'
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, len(PACKED) - 1), ("bytes=-7", len(PACKED) - 7, len(PACKED) - 1)],
)
def test_a_part_of_it(installation: Installation, asked: str, first: int, last: int) -> None:
    answer = installation.caller().get(PATH, {"Range": asked})
    assert (answer.status_code, answer.data) == (206, PACKED[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(PACKED)}"
    assert answer.headers["Content-Length"] == str(last + 1 - first)


def test_conditions(installation: Installation) -> None:
    caller = installation.caller()
    assert caller.get(PATH, {"If-None-Match": f'"{DIGEST}"'}).status_code == 304
    whole = caller.get(PATH, {"Range": "bytes=5-9", "If-Range": '"another"'})
    assert (whole.status_code, whole.data) == (200, PACKED)
    outside = caller.get(PATH, {"Range": f"bytes={len(PACKED)}-"})
    assert (outside.status_code, outside.json["code"]) == (416, "no-such-range")
    assert outside.headers["Content-Range"] == f"bytes */{len(PACKED)}"
    changed = caller.get(PATH, {"If-Match": '"another"'})
    assert (changed.status_code, changed.json["code"]) == (412, "changed")
    missing = caller.get(f"/bundles/sha256:{64 * '0'}")
    assert (missing.status_code, missing.json["code"]) == (404, "bundle-missing")


def test_reading_is_not_enough_and_a_token_for_it_alone_is(installation: Installation) -> None:
    assert installation.caller("reader").get(PATH).status_code == 403
    assert installation.caller("gateway").get(PATH).status_code == 403
    installation.tokens["mirror"] = installation.make_token("mirror", Permission.FETCH)
    assert installation.caller("mirror").get(PATH).data == PACKED
    assert installation.caller("mirror").get("/deployments").status_code == 403


def deploy_bundle(installation: Installation, digest: str = DIGEST) -> None:
    body = {"bundle": digest, "drain_timeout": "1s"}
    assert installation.caller().put("/deployments/m", body).status_code in {200, 201}


def test_a_replica_gets_the_bundle_of_its_own_version_and_nothing_else(installation: Installation) -> None:
    deploy_bundle(installation)
    replica = replica_of(installation, "m-v1")
    assert replica.get(PATH).data == PACKED, "before the first look at the scheduler"
    installation.tick(4)
    assert replica.get(PATH).data == PACKED
    refused = replica.get(f"/bundles/{OTHER}")
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert "m-v1 may download the bundle of its own version only" in refused.json["detail"]
    for path in ("/deployments", "/deployments/m", "/whoami", "/events", "/routes", "/tokens", "/plugins"):
        assert replica.get(path).status_code == 403, path
    for method in ("PUT", "HEAD"):
        assert replica.send(method, PATH).status_code == 403


def test_a_replica_gets_it_as_long_as_it_is_to_run_or_runs(installation: Installation) -> None:
    deploy_bundle(installation)
    installation.tick(4)
    deploy_bundle(installation, OTHER)
    replica = replica_of(installation, "m-v1")
    assert replica.get(PATH).status_code == 200, "the incumbent"
    installation.tick(8)
    assert replica.get(PATH).status_code == 403
    assert replica_of(installation, "m-v2").get(f"/bundles/{OTHER}").status_code == 200
    replica_id = installation.scheduler.observe(["m-v2"])["m-v2"].replicas[0].id
    installation.core.drains.note_follower("g", installation.core.routes.table().index, [replica_id])
    installation.caller().post("/deployments/m/stop")
    assert replica_of(installation, "m-v2").get(f"/bundles/{OTHER}").status_code == 200, "still draining"


@pytest.mark.parametrize("workload", ["m-v9", "nobody-v1", "m", "../m-v1", "m-v0"])
def test_a_replica_of_nothing_gets_nothing(installation: Installation, workload: str) -> None:
    deploy_bundle(installation)
    assert replica_of(installation, workload).get(PATH).status_code == 403


# over a real socket


def put_large(installation: Installation, size: int) -> tuple[str, bytes]:
    """Store a file that is no archive behind the API's back, and return its path and content."""
    content = os.urandom(size)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    installation.core.blobs.receive(digest, [content], size)
    return f"/bundles/{digest}", content


def test_the_client_downloads(installation: Installation) -> None:
    path, content = put_large(installation, 3_000_000)
    with served(installation.app) as url, Client(url, installation.tokens["writer"]) as client:
        assert b"".join(client.download_bundle(path.removeprefix("/bundles/"))) == content
    with (
        served(installation.app) as url,
        Client(url, installation.tokens["reader"]) as client,
        pytest.raises(Forbidden, match="lacks the permission 'fetch'"),
    ):
        list(client.download_bundle(DIGEST))


def test_ranges_and_kept_connections_over_a_socket(installation: Installation) -> None:
    path, content = put_large(installation, 3_000_000)
    headers = installation.caller().headers
    with served(installation.app) as url, httpx.Client(base_url=url + API, headers=headers) as client:
        for _ in range(3):
            assert client.get(path).content == content
            part = client.get(path, headers={"Range": "bytes=1000001-2000000"})
            assert (part.status_code, part.content) == (206, content[1000001:2000001])
            assert client.get("/whoami").status_code == 200
        assert client.get(path, headers={"Range": "bytes=9999999-"}).status_code == 416


def ask(url: str, path: str, headers: dict[str, str]) -> socket.socket:
    """Begin a download and read its head only."""
    address = httpx.URL(url)
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.settimeout(20)
    caller.connect((address.host, address.port or 0))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    caller.sendall(f"GET {API}{path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    return caller


def test_many_slow_downloads_leave_the_api_its_threads(installation: Installation) -> None:
    path, _ = put_large(installation, 20_000_000)
    headers = installation.caller().headers
    with served(installation.app, threads=8) as url:
        callers = [ask(url, path, headers | extra) for extra in ({}, {"Range": "bytes=5-"}) for _ in range(20)]
        for caller in callers:
            assert caller.recv(12).startswith(b"HTTP/1.1 20")
        with httpx.Client(base_url=url + API, headers=headers, timeout=5) as client:
            assert client.get("/whoami").status_code == 200
        for caller in callers:
            caller.close()
        eventually(lambda: free_downloads(installation) == edge_of(installation.app).limits.downloads)


def free_downloads(installation: Installation) -> int:
    return edge_of(installation.app).waiting._downloads._value


class Hungry(socket.socket):
    """A socket whose reader is never slower than the server."""

    taken = 0

    def send(self, data: Any, flags: int = 0) -> int:
        self.taken += len(data)
        return len(data)


def test_a_fast_reader_of_a_large_file_lets_others_have_their_turn(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Hungry() as hungry:
        server = make_server(installation.app, listener)
        door = server._doors[0]
        channel = door.channel_class(door, hungry, ("127.0.0.1", 1), door.adj, {})
        channel.write_soon(b"x" * 50_000_000)  # the thread of the request
        assert 0 < hungry.taken < 5_000_000
        for _ in range(3):  # turns of the loop
            before = hungry.taken
            channel.handle_write()
            assert 0 < hungry.taken - before < 5_000_000
        while channel.total_outbufs_len:
            channel.handle_write()
        assert hungry.taken == 50_000_000
        channel.handle_close()
        server.close()
        server.run()


def test_too_many_downloads_wait_and_are_then_refused(tmp_path: Path) -> None:
    limits = Limits(4, 1, 4, 8, 2**30, downloads=1, download_queue=1, download_wait_s=0.5)
    installation = Installation(tmp_path / "data", limits)
    path, content = put_large(installation, 20_000_000)
    headers = installation.caller().headers
    try:
        with served(installation.app) as url, httpx.Client(base_url=url + API, headers=headers, timeout=20) as client:
            first = ask(url, path, headers)
            assert first.recv(12).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
            refused = client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (503, "too-many-downloads")
            assert refused.headers["Retry-After"] == "5"
            assert time.monotonic() - began >= 0.5
            threading.Timer(0.2, first.close).start()
            assert client.get(path).content == content, "it waited for its place"
    finally:
        installation.close()
