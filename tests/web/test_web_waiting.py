"""Blocking reads: answered on a change, after the time, at a hang-up, at the end, and at once where it is crowded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from serai.reconcile.changes import Changes
from serai.web.blocking import Limits, Waiting
from tests.waiting import eventually
from tests.web.installation import Installation


def never() -> bool:
    return False


def start(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


def make_read(waiting: Waiting, changes: Changes, wait_s: float, is_gone: Callable[[], bool] = never) -> int:
    known = changes.first
    return waiting.read(lambda s: changes.wait("m", known, s), lambda now: now != known, wait_s, is_gone)


def test_a_change_ends_the_wait() -> None:
    waiting, changes = Waiting(Limits.of_threads(8)), Changes()
    thread, answers = start(lambda: make_read(waiting, changes, 60))
    index = changes.bump("m")
    thread.join(5)
    assert answers == [index]


def test_the_time_ends_the_wait() -> None:
    changes = Changes()
    began = time.monotonic()
    assert make_read(Waiting(Limits.of_threads(8)), changes, 0.05) == changes.first
    assert 0.04 < time.monotonic() - began < 5


def test_a_hang_up_and_the_servers_end_end_the_wait() -> None:
    waiting, changes = Waiting(Limits.of_threads(8)), Changes()
    gone = threading.Event()
    hung_up, _ = start(lambda: make_read(waiting, changes, 60, gone.is_set))
    gone.set()
    hung_up.join(5)
    closed, _ = start(lambda: make_read(waiting, changes, 60))
    waiting.close()
    closed.join(5)
    assert not hung_up.is_alive()
    assert not closed.is_alive()


def test_beyond_the_bound_the_answer_comes_at_once_but_routes_have_places_of_their_own() -> None:
    waiting, changes = Waiting(Limits(reads=1, routes=1, streams=1, threads=8, bundle_bytes=1)), Changes()
    inside = threading.Event()

    def look(timeout_s: float) -> int:
        if timeout_s:
            inside.set()
        return changes.wait("m", changes.first, timeout_s)

    held, _ = start(lambda: waiting.read(look, lambda now: now != changes.first, 60, never))
    assert inside.wait(5)
    began = time.monotonic()
    assert make_read(waiting, changes, 60) == changes.first
    assert time.monotonic() - began < 5
    route, answers = start(
        lambda: waiting.read_routes(
            lambda s: changes.wait("r", changes.first, s), lambda now: now != changes.first, 60, never
        )
    )
    index = changes.bump("r")
    route.join(5)
    assert answers == [index]
    changes.bump("m")
    held.join(5)
    assert not held.is_alive()


@pytest.mark.parametrize("path", ["/deployments", "/deployments/m", "/deployments/m/versions/1", "/events"])
def test_reads_wait_for_the_next_change(installation: Installation, path: str) -> None:
    installation.deploy()
    caller = installation.caller("reader")
    first = caller.get(path)
    index = int(first.headers["X-Serai-Index"])
    same = caller.get(f"{path}?index={index}&wait=10ms")
    assert (int(same.headers["X-Serai-Index"]), same.json) == (index, first.json)
    thread, answers = start(lambda: installation.caller("reader").get(f"{path}?index={index}&wait=30s"))
    installation.caller().patch("/deployments/m", {"count": 2})
    installation.tick()
    thread.join(10)
    answer = answers[0]
    assert int(answer.headers["X-Serai-Index"]) > index  # type: ignore[attr-defined]


def test_an_index_of_an_earlier_server_is_answered_at_once(installation: Installation) -> None:
    installation.deploy()
    began = time.monotonic()
    answer = installation.caller().get("/deployments/m?index=17&wait=30s")
    assert answer.status_code == 200
    assert time.monotonic() - began < 10


def test_who_has_it_already_gets_304(installation: Installation) -> None:
    installation.deploy()
    first = installation.caller().get("/deployments/m")
    again = installation.caller().get("/deployments/m", {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.text) == (304, "")
    installation.caller().patch("/deployments/m", {"count": 2})
    changed = installation.caller().get("/deployments/m", {"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_a_release_happens_once() -> None:
    waiting = Waiting(Limits(1, 1, 1, 8, 1))
    leave = waiting.enter_stream()
    leave()
    leave()
    waiting.enter_stream()
    with pytest.raises(Exception, match="too many streams"):
        waiting.enter_stream()
    assert eventually(lambda: True)
