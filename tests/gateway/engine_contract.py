"""What every engine has to do, whatever carries its bytes: subclass EngineContract and give it your engine."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from serai.domain.errors import ServerUnavailable
from serai.domain.finished import FinishedRequest
from serai.gateway.engine import Engine, Health, Keep
from serai.gateway.record import RequestRecord
from serai.gateway.sampling import Tracing
from tests.gateway.bench import Bench

Scenario = Callable[..., Awaitable[None]]

DOMAIN = "models.test"


def scenario(test: Scenario) -> Callable[..., None]:
    """Make a test of a coroutine function that takes `bench`."""

    @functools.wraps(test)
    def run(*args: Any, bench: Any, **more: Any) -> None:
        bench.runner.run(asyncio.wait_for(test(*args, bench=bench.bench, **more), 30))

    return run


class Stage:
    """A loop and the bench in it."""

    def __init__(self, runner: asyncio.Runner, bench: Bench) -> None:
        self.runner = runner
        self.bench = bench


class EngineFixture:
    """Override `make_engine`. It is called inside the loop that the engine will run in."""

    hold_limit = 5
    trace_share: float | None = None

    @pytest.fixture(autouse=True)
    def _server(self) -> None:
        self.spans: list[FinishedRequest] = []
        self.woken: list[str] = []
        self.is_server_away = False

    async def wake(self, deployment: str) -> None:
        """What the engine is to call while requests wait for an idle deployment."""
        self.woken.append(deployment)
        if self.is_server_away:
            raise ServerUnavailable("nobody is there")

    def make_engine(self, keep: Keep, health: Health) -> Engine:
        """Return an engine on 127.0.0.1, a free port, DOMAIN, `hold_limit`, `wake` and `tracing()`."""
        raise NotImplementedError

    def tracing(self) -> Tracing | None:
        """Return how spans come into `spans`; None without a `trace_share`."""
        return None if self.trace_share is None else Tracing(self.trace_share, self.spans.append)

    @pytest.fixture
    def bench(self) -> Iterator[Stage]:
        with asyncio.Runner() as runner:
            bench = runner.run(self._start())
            try:
                yield Stage(runner, bench)
            finally:
                runner.run(bench.close())

    async def _start(self) -> Bench:
        records: list[RequestRecord] = []
        engine = self.make_engine(records.append, lambda: {"engine": "under test"})
        await engine.start()
        return Bench(engine, records)
