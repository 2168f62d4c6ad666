"""An idle deployment under fifty callers at once, on real processes: one wake, nobody refused, released at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serai.gateway.haproxy.program import find_program
from tests.system.installation import MODEL, Installation, make_model
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CALLERS = 50


@pytest.fixture(params=["asyncio", "haproxy"])
def serai(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    if request.param == "haproxy" and find_program().program is None:
        pytest.skip("there is no HAProxy 2.8 or newer here")
    made = Installation(tmp_path, {"gateway_engine": request.param})
    try:
        yield made.start()
    finally:
        made.close()


def test_fifty_callers_wake_it_once(serai: Installation, tmp_path: Path) -> None:
    # The usual backlog of Python's server is 5: the others would be heard at their second try, seconds later.
    code = MODEL.replace(".daemon_threads = True", ".request_queue_size = 100")
    assert code != MODEL
    serai.deploy(make_model(tmp_path / "m", "drain_timeout: 1s\nenv: {LOAD_S: '1'}\n", code))
    done = serai.run("idle", "m")
    assert done.returncode == 0 and "serai wake m" in done.stdout, done.stderr
    eventually(lambda: not serai.model_processes(), 20)
    with serai.client() as client:
        deployment = client.get_deployment("m")
        assert (deployment["state"], deployment["reason"]["code"], deployment["count"]) == ("running", "idle", 1)

        def call(number: int) -> tuple[str, float]:
            return serai.get(f"/m/{number}", timeout_s=60), time.time()

        with ThreadPoolExecutor(CALLERS) as pool:
            calls = [pool.submit(call, number) for number in range(CALLERS)]
            ready_at = eventually(lambda: _ready_at(client.get_deployment("m")), 60, 0.005)
            answers = [waiting.result() for waiting in calls]
        assert all(answer.startswith("1 ") for answer, _ in answers)
        released_s = [at - ready_at for _, at in answers]
        print(f"\nanswered after the server said ready: first {min(released_s):.3f} s, last {max(released_s):.3f} s")
        assert min(released_s) < 0.25 and max(released_s) < 1.5
        woken = [event for event in client.list_events("m") if event["kind"] == "deployment.woken"]
        assert len(woken) == 1 and "by a request at gateway" in woken[0]["text"]


def _ready_at(deployment: dict[str, object]) -> float | None:
    return time.time() if deployment.get("ready") else None
