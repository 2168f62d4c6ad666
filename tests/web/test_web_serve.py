"""The server on a real socket: held requests, callers that hang up, and a clean end."""

from __future__ import annotations

import socket
import threading
import time

import httpx
import pytest

from serai.web.app import edge_of
from tests.waiting import eventually
from tests.web.installation import API, Installation
from tests.web.served import served


@pytest.fixture
def running(installation: Installation) -> Installation:
    installation.deploy()
    return installation


def headers(installation: Installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {installation.tokens['admin']}"}


def test_lines_are_followed_as_they_are_written(running: Installation) -> None:
    with served(running.app) as url, httpx.Client(base_url=url + API, headers=headers(running), timeout=20) as client:
        with client.stream("GET", "/deployments/m/versions/1/logs?follow=1") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            chunks = response.iter_text()
            assert next(chunks).startswith(": hello")
            for text in ("first", "second"):
                running.say("m", 1, text)
                seen = ""
                while text not in seen:
                    seen += next(chunks)
        assert client.get("/whoami").status_code == 200


def test_who_hangs_up_gives_the_place_back(running: Installation) -> None:
    streams = edge_of(running.app).limits.streams
    with served(running.app, threads=streams + 4) as url:
        address = httpx.URL(url)
        request = (
            f"GET {API}/deployments/m/versions/1/logs?follow=1 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {running.tokens['admin']}\r\n\r\n"
        )
        callers = [socket.create_connection((address.host, address.port or 0)) for _ in range(streams)]
        for caller in callers:
            caller.sendall(request.encode())
            assert caller.recv(12) == b"HTTP/1.1 200"
        with httpx.Client(base_url=url + API, headers=headers(running), timeout=20) as client:
            path = "/deployments/m/versions/1/logs?follow=1"
            assert client.get(path).status_code == 503
            for caller in callers:
                caller.close()

            def finds_a_place() -> bool:
                with client.stream("GET", path) as response:
                    return response.status_code == 200

            assert eventually(finds_a_place)


def test_the_end_lets_go_of_what_is_held(running: Installation) -> None:
    answered: list[float] = []
    others = set(threading.enumerate())  # of servers that other tests keep

    def wait(url: str) -> None:
        index = running.core.changes.index("m")
        path = f"{url}{API}/deployments/m?index={index}&wait=1m"
        assert httpx.get(path, headers=headers(running), timeout=30).status_code == 200
        answered.append(time.monotonic())

    def is_held() -> bool:
        taken = edge_of(running.app).waiting._reads._value
        return taken < edge_of(running.app).limits.reads

    with served(running.app) as url:
        thread = threading.Thread(target=wait, args=(url,))
        thread.start()
        eventually(is_held)
        began = time.monotonic()
    thread.join(10)
    assert answered
    assert answered[0] - began < 8
    eventually(lambda: not [t for t in set(threading.enumerate()) - others if t.name.startswith("waitress")])


def test_a_request_that_is_no_http_is_refused(running: Installation) -> None:
    with served(running.app) as url:
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port or 0)) as caller:
            caller.sendall(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n")
            assert caller.recv(12).startswith(b"HTTP/1.")
        assert httpx.get(f"{url}/healthz").status_code == 200
